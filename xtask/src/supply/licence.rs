//! Licence expressions: `(MIT OR Apache-2.0) AND Unicode-3.0`, also in the older form `MIT/Apache-2.0`.

/// Whether the allowed licences satisfy the expression. What cannot be parsed satisfies nothing.
pub(super) fn is_satisfied(expression: &str, is_allowed: impl Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, is_allowed };
    let verdict = reader.any_of();
    verdict.unwrap_or(false) && reader.words.is_empty()
}

struct Reader<'a, 'w, F> {
    words: &'w [&'a str],
    is_allowed: F,
}

impl<'a, F: Fn(&str) -> bool> Reader<'a, '_, F> {
    /// Alternatives bind weaker than `AND`. `None`: not an expression.
    fn any_of(&mut self) -> Option<bool> {
        let mut verdict = self.all_of()?;
        while self.takes("OR") {
            verdict |= self.all_of()?;
        }
        Some(verdict)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut verdict = self.one()?;
        while self.takes("AND") {
            verdict &= self.one()?;
        }
        Some(verdict)
    }

    fn one(&mut self) -> Option<bool> {
        if self.takes("(") {
            let verdict = self.any_of()?;
            return self.takes(")").then_some(verdict);
        }
        let name = self.next()?;
        if ["AND", "OR", "WITH", ")"].contains(&name) {
            return None;
        }
        if self.takes("WITH") {
            let exception = self.next()?;
            return Some((self.is_allowed)(&format!("{name} WITH {exception}")));
        }
        Some((self.is_allowed)(name))
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.words.first() == Some(&word);
        if is_next {
            self.words = &self.words[1..];
        }
        is_next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, expected: bool) {
        let allowed = ["MIT", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"];
        assert_eq!(is_satisfied(expression, |name| allowed.contains(&name)), expected, "{expression}");
    }

    #[test]
    fn one_of_several_is_enough() {
        check("MIT", true);
        check("GPL-3.0 OR MIT", true);
        check("MIT/GPL-3.0", true);
        check("GPL-3.0", false);
    }

    #[test]
    fn all_of_several_are_needed() {
        check("MIT AND Unicode-3.0", true);
        check("MIT AND GPL-3.0", false);
        check("(GPL-3.0 OR MIT) AND Unicode-3.0", true);
        check("GPL-3.0 OR MIT AND BSD-3-Clause", false);
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        check("Apache-2.0 WITH LLVM-exception", true);
        check("Apache-2.0", false);
        check("Apache-2.0 WITH Other-exception", false);
    }

    #[test]
    fn what_is_no_expression_satisfies_nothing() {
        for text in ["", "MIT MIT", "(MIT", "MIT OR", "AND MIT", "MIT)"] {
            check(text, false);
        }
    }
}
