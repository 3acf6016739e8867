//! `xargs`: a command with words that nobody has seen yet.

use super::find::replaced;
use crate::Word;
use crate::options::Parsed;
use crate::table::Effect;
use crate::walker::{Context, Known, Walker};

impl Walker<'_> {
    pub(crate) fn xargs(&mut self, _: &Known<'_>, parsed: &Parsed, operands: &[Word], within: &Context) {
        let mark = parsed.found.iter().rev().find(|(effect, _)| *effect == Effect::Placeholder);
        let mark = mark.and_then(|(_, value)| value.literal());
        let argv: Vec<Word> = match (operands.is_empty(), mark) {
            // It prints.
            (true, _) => return,
            (false, Some(mark)) if !mark.is_empty() => operands.iter().map(|word| replaced(word, mark)).collect(),
            (false, _) => operands.iter().cloned().chain([Word::Unknown]).collect(),
        };
        // What it reads is taken for words, not passed on.
        self.run(&argv, &Context { stdin: None, ..within.clone() });
    }
}
