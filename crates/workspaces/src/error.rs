use std::io;
use std::path::PathBuf;

use orchestrator_vocab::SessionId;

use crate::{SourceName, Status};

/// What workspaces refuse, or fail at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fix the id; another organisation's session is unknown too.
    #[error("no workspace of session {0}")]
    NotFound(SessionId),
    /// Name one that the configuration has.
    #[error("no source `{0}` in workspaces.sources")]
    UnknownSource(SourceName),
    /// Correct the source, or ask for another mode.
    #[error("source `{name}` {problem}")]
    Source {
        /// Which.
        name: SourceName,
        /// What is wrong with it.
        problem: String,
    },
    /// Install git, or ask for a copy.
    #[error("git is not installed: worktrees need it, copies do not")]
    NoGit,
    /// Read what git said. Nothing was changed, unless it was ended by its time limit.
    #[error("git {what} failed: {said}")]
    Git {
        /// Which command.
        what: String,
        /// The end of what it printed.
        said: String,
    },
    /// Settle these files by hand, in the workspace or in the source, and merge again. Nothing was changed.
    #[error("{} of the files conflict: {}", .paths.len(), shown(.paths))]
    Conflicts {
        /// Relative to the source.
        paths: Vec<String>,
    },
    /// Commit or put away what is uncommitted in the source, and merge again. Nothing was changed.
    #[error("the source has uncommitted changes in files that the merge touches: {}", shown(.paths))]
    Uncommitted {
        /// Relative to the source.
        paths: Vec<String>,
    },
    /// There is nothing to merge into, or to compare with.
    #[error("{problem}")]
    Unfit {
        /// Why.
        problem: &'static str,
    },
    /// Wait for the session's end, or stop it.
    #[error("session {0} is still at work in its workspace")]
    InUse(SessionId),
    /// It is over: start a session for more.
    #[error("the workspace of session {session} is {status}")]
    Closed {
        /// Whose.
        session: SessionId,
        /// Merged or discarded.
        status: Status,
    },
    /// Ask that daemon: the files are on its machine.
    #[error("the workspace of session {session} is on node `{node}`")]
    Elsewhere {
        /// Whose.
        session: SessionId,
        /// Where.
        node: String,
    },
    /// Discard it: somebody removed its directory.
    #[error("the directory of session {0} is gone")]
    Gone(SessionId),
    /// Read again and retry: it changed at the same time.
    #[error("the workspace of session {0} changed meanwhile")]
    Raced(SessionId),
    /// Raise the limit, exclude what is not needed, or use a git repository.
    #[error("a copy holds at most {max} {what}")]
    TooLarge {
        /// `files` or `bytes`.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// Correct the field.
    #[error("{field}: {problem}")]
    Invalid {
        /// As the configuration or the operation spells it.
        field: &'static str,
        /// What was expected.
        problem: String,
    },
    /// Look at the path's permissions and the disk.
    #[error("cannot use {}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Retry later, or page an operator.
    #[error("the workspace store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The first few.
fn shown(paths: &[String]) -> String {
    const SHOWN_MAX: usize = 10;
    let mut text = paths.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    if paths.len() > SHOWN_MAX {
        text.push_str(", …");
    }
    text
}

impl Error {
    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(_) | Self::InUse(_) | Self::Raced(_))
    }

    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { field, problem: problem.into() }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
