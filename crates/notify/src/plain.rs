//! Text that says what it says and nothing else: no links, no control characters, no tricks with the direction of writing.

/// As [`plain`], without ends of lines.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    plain(&joined, chars_max)
}

/// What others wrote may not lead a reader anywhere, so addresses are spelled so that no program makes links of them.
pub(crate) fn plain(text: &str, chars_max: usize) -> String {
    let visible: String = text.chars().filter_map(visible).collect();
    let unlinked = visible.replace("://", "[:]//").replace("www.", "www[.]").replace("mailto:", "mailto[:]");
    shortened(&unlinked, chars_max)
}

fn visible(c: char) -> Option<char> {
    match c {
        '\n' => Some(c),
        // They turn around what is read.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        c if c.is_control() => Some(' '),
        c => Some(c),
    }
}

pub(crate) fn shortened(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(plain(text, 40), expected);
    }

    #[test]
    fn nothing_can_be_clicked_on_and_nothing_is_hidden() {
        check("as it is\nindeed", "as it is\nindeed");
        check("go to HTTPS://a.example or www.b.example", "go to HTTPS[:]//a.example or www[.]b.ex…");
        check("bell\u{7} and \u{202e}right to left", "bell  and right to left");
        assert_eq!(one_line("a\r\nBcc: b\t c ", 40), "a Bcc: b c");
        assert_eq!(one_line("ü".repeat(50).as_str(), 3), "üü…");
    }
}
