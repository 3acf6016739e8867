//! What is in a text and not seen, or seen and not what it looks like.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::finding::{Finding, Place, Rule, Severity};

/// More marks of no width than this in a file may be a message.
const NO_WIDTH_MAX: usize = 8;
/// Letters that look like Latin ones.
const ALIKE: [(char, char); 20] = [
    ('а', 'a'),
    ('е', 'e'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('у', 'y'),
    ('х', 'x'),
    ('і', 'i'),
    ('ѕ', 's'),
    ('ј', 'j'),
    ('һ', 'h'),
    ('ԁ', 'd'),
    ('ɡ', 'g'),
    ('ο', 'o'),
    ('α', 'a'),
    ('ν', 'v'),
    ('ι', 'i'),
    ('І', 'I'),
    ('А', 'A'),
    ('Е', 'E'),
];

static MIXED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\p{Latin}[\p{Cyrillic}\p{Greek}]|[\p{Cyrillic}\p{Greek}]\p{Latin}").expect("it is a pattern")
});

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Letters of the block of tags: models read them, people do not see them.
    Tag,
    /// Turns the direction of what follows.
    Turn,
    NoWidth,
    /// Chooses a form of the character before; a row of them carries data.
    Variation,
}

fn sort(c: char) -> Option<Sort> {
    Some(match u32::from(c) {
        0xE0000..=0xE007F => Sort::Tag,
        0x202A..=0x202E | 0x2066..=0x2069 => Sort::Turn,
        0x200B
        | 0x200C
        | 0x200D
        | 0x2060..=0x2064
        | 0xFEFF
        | 0x00AD
        | 0x180E
        | 0x200E
        | 0x200F
        | 0x061C
        | 0x3164
        | 0xFFA0 => Sort::NoWidth,
        0xFE00..=0xFE0F | 0xE0100..=0xE01EF => Sort::Variation,
        _ => return None,
    })
}

/// Whether nobody sees it.
pub(super) fn is_hidden(c: char) -> bool {
    sort(c).is_some()
}

/// Without what nobody sees, and with letters for what looks like them. Lines stay lines.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let letter = |c: char| ALIKE.iter().find(|(alike, _)| *alike == c).map_or(c, |(_, latin)| *latin);
    Cow::Owned(text.chars().filter(|c| !is_hidden(*c)).map(letter).collect())
}

pub(super) fn look(place: &Place<'_>, text: &str) -> Vec<Finding> {
    if text.is_ascii() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let (mut no_width, mut before) = (Vec::new(), None);
    for (at, c) in text.char_indices() {
        let range = at..at + c.len_utf8();
        let mut tell =
            |severity, about| found.push(place.finding((Rule::HiddenUnicode, severity, about), text, range.clone()));
        match sort(c) {
            Some(Sort::Tag) if !is_flag(&text[..at]) => tell(Severity::High, "letters that only a model sees"),
            Some(Sort::Turn) => tell(Severity::High, "text that is read in another order than it is shown"),
            Some(Sort::Variation) if before.and_then(sort) == Some(Sort::Variation) => {
                tell(Severity::High, "a row of marks that nobody sees");
            }
            // A mark at the beginning says how the file is encoded, and emoji are joined.
            Some(Sort::NoWidth) if at > 0 && !is_joined(c, before) => no_width.push(range),
            _ => {}
        }
        before = Some(c);
    }
    let severity = if no_width.len() > NO_WIDTH_MAX { Severity::High } else { Severity::Low };
    let told = no_width.into_iter().next();
    found.extend(told.map(|range| place.finding((Rule::HiddenUnicode, severity, "marks without width"), text, range)));
    found.extend(MIXED.find_iter(text).map(|word| {
        let about = "a word with letters of several scripts that look alike";
        place.finding((Rule::MixedScript, Severity::Medium, about), text, around(text, word.range()))
    }));
    found.truncate(super::FINDINGS_MAX);
    found
}

/// Flags of regions are a black flag and tags.
fn is_flag(before: &str) -> bool {
    const LETTERS_MAX: usize = 7;
    let first = before.chars().rev().take(LETTERS_MAX).find(|c| sort(*c) != Some(Sort::Tag));
    first == Some('\u{1F3F4}')
}

/// Joiners within emoji, and in scripts that need them.
fn is_joined(c: char, before: Option<char>) -> bool {
    let Some(before) = before else { return false };
    let needs_it =
        matches!(u32::from(before), 0x0600..=0x06FF | 0x0900..=0x0DFF | 0xFE0F | 0x2600..=0x27BF | 0x1F000..=0x1FAFF);
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{200E}' | '\u{200F}') && needs_it
}

/// The whole word.
fn around(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let start = text[..range.start].rfind(|c: char| !c.is_alphanumeric()).map_or(0, |at| at + 1);
    // What is found there may have more than one byte.
    let start = text.ceil_char_boundary(start);
    let end = text[range.end..].find(|c: char| !c.is_alphanumeric()).map_or(text.len(), |at| range.end + at);
    start..end
}
