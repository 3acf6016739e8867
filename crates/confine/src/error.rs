use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Why a program was not started confined. It is told on standard error, by the launcher, which ends with 126 then; or with 127
/// for a program that could not be executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The launcher is started by [`Launcher`](crate::Launcher) and nobody else.
    #[error("this is for programs that the daemon starts: {0}")]
    Plan(String),
    /// Run another kernel, or do without what is missing: `sandbox.mode: preferred`.
    #[error("this system cannot confine it: {0}")]
    Missing(String),
    /// Make it, or take it out of what is writable.
    #[error("{path} cannot be given to it")]
    Path {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refused to restrict the process.
    #[error("{what} failed: {problem}")]
    Refused {
        /// What was to be restricted.
        what: &'static str,
        /// What the system said.
        problem: String,
    },
    /// Correct the program's path, or let it be executed: it must lie in one of the directories for programs.
    #[error("{program:?} cannot be executed in its sandbox")]
    Execute {
        /// Its path.
        program: OsString,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// What the launcher ends with.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Execute { .. } => 127,
            _ => 126,
        }
    }
}
