//! Numbers of payment cards and bank accounts: what their check digits say they are.
//!
//! Both are short, begin where a word begins and end where one ends, so a look at one takes a bounded number of steps,
//! and the work is linear in the text.

mod card;
mod iban;

use crate::patterns::ends_a_word;

/// What is said about the text from a place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing begins here.
    No,
    /// More text is needed.
    Undecided,
    /// Something of this length.
    Yes(usize),
}

/// Something personal in a text.
pub(crate) struct Hit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) name: &'static str,
}

/// Looks from the byte `from` on. Tells `found` of each; returns where it would need more text, unless it is `complete`.
pub(crate) fn find(text: &str, from: usize, complete: bool, mut found: impl FnMut(Hit)) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        let (name, judge): (_, fn(&[u8], bool) -> Verdict) = match bytes[at] {
            b'2'..=b'6' => ("card-number", card::judge),
            b'A'..=b'Z' => ("iban", iban::judge),
            _ => {
                at += 1;
                continue;
            }
        };
        let verdict = if may_begin(&bytes[..at]) { judge(&bytes[at..], complete) } else { Verdict::No };
        match verdict {
            Verdict::No => at += 1,
            Verdict::Undecided => return Some(at),
            Verdict::Yes(length) => {
                found(Hit { start: at, end: at + length, name });
                at += length;
            }
        }
    }
    None
}

/// Not within a word, an identifier or the digits after a decimal point.
fn may_begin(before: &[u8]) -> bool {
    match before {
        [.., b'_'] => false,
        [.., digit, b'.'] if digit.is_ascii_digit() => false,
        before => ends_a_word(before),
    }
}

/// Whether something that ends before these bytes ends where a word ends; `None` if that cannot be told yet.
fn ends(after: &[u8], complete: bool) -> Option<bool> {
    match after.first() {
        Some(next) => Some(!next.is_ascii_alphanumeric() && *next != b'_'),
        None => complete.then_some(true),
    }
}
