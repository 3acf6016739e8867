/// The body with what was given in the place of `$ARGUMENTS` and `$1` to `$9`. A number for which nothing was given stays as it is:
/// it may be a shell's or awk's own. Arguments that the body has no place for follow it.
///
/// ```
/// use orchestrator_skills::with_arguments;
/// assert_eq!(with_arguments("Review $1 for $2.", "main.rs 'dead code'"), "Review main.rs for dead code.");
/// assert_eq!(with_arguments("Say $ARGUMENTS!", "a b"), "Say a b!");
/// assert_eq!(with_arguments("awk '{print $1}'", ""), "awk '{print $1}'");
/// assert_eq!(with_arguments("Count.", "a b"), "Count.\n\nARGUMENTS: a b");
/// ```
pub fn with_arguments(body: &str, arguments: &str) -> String {
    const ALL: &str = "$ARGUMENTS";
    let arguments = arguments.trim();
    let words = words(arguments);
    let (mut text, mut rest, mut has_place) = (String::with_capacity(body.len()), body, false);
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix(ALL) {
            text.push_str(arguments);
            (rest, has_place) = (after, true);
            continue;
        }
        let number = rest[1..].chars().next().and_then(|c| c.to_digit(10)).filter(|number| *number > 0);
        let is_longer = rest[1..].chars().nth(1).is_some_and(|c| c.is_ascii_digit());
        match number.filter(|_| !is_longer).and_then(|number| words.get(number as usize - 1)) {
            Some(word) => {
                text.push_str(word);
                (rest, has_place) = (&rest[2..], true);
            }
            None => {
                text.push('$');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    if !has_place && !arguments.is_empty() {
        text.push_str("\n\nARGUMENTS: ");
        text.push_str(arguments);
    }
    text
}

/// At spaces, with what stands in quotes together. A quote that is not closed goes to the end.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What a text is taken for in tokens.
pub fn tokens(text: &str) -> u64 {
    const BYTES_PER_TOKEN: u64 = 4;
    (text.len() as u64).div_ceil(BYTES_PER_TOKEN)
}

/// As many whole lines as fit, and the number of the first that does not; `None` if all do.
pub fn within_tokens(text: &str, tokens_max: u64) -> (&str, Option<usize>) {
    if tokens(text) <= tokens_max {
        return (text, None);
    }
    let (mut end, mut lines) = (0, 0);
    for line in text.split_inclusive('\n') {
        if tokens(&text[..end + line.len()]) > tokens_max {
            break;
        }
        end += line.len();
        lines += 1;
    }
    (&text[..end], Some(lines + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn arguments_take_their_places() {
        assert_eq!(with_arguments("$1 and $2 and $3", "a b"), "a and b and $3");
        assert_eq!(with_arguments("$10 $0 $", "a"), "$10 $0 $\n\nARGUMENTS: a");
        assert_eq!(with_arguments("$ARGUMENTS", ""), "");
        assert_eq!(words("a 'b c' \"\" d'e'"), ["a", "b c", "", "de"]);
        // What is given is not looked into again.
        assert_eq!(with_arguments("$1", "$ARGUMENTS"), "$ARGUMENTS");
    }

    #[test]
    fn a_text_is_cut_between_lines() {
        assert_eq!(within_tokens("aaaa\nbbbb\n", 2), ("aaaa\n", Some(2)));
        assert_eq!(within_tokens("aaaa\nbbbb\n", 3), ("aaaa\nbbbb\n", None));
        assert_eq!(within_tokens("aaaaaaaaaaaa", 2), ("", Some(1)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_without_arguments(body in "[a-z$0-9 \\n]{0,60}") {
            let expected = body.replace("$ARGUMENTS", "");
            prop_assert_eq!(with_arguments(&body, ""), expected);
        }

        #[test]
        fn any_text_is_taken(body in ".{0,60}", arguments in ".{0,30}") {
            let _ = with_arguments(&body, &arguments);
            let (kept, more) = within_tokens(&body, 4);
            prop_assert!(body.starts_with(kept) && tokens(kept) <= 4 && (more.is_some() || kept == body));
        }
    }
}
