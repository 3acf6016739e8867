use serde::{Deserialize, Serialize};

/// What a command line would run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Analysis {
    /// Every command, wrappers included, in the order of the text; also those that run only under a condition.
    pub commands: Vec<Command>,
    /// Files that redirections read, and programs whose meaning that is.
    pub reads: Vec<Word>,
    /// Files that redirections write, and programs whose meaning that is.
    pub writes: Vec<Word>,
    /// Files that are deleted.
    pub deletes: Vec<Word>,
    /// What could not be told. If there is any, anything may run.
    pub opaque: Vec<Opaque>,
}

/// A command that would run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// The program and its arguments, with quotes and escapes resolved.
    pub argv: Vec<Word>,
    /// The name of the program without its directory.
    pub program: String,
    /// Whether its path leads somewhere else than into the standard directories, so that its name says nothing about it.
    pub is_elsewhere: bool,
    /// Whether it is known to do what files say, such as `make`.
    pub runs_files: bool,
    /// What runs it, the outermost first: `["sudo", "sh"]`.
    pub via: Vec<String>,
    /// Where it is written: `argv`, or the line and column in a script.
    pub place: String,
}

/// Something that could not be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Opaque {
    /// What, as it is written, at most 80 characters of it.
    pub what: String,
    /// Why not.
    pub why: String,
    /// Where it is written: `argv`, or the line and column in a script.
    pub place: String,
}

/// A word of a command as it is when the command runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Word {
    /// Exactly this.
    Literal(String),
    /// One word or several, each of which begins with this: `src/*.rs`, `"$HOME"`.
    Begins(String),
    /// Any number of words, whatever they are.
    Unknown,
}

impl Word {
    /// The word, if it is known.
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Begins(_) | Self::Unknown => None,
        }
    }

    /// What is known of its beginning.
    pub fn beginning(&self) -> &str {
        match self {
            Self::Literal(text) | Self::Begins(text) => text,
            Self::Unknown => "",
        }
    }

    /// Whether it may be an option, or several words of which one is.
    pub(crate) fn may_be_an_option(&self) -> bool {
        match self {
            Self::Literal(text) => text.starts_with('-'),
            Self::Begins(text) => text.is_empty() || text.starts_with('-'),
            Self::Unknown => true,
        }
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Literal(text) => text.clone(),
            Self::Begins(text) => format!("{text}…"),
            Self::Unknown => "…".to_owned(),
        }
    }
}

impl Analysis {
    /// The names of the programs, in order, each as often as it runs.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.commands.iter().map(|command| command.program.as_str())
    }

    /// Whether the commands are all that would run, and each is what its name says.
    pub fn is_complete(&self) -> bool {
        self.opaque.is_empty() && !self.commands.iter().any(|command| command.is_elsewhere)
    }
}

/// At most 80 characters of it, without those that do something to a terminal.
pub(crate) fn excerpt(text: &str) -> String {
    const MAX: usize = 80;
    let shown: String = text.chars().take(MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX).is_some() { format!("{shown}…") } else { shown }
}
