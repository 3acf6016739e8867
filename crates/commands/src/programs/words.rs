//! Words that mean something to one program.

use crate::Word;
use crate::options::Parsed;
use crate::table::{Effect, Rest};
use crate::walker::{Context, Dialect, Known, Walker};

impl Walker<'_> {
    pub(crate) fn words(&mut self, known: &Known<'_>, parsed: &Parsed, operands: &[Word], within: &Context) {
        match known.entry.rest {
            // `ext::sh -c …` is an address, and so is `--upload-pack=…` for some.
            Rest::Repositories if operands.iter().any(may_name_a_program) => {
                self.opaque(&known.shown, "an address of a repository may name a program", within);
            }
            Rest::Repositories => {}
            Rest::Dd => self.dd(known.arguments, within),
            Rest::Variables => {
                self.has_arrays |= parsed.has(Effect::Array) || matches!(known.name, "mapfile" | "readarray");
                self.variables(known, operands, within);
            }
            Rest::Test => self.test(known, within),
            Rest::Eval => self.eval(known, within),
            Rest::Trap => self.trap(known, within),
            _ => {}
        }
    }

    fn dd(&mut self, arguments: &[Word], within: &Context) {
        for word in arguments {
            match (word.literal().and_then(|text| text.split_once('=')), word) {
                (Some(("of", path)), _) => self.writes(&Word::Literal(path.to_owned())),
                (Some(("if", path)), _) => self.reads(&Word::Literal(path.to_owned())),
                (None, Word::Begins(text)) if text.starts_with("of=") => {
                    self.writes(&Word::Begins(text[3..].to_owned()))
                }
                (None, Word::Begins(_) | Word::Unknown) => self.writes(&Word::Unknown),
                _ => {}
            }
        }
        let _ = within;
    }

    /// Names of variables, or assignments.
    fn variables(&mut self, known: &Known<'_>, operands: &[Word], within: &Context) {
        for word in operands {
            let name = word.beginning().split('=').next().unwrap_or_default();
            if word.literal().is_none() && !word.beginning().contains('=') {
                self.opaque(&known.shown, "the name of a variable comes from an expansion", within);
            } else if name.contains('[') {
                self.opaque(&known.shown, "an index of an array is calculated, which may run commands", within);
            } else {
                self.assignment(word.beginning(), &known.shown, within);
                self.list_of_values(word, known, within);
            }
        }
    }

    /// `declare 'x=($(y))'` evaluates what is in the brackets if there is such an array.
    fn list_of_values(&mut self, word: &Word, known: &Known<'_>, within: &Context) {
        let value = word.beginning().split_once('=').map(|(_, value)| value);
        let may_be_a_list = |value: &str| value.starts_with('(') || (value.is_empty() && word.literal().is_none());
        if known.name != "export" && value.is_some_and(may_be_a_list) {
            self.opaque_with_arrays(&known.shown, "the values of an array may be evaluated", within);
        }
    }

    /// Only `-v` and `-R` evaluate what is in brackets.
    fn test(&mut self, known: &Known<'_>, within: &Context) {
        let evaluates = |word: &Word| match word {
            Word::Literal(text) => text == "-v" || text == "-R",
            // `"$x"-v`.
            Word::Begins(text) => "-v".starts_with(text) || "-R".starts_with(text),
            Word::Unknown => true,
        };
        let has_index = |word: &Word| word.beginning().contains('[') || word.literal().is_none();
        let words = known.arguments;
        if words.windows(2).any(|pair| evaluates(&pair[0]) && has_index(&pair[1])) {
            self.opaque(&known.shown, "an index of an array is calculated, which may run commands", within);
        }
        // Several words may be the operator and what it evaluates.
        if words.contains(&Word::Unknown) {
            self.opaque(&known.shown, "an expansion may be an operator", within);
        }
    }

    fn eval(&mut self, known: &Known<'_>, within: &Context) {
        let words: Option<Vec<&str>> = known.arguments.iter().map(Word::literal).collect();
        match words {
            Some(words) => {
                let words = words.strip_prefix(&["--"]).unwrap_or(&words);
                self.script(&words.join(" "), Dialect::Posix, within);
            }
            None => self.opaque(&known.shown, "an expansion is read as a script", within),
        }
    }

    fn trap(&mut self, known: &Known<'_>, within: &Context) {
        let words = match known.arguments {
            [Word::Literal(first), rest @ ..] if first == "--" => rest,
            words => words,
        };
        match words {
            [] => {}
            [Word::Literal(first), ..] if matches!(first.as_str(), "-" | "" | "-l" | "-p" | "-P") => {}
            [Word::Literal(script), ..] => self.script(script, Dialect::Posix, within),
            _ => self.opaque(&known.shown, "an expansion is read as a script", within),
        }
    }
}

fn may_name_a_program(address: &Word) -> bool {
    address.beginning().contains("::") || address.literal().is_none_or(|text| text.starts_with('-'))
}
