//! Account numbers: a country, two check digits and what the country puts after them (ISO 13616-1), in one piece or in
//! groups of four, checked modulo 97.

use super::{Verdict, ends};

/// Countries and how long their numbers are, from the registry of SWIFT (release 99).
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// How many characters stand together when a number is printed.
const GROUP: usize = 4;

pub(super) fn judge(text: &[u8], complete: bool) -> Verdict {
    let open = || if complete { Verdict::No } else { Verdict::Undecided };
    let Some((country, _)) = text.split_first_chunk::<2>() else { return open() };
    let Some(length) = LENGTHS.iter().find(|(name, _)| *name == country).map(|(_, length)| *length) else {
        return Verdict::No;
    };
    let (mut letters, mut at, mut is_grouped) = (Vec::with_capacity(length), 0, false);
    while letters.len() < length {
        let count = letters.len();
        let Some(letter) = text.get(at).copied() else { return open() };
        let is_between = count > 0 && count.is_multiple_of(GROUP) && text[at - 1] != b' ';
        if is_between && count == GROUP {
            is_grouped = letter == b' ';
        }
        if is_between && is_grouped {
            if letter != b' ' {
                return Verdict::No;
            }
            at += 1;
            continue;
        }
        let fits = match count {
            0 | 1 => letter.is_ascii_uppercase(),
            2 | 3 => letter.is_ascii_digit(),
            _ => letter.is_ascii_uppercase() || letter.is_ascii_digit(),
        };
        if !fits {
            return Verdict::No;
        }
        letters.push(letter);
        at += 1;
    }
    match ends(&text[at..], complete) {
        Some(true) if passes(&letters) => Verdict::Yes(at),
        Some(_) => Verdict::No,
        None => Verdict::Undecided,
    }
}

/// With the first four characters at the end and letters as two digits (A is 10), the number is 1 modulo 97.
fn passes(letters: &[u8]) -> bool {
    let (head, rest) = letters.split_at(GROUP);
    let remainder = rest.iter().chain(head).fold(0, |remainder, letter| match letter {
        b'0'..=b'9' => (remainder * 10 + u32::from(letter - b'0')) % 97,
        _ => (remainder * 100 + u32::from(letter - b'A') + 10) % 97,
    });
    remainder == 1
}
