//! What is known of programs that can run others, as data: one line for one program.
//!
//! `names | options | rest`, where an option is `-x`, `--long` (a flag), `-x=` (with a value) or `-x?` (with a value only if it is attached),
//! with what it does after a colon, or, of programs that are scanned, a word as it stands; and the rest is what the other words are. Words in front of the options: `scan` for programs with so many
//! options that only those that matter are listed, and looked for everywhere; `old` if its first word may be options without a dash; `files`
//! if the program does what files say.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What an option does, or its value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    /// Nothing else is done: `--version`.
    Ends,
    /// It cannot be told.
    Opaque,
    /// A script for a shell.
    Shell,
    /// A command, its words parted by spaces.
    Split,
    /// The name of a program.
    Program,
    Reads,
    Writes,
    /// `NAME=VALUE` for the environment.
    Assignment,
    /// The name of a variable.
    Variable,
    /// `key=value` for git.
    Setting,
    /// `Key=value` for ssh.
    SshOption,
    /// What stands for a word of the input in `xargs`.
    Placeholder,
    /// `exec=command`, among others.
    Checkpoint,
    /// The program changes its operands in place.
    InPlace,
    /// A script of sed or awk.
    Code,
    /// It makes an array of a variable.
    Array,
    /// The name of an option of a shell.
    Mode,
}

/// Whether an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Value,
    Attached,
}

/// What the words are that are no options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    Opaque,
    /// A command; nothing runs if there is none.
    Command,
    /// A command; a shell if there is none.
    CommandOrShell,
    /// Words that are joined into a script; a shell if there is none.
    Script,
    /// Either of both.
    CommandOrScript,
    /// A user whose shell runs what an option says.
    Login,
    Reads,
    Writes,
    Deletes,
    /// What this program does is said by the entry of both words.
    Subcommand,
    /// Addresses of repositories, some of which name programs.
    Repositories,
    /// Words that begin with `of=` are written.
    Dd,
    /// Known by code.
    Find,
    Shell,
    Xargs,
    Sed,
    Awk,
    /// `eval`.
    Eval,
    /// `trap`.
    Trap,
    /// `export` and its like.
    Variables,
    /// `export` and its like, some of whose options are opaque anyway.
    Test,
    /// `cd`.
    Moves,
    /// Names of options of a shell.
    Modes,
}

#[derive(Debug)]
pub(crate) struct Opt {
    pub(crate) name: Name,
    pub(crate) takes: Takes,
    pub(crate) effect: Effect,
}

/// How an option is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Short(char),
    Long(&'static str),
    /// As it stands: `-wrapper`, `exec`.
    Word(&'static str),
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) is_scanned: bool,
    pub(crate) is_old: bool,
    pub(crate) has_files: bool,
    /// `-5` is an option.
    pub(crate) has_numbers: bool,
    pub(crate) options: Vec<Opt>,
    /// Assignments stand before the rest.
    pub(crate) has_assignments: bool,
    /// Words before the rest.
    pub(crate) operands: usize,
    pub(crate) rest: Rest,
}

const FILES: &[&str] = &[
    include_str!("tables/wrappers.txt"),
    include_str!("tables/remote.txt"),
    include_str!("tables/builtins.txt"),
    include_str!("tables/files.txt"),
    include_str!("tables/git.txt"),
    include_str!("tables/containers.txt"),
    include_str!("tables/builds.txt"),
    include_str!("tables/opaque.txt"),
];

static TABLE: LazyLock<HashMap<&'static str, Entry>> =
    LazyLock::new(|| FILES.iter().flat_map(|file| file.lines()).flat_map(entries).collect());

/// What is known of a program, or of a program and its subcommand.
pub(crate) fn get(name: &str) -> Option<&'static Entry> {
    TABLE.get(name)
}

fn entries(line: &'static str) -> Vec<(&'static str, Entry)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Vec::new();
    }
    let mut parts = line.split('|').map(str::trim);
    let names = parts.next().unwrap_or_default();
    let (options, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    names.split(", ").map(|name| (name.trim(), entry(options, rest))).collect()
}

fn entry(options: &'static str, rest: &'static str) -> Entry {
    let mut entry = Entry {
        is_scanned: false,
        is_old: false,
        has_files: false,
        has_numbers: false,
        options: Vec::new(),
        has_assignments: false,
        operands: 0,
        rest: Rest::Nothing,
    };
    for word in options.split_whitespace() {
        match word {
            "scan" => entry.is_scanned = true,
            "old" => entry.is_old = true,
            "files" => entry.has_files = true,
            "-#" => entry.has_numbers = true,
            _ => entry.options.push(option(word)),
        }
    }
    for word in rest.split_whitespace() {
        match word.parse() {
            Ok(number) => entry.operands = number,
            Err(_) if word == "assignments" => entry.has_assignments = true,
            Err(_) => entry.rest = rest_of(word),
        }
    }
    entry
}

impl Entry {
    /// Whether it may run or read as code what its words say, so that an expansion among them may be anything.
    pub(crate) fn can_run(&self) -> bool {
        let is_plain = |option: &Opt| {
            matches!(option.effect, Effect::Nothing | Effect::Ends | Effect::Reads | Effect::Writes | Effect::InPlace)
        };
        let is_of_files = matches!(self.rest, Rest::Nothing | Rest::Reads | Rest::Writes | Rest::Deletes);
        // Of a list without options it is not known which there are.
        let is_listed = self.is_scanned || !self.options.is_empty();
        self.has_files || !is_listed || !is_of_files || !self.options.iter().all(is_plain)
    }
}

fn option(word: &'static str) -> Opt {
    let (written, effect) = word.split_once(':').unwrap_or((word, ""));
    let (name, takes) = match (written.strip_suffix('='), written.strip_suffix('?')) {
        // `-?` is an option of some.
        (None, Some(name)) if name != "-" => (name, Takes::Attached),
        (Some(name), _) => (name, Takes::Value),
        _ => (written, Takes::Nothing),
    };
    let mut letters = name.strip_prefix('-').unwrap_or_default().chars();
    let name = match (name.strip_prefix("--"), letters.next(), letters.next()) {
        (Some(long), ..) => Name::Long(long),
        (None, Some(letter), None) => Name::Short(letter),
        _ => Name::Word(name),
    };
    Opt { name, takes, effect: effect_of(effect) }
}

impl Opt {
    pub(crate) fn long(&self) -> Option<&'static str> {
        match self.name {
            Name::Long(long) => Some(long),
            Name::Short(_) | Name::Word(_) => None,
        }
    }
}

fn effect_of(word: &str) -> Effect {
    match word {
        "" => Effect::Nothing,
        "ends" => Effect::Ends,
        "shell" => Effect::Shell,
        "split" => Effect::Split,
        "program" => Effect::Program,
        "reads" => Effect::Reads,
        "writes" => Effect::Writes,
        "assignment" => Effect::Assignment,
        "variable" => Effect::Variable,
        "setting" => Effect::Setting,
        "ssh" => Effect::SshOption,
        "placeholder" => Effect::Placeholder,
        "checkpoint" => Effect::Checkpoint,
        "in-place" => Effect::InPlace,
        "code" => Effect::Code,
        "array" => Effect::Array,
        "mode" => Effect::Mode,
        // Also for a word that is none of these: a test tells.
        _ => Effect::Opaque,
    }
}

fn rest_of(word: &str) -> Rest {
    match word {
        "nothing" => Rest::Nothing,
        "command" => Rest::Command,
        "command!" => Rest::CommandOrShell,
        "script!" => Rest::Script,
        "command-or-script!" => Rest::CommandOrScript,
        "login" => Rest::Login,
        "reads" => Rest::Reads,
        "writes" => Rest::Writes,
        "deletes" => Rest::Deletes,
        "subcommand" => Rest::Subcommand,
        "repositories" => Rest::Repositories,
        "dd" => Rest::Dd,
        "find" => Rest::Find,
        "shell" => Rest::Shell,
        "xargs" => Rest::Xargs,
        "sed" => Rest::Sed,
        "awk" => Rest::Awk,
        "eval" => Rest::Eval,
        "trap" => Rest::Trap,
        "variables" => Rest::Variables,
        "test" => Rest::Test,
        "moves" => Rest::Moves,
        "modes" => Rest::Modes,
        _ => Rest::Opaque,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A word that is misspelt is opaque; that it is not meant to be would go unnoticed.
    #[test]
    fn what_is_opaque_says_so() {
        for line in
            FILES.iter().flat_map(|file| file.lines()).filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            assert_eq!(parts.len(), 3, "{line}");
            for word in parts[1].split_whitespace().filter_map(|word| word.split_once(':')) {
                assert!(effect_of(word.1) != Effect::Opaque || word.1 == "opaque", "{line}: {}", word.1);
            }
            let rest =
                parts[2].split_whitespace().filter(|word| *word != "assignments" && word.parse::<usize>().is_err());
            for word in rest {
                assert!(rest_of(word) != Rest::Opaque || word == "opaque", "{line}: {word}");
            }
        }
    }

    #[test]
    fn no_program_is_told_of_twice() {
        let names = FILES.iter().flat_map(|file| file.lines()).flat_map(entries).map(|(name, _)| name);
        let mut seen = BTreeSet::new();
        let twice: Vec<&str> = names.filter(|name| !seen.insert(*name)).collect();
        assert_eq!(twice, Vec::<&str>::new());
    }
}
