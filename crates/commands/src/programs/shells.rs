//! Shells: what their options and their input make them read.

use crate::Word;
use crate::walker::{Context, Dialect, Known, Walker};

/// Letters that change how a script runs, not what it is.
const LETTERS: &str = "abefhlmnprtuvxBCEPT";
/// Names of options that change how a script runs, not what it is. Those of `shopt` too.
const MODES: &[&str] = &[
    "allexport",
    "braceexpand",
    "dotglob",
    "emacs",
    "errexit",
    "errtrace",
    "failglob",
    "functrace",
    "globstar",
    "hashall",
    "inherit_errexit",
    "lastpipe",
    "monitor",
    "nocaseglob",
    "nocasematch",
    "noclobber",
    "noexec",
    "noglob",
    "nolog",
    "notify",
    "nounset",
    "nullglob",
    "onecmd",
    "physical",
    "pipefail",
    "posix",
    "privileged",
    "verbose",
    "vi",
    "xtrace",
];
const LONG: &[&str] =
    &["--norc", "--noprofile", "--login", "--posix", "--verbose", "--restricted", "--noediting", "--debugger"];

/// What its options ask for.
#[derive(Default)]
struct Asked<'w> {
    has_script: bool,
    reads_input: bool,
    operands: &'w [Word],
}

impl Walker<'_> {
    pub(crate) fn shell(&mut self, known: &Known<'_>, within: &Context) {
        let asked = match asked(known.arguments) {
            Ok(Some(asked)) => asked,
            Ok(None) => return,
            Err(why) => return self.opaque(&known.shown, why, within),
        };
        let dialect = match known.name {
            "bash" | "rbash" => Dialect::Bash,
            "zsh" | "ksh" | "ksh93" | "mksh" => Dialect::Plain,
            _ => Dialect::Posix,
        };
        match (asked.has_script, asked.operands.first()) {
            (true, Some(Word::Literal(script))) => {
                self.script(script, dialect, &Context { stdin: None, ..within.clone() })
            }
            (true, Some(_)) => self.opaque(&known.shown, "an expansion is read as a script", within),
            (true, None) => self.opaque(&known.shown, "there is no script", within),
            (false, Some(_)) if !asked.reads_input => self.opaque(&known.shown, "the script is in a file", within),
            (false, _) => match &within.stdin {
                Some(Word::Literal(script)) => self.script(script, dialect, &Context { stdin: None, ..within.clone() }),
                _ => self.opaque(&known.shown, "it reads commands from its input", within),
            },
        }
    }
}

/// Whether an option of this name changes nothing of what a script means.
pub(crate) fn is_harmless_mode(name: &str) -> bool {
    MODES.contains(&name)
}

fn asked(arguments: &[Word]) -> Result<Option<Asked<'_>>, String> {
    let mut asked = Asked { operands: arguments, ..Asked::default() };
    while let Some((word, rest)) = asked.operands.split_first() {
        let Some(text) = word.literal() else {
            return if word.may_be_an_option() || word.beginning().starts_with('+') {
                Err("an expansion may be an option".to_owned())
            } else {
                Ok(Some(asked))
            };
        };
        if !text.starts_with(['-', '+']) || text.len() < 2 {
            // A dash alone ends the options.
            asked.operands = if text == "-" { rest } else { asked.operands };
            break;
        }
        asked.operands = rest;
        match text {
            "--" => break,
            "--version" | "--help" => return Ok(None),
            _ if LONG.contains(&text) => continue,
            _ if text.starts_with("--") => return Err(format!("what its option {text} does is not known")),
            _ => {}
        }
        cluster(&mut asked, &text[1..])?;
    }
    Ok(Some(asked))
}

fn cluster(asked: &mut Asked<'_>, letters: &str) -> Result<(), String> {
    for letter in letters.chars() {
        match letter {
            'c' => asked.has_script = true,
            's' => asked.reads_input = true,
            // The name of an option is the next word.
            'o' | 'O' => match asked.operands.split_first() {
                Some((Word::Literal(name), rest)) if is_harmless_mode(name) => asked.operands = rest,
                Some(_) => return Err("what this option of a shell changes is not known".to_owned()),
                None => {}
            },
            _ if LETTERS.contains(letter) => {}
            _ => return Err(format!("what its option -{letter} does is not known")),
        }
    }
    Ok(())
}
