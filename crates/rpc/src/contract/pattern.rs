use std::iter::Peekable;
use std::str::Chars;

/// A text that matches the regular expression: the first character of each class, the first of alternatives, the
/// fewest repetitions. Knows what schemas of ids, names and times use; `None` for anything else.
pub(super) fn first_match(pattern: &str) -> Option<String> {
    let mut parser = Parser { rest: pattern.chars().peekable() };
    let text = parser.alternatives()?;
    parser.rest.next().is_none().then_some(text)
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Parser<'_> {
    fn alternatives(&mut self) -> Option<String> {
        let first = self.sequence()?;
        while self.rest.next_if_eq(&'|').is_some() {
            self.sequence()?;
        }
        Some(first)
    }

    fn sequence(&mut self) -> Option<String> {
        let mut text = String::new();
        while let Some(next) = self.rest.next_if(|c| !matches!(c, '|' | ')')) {
            let atom = match next {
                '^' | '$' => continue,
                '[' => self.class()?.to_string(),
                '(' => self.group()?,
                '\\' => escaped(self.rest.next()?).to_string(),
                '.' => "x".to_owned(),
                '*' | '+' | '?' | '{' => return None,
                plain => plain.to_string(),
            };
            text.push_str(&atom.repeat(self.repetitions()?));
        }
        Some(text)
    }

    fn group(&mut self) -> Option<String> {
        if self.rest.next_if_eq(&'?').is_some() {
            self.rest.next_if_eq(&':')?; // look-around and names are not known
        }
        let text = self.alternatives()?;
        self.rest.next_if_eq(&')')?;
        Some(text)
    }

    /// The first character of a class that is not negated.
    fn class(&mut self) -> Option<char> {
        let first = match self.rest.next()? {
            '^' | ']' => return None,
            '\\' => escaped(self.rest.next()?),
            plain => plain,
        };
        while self.rest.next()? != ']' {}
        Some(first)
    }

    fn repetitions(&mut self) -> Option<usize> {
        match self.rest.next_if(|c| matches!(c, '*' | '+' | '?' | '{')) {
            None | Some('+') => Some(1),
            Some('{') => {
                let bounds: String = std::iter::from_fn(|| self.rest.next_if(|c| *c != '}')).collect();
                self.rest.next()?;
                bounds.split(',').next()?.parse().ok().filter(|count| *count <= 1_024)
            }
            Some(_) => Some(0),
        }
    }
}

fn escaped(c: char) -> char {
    match c {
        'd' => '0',
        'w' => 'a',
        's' => ' ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, expected: Option<&str>) {
        assert_eq!(first_match(pattern).as_deref(), expected, "{pattern}");
    }

    #[test]
    fn the_patterns_of_our_schemas_have_a_match() {
        check("^task_[0-9a-f]{32}$", Some("task_00000000000000000000000000000000"));
        check("^[a-z0-9][a-z0-9._-]{0,62}$", Some("a"));
        check("^(user|agent|system):.+$", Some("user:x"));
        check(r"^(?:\d{4})-\d+(\.\w*)?$", Some("0000-0"));
    }

    #[test]
    fn what_is_not_known_has_none() {
        for pattern in ["(?=a)", "[^a]", "a{", "*a", "(a", "a)", "[a"] {
            check(pattern, None);
        }
    }
}
