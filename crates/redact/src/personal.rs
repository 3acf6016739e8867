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
    // Before this an escape may end within a word, and something begin behind it: every byte is looked at.
    let (mut at, mut careful) = (from, from + ESCAPE_BYTES);
    while at < bytes.len() {
        if !IN_WORDS[usize::from(bytes[at])] {
            if matches!(bytes[at], b'\\' | b'%') {
                careful = at + 1 + ESCAPE_BYTES;
            }
            at += 1;
            continue;
        }
        match judge(bytes, at, complete) {
            (_, Verdict::No) if at < careful => at += 1,
            // Nothing begins within a word.
            (_, Verdict::No) => at += word_length(&bytes[at..]),
            (_, Verdict::Undecided) => return Some(at),
            (name, Verdict::Yes(length)) => {
                found(Hit { start: at, end: at + length, name });
                at += length;
            }
        }
    }
    None
}

/// Letters and digits of an escape behind its `\\` or `%`.
const ESCAPE_BYTES: usize = 3;

fn judge(bytes: &[u8], at: usize, complete: bool) -> (&'static str, Verdict) {
    let (name, judge): (_, fn(&[u8], bool) -> Verdict) = match bytes[at] {
        b'2'..=b'6' => ("card-number", card::judge),
        b'A'..=b'Z' => ("iban", iban::judge),
        _ => return ("", Verdict::No),
    };
    (name, if may_begin(&bytes[..at]) { judge(&bytes[at..], complete) } else { Verdict::No })
}

fn word_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| IN_WORDS[usize::from(**byte)]).count()
}

/// Letters and digits. Asking a table never takes another way for a digit than for a letter, and identifiers mix them.
const IN_WORDS: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0);
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every byte is looked at.
    fn plainly(text: &str, from: usize, complete: bool) -> (Vec<(usize, usize)>, Option<usize>) {
        let (mut at, mut hits) = (from, Vec::new());
        while at < text.len() {
            match judge(text.as_bytes(), at, complete) {
                (_, Verdict::No) => at += 1,
                (_, Verdict::Undecided) => return (hits, Some(at)),
                (_, Verdict::Yes(length)) => {
                    hits.push((at, at + length));
                    at += length;
                }
            }
        }
        (hits, None)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn passing_over_words_misses_nothing(
            parts in prop::collection::vec(
                prop_oneof![
                    3 => Just("4111111111111111".to_owned()),
                    2 => Just("DE89370400440532013000".to_owned()),
                    1 => Just("4111 1111 1111 1111".to_owned()),
                    4 => "[\\\\%nrt3D_.a-f0-9 é]{0,4}".prop_map(String::from),
                ],
                0..8,
            ),
            from in 0..12usize,
            complete: bool,
        ) {
            let text = parts.concat();
            let from = (0..=from.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            let mut hits = Vec::new();
            let undecided = find(&text, from, complete, |hit| hits.push((hit.start, hit.end)));
            prop_assert_eq!((hits, undecided), plainly(&text, from, complete));
        }
    }
}
