use std::io;
use std::path::PathBuf;

use crate::Source;

/// Why the configuration cannot be used. All of them want an operator; none is worth a retry.
///
/// Each message starts with the place to look at: `orchestrator.yaml:3:9`, `environment variable DAEMON_PORT`,
/// `flag --port`. Values of secrets never appear.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the parts of the message")]
pub enum Error {
    /// Fix the path or its permissions.
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Fix the path or its permissions, or make room.
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Look at the limits of the system (`fs.inotify.max_user_watches`), or ask for a reload yourself.
    #[error("cannot watch the files of the configuration")]
    Watch(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Shorten the file, or name the right one.
    #[error("{}: the file is larger than {bytes_max} bytes", path.display())]
    TooLarge { path: PathBuf, bytes_max: u64 },
    /// Rename the file.
    #[error("{}: unknown format, the name must end in .toml, .yaml, .yml or .json", path.display())]
    Format { path: PathBuf },
    /// Keep one of the files, or name one explicitly.
    #[error("more than one configuration file: {} (keep one, or name one explicitly)", list(files))]
    Ambiguous { files: Vec<PathBuf> },
    /// Fix the text at the place named.
    #[error("{place}: {message}")]
    Syntax { place: Source, message: String },
    /// Fix the spelling, or remove the key.
    #[error("{place}: unknown key `{key}`{hint}")]
    UnknownKey { place: Source, key: String, hint: String },
    /// Write what the message says is expected.
    #[error("{place}: `{key}` {message}")]
    Invalid { place: Source, key: String, message: String },
    /// Set the key.
    #[error("missing key `{key}`{hint}")]
    Missing { key: String, hint: String },
    /// Remove one of the two.
    #[error("{first} and {second} both set `{key}`: keep one")]
    Conflict { first: Box<Source>, second: Box<Source>, key: String },
    /// Set the variable, or give a default: `${NAME:-default}`.
    #[error("{place}: `{key}` needs the variable {name}, which is not set (set it, or write ${{{name}:-default}})")]
    UnsetVariable { place: Source, key: String, name: String },
    /// Switch it off: this version has nothing behind the switch.
    #[error("{place}: `{switch}` cannot be switched on: this part is not built yet")]
    NotBuilt { place: Source, switch: String },
}

impl Error {
    /// The key that is wrong, dotted, if it is one key.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { key, .. }
            | Self::Invalid { key, .. }
            | Self::Missing { key, .. }
            | Self::Conflict { key, .. }
            | Self::UnsetVariable { key, .. } => Some(key),
            Self::NotBuilt { switch, .. } => Some(switch),
            _ => None,
        }
    }

    /// The file that could not be read, if that is what is wrong.
    #[must_use]
    pub fn unread(&self) -> Option<&std::path::Path> {
        match self {
            Self::Read { path, .. } => Some(path),
            _ => None,
        }
    }
}

fn list(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}
