use orchestrator_vocab::SessionId;

use crate::InvalidTransition;

/// What sessions refuse, or fail at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fix the id; another organisation's session is unknown too.
    #[error("no session {0}")]
    NotFound(SessionId),
    /// Read the session again: it is not where the call needs it.
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    /// Wait until a session has ended (see [`Sessions::changed`](crate::Sessions::changed)), or raise `maxActive`.
    #[error("{max} sessions are active already")]
    AtCapacity {
        /// The bound.
        max: usize,
    },
    /// Go to another daemon, or wait until this one is back.
    #[error("the daemon is stopping and starts no sessions")]
    Draining,
    /// Ask that daemon.
    #[error("session {session} runs on node `{node}`")]
    Elsewhere {
        /// Which session.
        session: SessionId,
        /// Whose.
        node: String,
    },
    /// Read again: it has ended meanwhile.
    #[error("session {0} has ended")]
    Ended(SessionId),
    /// Correct the field.
    #[error("{field}: {problem}")]
    Invalid {
        /// As the configuration spells it.
        field: &'static str,
        /// What was expected.
        problem: String,
    },
    /// Retry later, or page an operator.
    #[error("the session store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::AtCapacity { .. } | Self::Draining | Self::Store(_))
    }

    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { field, problem: problem.into() }
    }
}
