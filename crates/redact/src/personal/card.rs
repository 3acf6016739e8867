//! Card numbers: 13 to 19 digits that begin as an issuer's do and pass the check of Luhn (ISO/IEC 7812-1), in one piece
//! or in the groups that are printed on cards, separated by single spaces or hyphens.

use super::{Verdict, ends};

const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;

/// How numbers are grouped; a longer grouping comes before one that it begins with.
const GROUPINGS: [&[usize]; 4] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]];
const GROUPS_MAX: usize = 5;
const GROUP_DIGITS_MAX: usize = 6;

pub(super) fn judge(text: &[u8], complete: bool) -> Verdict {
    let first = run(text, DIGITS_MAX);
    if first == text.len() && first <= DIGITS_MAX && !complete {
        return if may_be_issued(&text[..first]) { Verdict::Undecided } else { Verdict::No };
    }
    match text.get(first) {
        Some(separator @ (b' ' | b'-')) if first == 4 => judge_groups(text, *separator, complete),
        _ if !(DIGITS_MIN..=DIGITS_MAX).contains(&first) => Verdict::No,
        _ => match ends(&text[first..], complete) {
            Some(true) if is_card(&text[..first]) => Verdict::Yes(first),
            Some(_) => Verdict::No,
            None => Verdict::Undecided,
        },
    }
}

/// Digits at the beginning, up to one more than `most`.
fn run(text: &[u8], most: usize) -> usize {
    text.iter().take(most + 1).take_while(|byte| byte.is_ascii_digit()).count()
}

fn judge_groups(text: &[u8], separator: u8, complete: bool) -> Verdict {
    if !may_be_issued(&text[..4]) {
        return Verdict::No;
    }
    let (mut groups, mut at) = (Vec::with_capacity(GROUPS_MAX), 0);
    loop {
        let length = run(&text[at..], GROUP_DIGITS_MAX);
        if length == 0 {
            // Not a group, so the separator before it belongs to what follows, unless more is to come.
            if at == text.len() && !complete {
                return Verdict::Undecided;
            }
            break;
        }
        at += length;
        groups.push((length, at));
        let may_go_on = GROUPINGS.iter().any(|grouping| begins(grouping, &groups));
        match text.get(at) {
            None if !complete && (may_go_on || groups_are_open(&groups)) => return Verdict::Undecided,
            Some(next) if *next == separator && may_go_on && groups.len() < GROUPS_MAX => at += 1,
            _ => break,
        }
    }
    let whole = GROUPINGS.iter().find_map(|grouping| {
        let end = groups.get(grouping.len() - 1).filter(|_| ends_as(grouping, &groups))?.1;
        let digits: Vec<u8> = text[..end].iter().copied().filter(u8::is_ascii_digit).collect();
        (ends(&text[end..], complete) == Some(true) && is_card(&digits)).then_some(end)
    });
    whole.map_or(Verdict::No, Verdict::Yes)
}

/// The groups so far are the beginning of this grouping.
fn begins(grouping: &[usize], groups: &[(usize, usize)]) -> bool {
    groups.len() < grouping.len() && groups.iter().zip(grouping).all(|(group, expected)| group.0 == *expected)
}

fn ends_as(grouping: &[usize], groups: &[(usize, usize)]) -> bool {
    groups.len() >= grouping.len() && groups.iter().zip(grouping).all(|(group, expected)| group.0 == *expected)
}

/// The last group is at the end of the text and may get longer, or is complete and may be followed by a letter.
fn groups_are_open(groups: &[(usize, usize)]) -> bool {
    let Some(((last, _), before)) = groups.split_last() else { return false };
    GROUPINGS.iter().any(|grouping| {
        let expected = grouping.get(before.len());
        let before = before.iter().zip(*grouping).all(|(group, expected)| group.0 == *expected);
        before && expected.is_some_and(|expected| last <= expected)
    })
}

fn is_card(digits: &[u8]) -> bool {
    is_issued(digits) && passes_luhn(digits)
}

/// Every second digit from the right counts twice; the sum of all digits is a multiple of ten.
fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().map(|(index, digit)| doubled(index, u32::from(digit - b'0'))).sum();
    sum.is_multiple_of(10)
}

fn doubled(index: usize, digit: u32) -> u32 {
    match (index % 2, digit * 2) {
        (0, _) => digit,
        (_, twice @ 0..=9) => twice,
        (_, twice) => twice - 9,
    }
}

/// The first two digits can be an issuer's, as far as they are there. Numbers such as times since 1970 begin otherwise.
fn may_be_issued(digits: &[u8]) -> bool {
    match digits {
        [b'2', second, ..] => (b'2'..=b'7').contains(second),
        [b'3', second, ..] => b"0456789".contains(second),
        [b'2'..=b'6', ..] => true,
        _ => false,
    }
}

/// Whether an issuer gives out numbers like this: American Express, Diners, JCB, Visa, Mastercard, Maestro, Discover,
/// UnionPay.
fn is_issued(digits: &[u8]) -> bool {
    let head = digits.iter().take(4).fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    match (head, digits.len()) {
        (2_221..=2_720 | 5_100..=5_599, length) => length == 16,
        (3_400..=3_499 | 3_700..=3_799, length) => length == 15,
        (3_000..=3_059 | 3_600..=3_699 | 3_800..=3_999, length) => (14..=19).contains(&length),
        (3_528..=3_589, length) => (16..=19).contains(&length),
        (4_000..=4_999, length) => [13, 16, 19].contains(&length),
        (5_000..=5_099 | 5_600..=5_899 | 6_000..=6_999, length) => (DIGITS_MIN..=DIGITS_MAX).contains(&length),
        _ => false,
    }
}
