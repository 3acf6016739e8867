use std::fmt::Write as _;

use crate::{Skill, tokens};

/// What a model is told of skills before it uses one: names and descriptions, within so many tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The text; empty if there are none.
    pub text: String,
    /// How many did not fit.
    pub left_out: usize,
}

const HEAD: &str = "# Skills\n\nDirections for certain kinds of work, written by whoever runs this. When what you are to do is what one of \
them is for, call `skill_use` with its name first and follow what it says; `skill_read` gives its further files.\n\n";

/// Of these skills, in their order: those that do not fit are counted, and the others are told whole.
pub fn listing<'a>(skills: impl IntoIterator<Item = &'a Skill>, tokens_max: u64) -> Listing {
    let (mut text, mut told, mut left_out) = (HEAD.to_owned(), 0, 0);
    for skill in skills {
        let line = line(skill);
        if tokens(&text) + tokens(&line) > tokens_max {
            left_out += 1;
            continue;
        }
        text.push_str(&line);
        told += 1;
    }
    if left_out > 0 {
        let _ = writeln!(text, "- ({left_out} more, for which there is no room here)");
    }
    if told + left_out == 0 {
        text.clear();
    }
    Listing { text: text.trim_end().to_owned(), left_out }
}

/// One line: a description cannot look like another skill.
fn line(skill: &Skill) -> String {
    let description: Vec<&str> = skill.description.split_whitespace().collect();
    let hint = skill.argument_hint.as_ref().map(|hint| format!(" (arguments: {hint})")).unwrap_or_default();
    format!("- `{}`: {}{hint}\n", skill.name, description.join(" "))
}
