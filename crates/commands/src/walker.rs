//! Follows what runs what, and writes down what is found.

use crate::analyse::Functions;
use crate::analysis::excerpt;
use crate::options::{self, Parsed};
use crate::programs::shells;
use crate::table::{self, Effect, Entry, Rest};
use crate::{Analysis, Command, Limits, Opaque, Word, environment, names};

/// How a script is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Bash,
    /// By a shell that may not be bash.
    Posix,
    /// By a shell with a grammar of its own, so that only the simplest is known.
    Plain,
}

/// How something came to run.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// What runs it, the outermost first.
    pub(crate) via: Vec<String>,
    /// Where it is written.
    pub(crate) place: String,
    /// How many commands, scripts and substitutions it is within.
    pub(crate) depth: usize,
    /// What it reads, if that is written there too.
    pub(crate) stdin: Option<Word>,
}

impl Context {
    pub(crate) fn of_words() -> Self {
        Self { via: Vec::new(), place: "argv".to_owned(), depth: 0, stdin: None }
    }

    pub(crate) fn of_script() -> Self {
        Self { place: "script".to_owned(), ..Self::of_words() }
    }

    /// Of what is within it.
    pub(crate) fn within(&self) -> Self {
        Self { depth: self.depth + 1, ..self.clone() }
    }

    fn by(&self, program: &str) -> Self {
        let mut within = self.within();
        within.via.push(program.to_owned());
        within
    }
}

pub(crate) struct Walker<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) functions: Functions,
    found: Analysis,
    /// Whether a directory was left, so that relative paths lead elsewhere.
    has_moved: bool,
    /// Whether there may be arrays of bash.
    pub(crate) has_arrays: bool,
    /// What cannot be told if there are.
    of_arrays: Vec<Opaque>,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            functions: Functions::new(),
            found: Analysis::default(),
            has_moved: false,
            has_arrays: false,
            of_arrays: Vec::new(),
        }
    }

    pub(crate) fn finish(mut self) -> Analysis {
        if self.has_arrays {
            self.found.opaque.append(&mut self.of_arrays);
        }
        if self.has_moved {
            let Analysis { reads, writes, deletes, .. } = &mut self.found;
            for path in [reads, writes, deletes].into_iter().flatten().filter(|path| !path.beginning().starts_with('/'))
            {
                *path = Word::Unknown;
            }
        }
        self.found
    }

    pub(crate) fn opaque(&mut self, what: &str, why: impl Into<String>, context: &Context) {
        let opaque = Opaque { what: excerpt(what), why: why.into(), place: context.place.clone() };
        note(&mut self.found.opaque, opaque, self.limits);
    }

    /// It cannot be told if the script has an array anywhere: what comes later may have come before, in a loop.
    pub(crate) fn opaque_with_arrays(&mut self, what: &str, why: &str, context: &Context) {
        let opaque = Opaque { what: excerpt(what), why: why.to_owned(), place: context.place.clone() };
        note(&mut self.of_arrays, opaque, self.limits);
    }

    pub(crate) fn reads(&mut self, path: &Word) {
        keep(&mut self.found.reads, path, self.limits);
    }

    pub(crate) fn writes(&mut self, path: &Word) {
        keep(&mut self.found.writes, path, self.limits);
    }

    pub(crate) fn deletes(&mut self, path: &Word) {
        keep(&mut self.found.deletes, path, self.limits);
    }

    /// Whether one more may be within; otherwise that is told.
    pub(crate) fn may_enter(&mut self, what: &str, context: &Context) -> bool {
        let is_shallow = context.depth <= self.limits.depth_max;
        if !is_shallow {
            self.opaque(what, "too many commands run each other", context);
        }
        is_shallow
    }

    /// A command and what it runs.
    pub(crate) fn run(&mut self, argv: &[Word], context: &Context) {
        let shown = || argv.iter().take(16).map(Word::shown).collect::<Vec<_>>().join(" ");
        let Some((first, arguments)) = argv.split_first() else {
            return self.opaque("", "there is no command", context);
        };
        if !self.may_enter(&shown(), context) {
            return;
        }
        if argv.len() > self.limits.words_max || self.found.commands.len() >= self.limits.commands_max {
            return self.opaque(&shown(), "there are too many words or commands", context);
        }
        let Some(program) = first.literal() else {
            return self.opaque(&shown(), "which program it is comes from an expansion", context);
        };
        let Some((name, is_elsewhere)) = names::of(program).filter(|_| is_plain_name(program)) else {
            return self.opaque(&shown(), "it is no name of a program", context);
        };
        let entry = table::get(name).or_else(|| table::get(names::family(name)));
        self.found.commands.push(Command {
            argv: argv.to_vec(),
            program: name.to_owned(),
            is_elsewhere,
            runs_files: entry.is_some_and(|entry| entry.has_files),
            via: context.via.clone(),
            place: context.place.clone(),
        });
        if let Some(entry) = entry {
            let parsed = options::parse(entry, arguments);
            let name = if table::get(name).is_some() { name } else { names::family(name) };
            match parsed {
                // Those that are known by code look for themselves.
                Ok(parsed) => self.parsed(Known { name, entry, arguments, shown: shown() }, parsed, context),
                Err(_) if is_known_by_code(entry.rest) => {
                    let known = Known { name, entry, arguments, shown: shown() };
                    self.parsed(known, Parsed::default(), context);
                }
                Err(why) => self.opaque(&shown(), why, context),
            }
        }
    }

    /// The words after a program and its options, or after its subcommand.
    fn parsed(&mut self, known: Known<'_>, parsed: Parsed, context: &Context) {
        if parsed.has(Effect::Ends) && !is_known_by_code(known.entry.rest) {
            return;
        }
        let within = context.by(known.name);
        for (effect, value) in &parsed.found {
            self.effect(*effect, value, &known, &within);
        }
        let mut operands = &parsed.operands[..];
        if known.entry.has_assignments {
            let is_assignment = |word: &Word| word.beginning().contains('=');
            let count = operands.iter().take_while(|word| is_assignment(word)).count();
            let (assignments, rest) = operands.split_at(count);
            assignments.iter().for_each(|word| self.assignment(word.beginning(), &known.shown, &within));
            operands = rest;
        }
        if known.entry.operands > 0 {
            let (before, rest) = operands.split_at(known.entry.operands.min(operands.len()));
            if before.iter().any(|word| word.literal().is_none()) {
                return self.opaque(&known.shown, "where its command begins is not known", &within);
            }
            operands = rest;
        }
        self.rest(&known, &parsed, operands, &within);
    }

    fn effect(&mut self, effect: Effect, value: &Word, known: &Known<'_>, within: &Context) {
        let text = value.literal().unwrap_or_default();
        match effect {
            Effect::Nothing | Effect::Ends | Effect::Placeholder | Effect::InPlace | Effect::Code | Effect::Array => {}
            Effect::Mode if !shells::is_harmless_mode(text) => {
                self.opaque(&known.shown, "what this option of a shell changes is not known", within);
            }
            Effect::Mode => {}
            Effect::Opaque => self.opaque(&known.shown, "what one of its options does cannot be told", within),
            Effect::Shell => self.script(text, Dialect::Posix, within),
            Effect::Program => self.run(std::slice::from_ref(value), within),
            Effect::Split => self.split(text, known, within),
            Effect::Reads => self.reads(value),
            Effect::Writes => self.writes(value),
            Effect::Assignment => self.assignment(text, &known.shown, within),
            Effect::Variable => self.assignment(&format!("{text}="), &known.shown, within),
            Effect::Setting => self.setting(text, &known.shown, within),
            Effect::SshOption => self.ssh_option(text, &known.shown, within),
            Effect::Checkpoint => match text.strip_prefix("exec=") {
                Some(script) => self.script(script, Dialect::Posix, within),
                None if matches!(text, "dot" | "." | "echo" | "bell" | "totals") || text.starts_with("echo=") => {}
                None => self.opaque(&known.shown, "what it does at a checkpoint cannot be told", within),
            },
        }
    }

    fn rest(&mut self, known: &Known<'_>, parsed: &Parsed, operands: &[Word], within: &Context) {
        match known.entry.rest {
            Rest::Nothing => self.settings_of(known, operands, within),
            Rest::Opaque => self.opaque(&known.shown, "what it runs cannot be told", within),
            Rest::Command if operands.is_empty() => {}
            Rest::Command => self.run(operands, within),
            Rest::CommandOrShell | Rest::Script | Rest::CommandOrScript if operands.is_empty() => {
                // What `su -c` and its like say has been looked at.
                if !parsed.has(Effect::Shell) {
                    self.opaque(&known.shown, "it starts a shell", within);
                }
            }
            Rest::CommandOrShell => self.run(operands, within),
            Rest::Script => self.joined(operands, known, within),
            Rest::CommandOrScript => {
                self.run(operands, within);
                self.joined(operands, known, within);
            }
            Rest::Login => {
                let others = operands.iter().filter(|word| word.literal() != Some("-")).count();
                if !parsed.has(Effect::Shell) || others > 1 {
                    self.opaque(&known.shown, "it starts a shell", within);
                }
            }
            Rest::Reads => operands.iter().for_each(|word| self.reads(word)),
            Rest::Writes => {
                operands.iter().filter(|word| word.literal() != Some("-")).for_each(|word| self.writes(word))
            }
            Rest::Deletes => operands.iter().for_each(|word| self.deletes(word)),
            Rest::Subcommand => self.subcommand(known, operands, within),
            Rest::Moves => self.has_moved = true,
            Rest::Modes => {
                let is_harmless = |word: &Word| word.literal().is_some_and(shells::is_harmless_mode);
                if !operands.iter().all(is_harmless) {
                    self.opaque(&known.shown, "what an option of a shell changes is not known", within);
                }
            }
            Rest::Repositories | Rest::Dd | Rest::Variables | Rest::Test | Rest::Eval | Rest::Trap => {
                self.words(known, parsed, operands, within);
            }
            Rest::Shell => self.shell(known, within),
            Rest::Find => self.find(known, within),
            Rest::Xargs => self.xargs(known, parsed, operands, within),
            Rest::Sed => self.sed(known, parsed, operands, within),
            Rest::Awk => self.awk(known, operands, within),
        }
    }

    /// What `git` and its like do is told by the entry of both words.
    fn subcommand(&mut self, known: &Known<'_>, operands: &[Word], within: &Context) {
        let Some((word, arguments)) = operands.split_first() else { return };
        let Some(entry) = word.literal().and_then(|word| table::get(&format!("{} {word}", known.name))) else {
            return self.opaque(&known.shown, "what this subcommand runs is not known", within);
        };
        let known = Known { name: known.name, entry, arguments, shown: known.shown.clone() };
        match options::parse(entry, arguments) {
            // The program has been named already.
            Ok(parsed) => self.parsed(
                known,
                parsed,
                &Context { via: within.via[..within.via.len() - 1].to_vec(), ..within.clone() },
            ),
            Err(why) => self.opaque(&known.shown, why, within),
        }
    }

    fn joined(&mut self, operands: &[Word], known: &Known<'_>, within: &Context) {
        let words: Option<Vec<&str>> = operands.iter().map(Word::literal).collect();
        match words {
            Some(words) => self.script(&words.join(" "), Dialect::Posix, within),
            None => self.opaque(&known.shown, "an expansion is read as a script", within),
        }
    }

    /// Words parted by spaces, which is how a few programs read commands. Quotes and escapes each reads in its own way.
    fn split(&mut self, text: &str, known: &Known<'_>, within: &Context) {
        if text.contains(|letter: char| {
            matches!(letter, '\'' | '"' | '\\' | '$' | '`' | '#') || (letter.is_control() && letter != '\t')
        }) {
            return self.opaque(&known.shown, "how it takes a command apart is not known", within);
        }
        let words: Vec<Word> = text
            .split([' ', '\t'])
            .filter(|word| !word.is_empty())
            .map(|word| Word::Literal(word.to_owned()))
            .collect();
        // `env -S "nice" rm x`: what is split stands before the other words.
        let others = if known.name == "env" {
            options::parse(known.entry, known.arguments).map(|parsed| parsed.operands)
        } else {
            Ok(Vec::new())
        };
        let words: Vec<Word> = words.into_iter().chain(others.unwrap_or_default()).collect();
        if known.name == "env" {
            let mut again = vec![Word::Literal("env".to_owned())];
            again.extend(words);
            return self.run(&again, within);
        }
        self.run(&words, within);
    }

    /// `NAME=VALUE`, for the environment of what runs.
    pub(crate) fn assignment(&mut self, text: &str, shown: &str, context: &Context) {
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        if environment::is_influential(name) {
            self.opaque(shown, format!("the variable {} changes what runs", excerpt(name)), context);
        }
    }

    /// Variables among the operands of `make` and its like.
    fn settings_of(&mut self, known: &Known<'_>, operands: &[Word], within: &Context) {
        for word in operands.iter().filter(|word| known.entry.has_files && word.beginning().contains('=')) {
            self.assignment(word.beginning(), &known.shown, within);
        }
    }
}

/// A program that is in the tables, as it is called.
pub(crate) struct Known<'a> {
    pub(crate) name: &'a str,
    pub(crate) entry: &'static Entry,
    /// All words after the name.
    pub(crate) arguments: &'a [Word],
    /// The whole, for people.
    pub(crate) shown: String,
}

const fn is_known_by_code(rest: Rest) -> bool {
    matches!(rest, Rest::Shell | Rest::Find | Rest::Eval | Rest::Trap | Rest::Test | Rest::Moves | Rest::Dd)
}

/// The first says it as well as a million do.
fn note(noted: &mut Vec<Opaque>, opaque: Opaque, limits: &Limits) {
    if noted.len() < limits.commands_max && !noted.contains(&opaque) {
        noted.push(opaque);
    }
}

fn keep(paths: &mut Vec<Word>, path: &Word, limits: &Limits) {
    match paths.len() < limits.commands_max {
        true => paths.push(path.clone()),
        // What is not told is at least told to be missing.
        false => *paths.last_mut().expect("there are as many as may be") = Word::Unknown,
    }
}

/// A name that shells and this crate would read differently is not relied on.
fn is_plain_name(program: &str) -> bool {
    let is_odd =
        |letter: char| letter.is_control() || letter.is_whitespace() || "=[]{}()<>|&;*?$`'\"\\".contains(letter);
    let is_test = program == "[" || program == "[[" || program.ends_with("/[");
    is_test
        || (!program.starts_with('-')
            && !program.contains(is_odd)
            && !program.bytes().all(|byte| byte.is_ascii_digit()))
}
