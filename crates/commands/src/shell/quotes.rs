//! `$'…'`: text with escapes, as bash reads it.

/// The text; nothing if an escape is unusual, or names a character that ends words.
pub(super) fn ansi_c(text: &str) -> Option<String> {
    let mut found = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            found.push(letter);
            continue;
        }
        let escape = letters.next()?;
        let mut number = |radix: u32, most: usize, first: Option<char>| {
            let mut digits: String = first.into_iter().collect();
            while digits.len() < most {
                match letters.peek() {
                    Some(digit) if digit.is_digit(radix) => digits.extend(letters.next()),
                    _ => break,
                }
            }
            u32::from_str_radix(&digits, radix).ok()
        };
        let code = match escape {
            'a' => 7,
            'b' => 8,
            'e' | 'E' => 27,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            '\\' | '\'' | '"' | '?' => escape as u32,
            'x' => number(16, 2, None)?,
            'u' => number(16, 4, None)?,
            'U' => number(16, 8, None)?,
            '0'..='7' => number(8, 3, Some(escape))?,
            _ => return None,
        };
        // Bytes beyond ASCII may be parts of a character.
        let is_byte = matches!(escape, 'x' | '0'..='7');
        let is_known = code != 0 && (!is_byte || code < 128);
        found.push(char::from_u32(code).filter(|_| is_known)?);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_what_they_name() {
        for (text, expected) in [
            ("\\x72m", Some("rm")),
            ("\\162\\155", Some("rm")),
            ("r\\u006d", Some("rm")),
            ("it\\'s", Some("it's")),
            ("a\\nb", Some("a\nb")),
            ("rm\\0x", None),
            ("rm\\cA", None),
            ("\\xff", None),
            ("\\q", None),
        ] {
            assert_eq!(ansi_c(text).as_deref(), expected, "{text}");
        }
    }
}
