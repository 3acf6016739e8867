use std::fmt;
use std::path::PathBuf;

/// A place in a text file; both numbers count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// In characters for YAML, in bytes for TOML and JSON.
    pub column: usize,
}

/// Where a value came from. Its text is what error messages start with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the variants say it")]
pub enum Source {
    /// Nobody set it: the configuration type's own default.
    Default,
    /// A configuration file.
    File { path: PathBuf, position: Option<Position> },
    /// What was set while the program ran, kept in a file of its own: see [`Overlay`](crate::Overlay).
    RunTime { path: PathBuf, position: Option<Position> },
    /// A line of a `.env` file.
    EnvironmentFile { path: PathBuf, line: usize, name: String },
    /// A variable of the process environment.
    Environment(String),
    /// A command-line flag, as it is typed.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, position: None } => write!(f, "{}", path.display()),
            Self::File { path, position: Some(at) } => write!(f, "{}:{}:{}", path.display(), at.line, at.column),
            Self::RunTime { path, .. } => write!(f, "set at run time ({})", path.display()),
            Self::EnvironmentFile { path, line, name } => write!(f, "{}:{line}: variable {name}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Something an operator should know about but that does not stop the start. Log it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where it was written.
    pub place: Source,
    /// What is odd about it, lowercase and without a full stop.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Turns byte offsets into positions without walking the text each time.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        let after_newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(after_newlines).collect())
    }

    pub(crate) fn position(&self, offset: usize) -> Position {
        // The first line starts at 0, so at least one start is not after any offset.
        let line = self.0.partition_point(|start| *start <= offset).max(1);
        Position { line, column: offset - self.0[line - 1] + 1 }
    }
}
