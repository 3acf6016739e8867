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
    /// Wait until sessions are let go.
    #[error("sessions are held: {reason}")]
    Held {
        /// Why.
        reason: String,
    },
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
    /// Stop working on it: somebody else holds it by now, or nobody does.
    #[error("session {0} is no longer held under this claim")]
    Stale(SessionId),
    /// Say it to a session that can hear.
    #[error("session {session} takes no input: its runtime is `{runtime}`")]
    TakesNoInput {
        /// Which session.
        session: SessionId,
        /// How it is run.
        runtime: String,
    },
    /// Read the journal: the call is not there, came back, or was settled before.
    #[error("session {session} has no call `{call}` that waits to be settled")]
    NothingToSettle {
        /// Which session.
        session: SessionId,
        /// Which call.
        call: String,
    },
    /// Retry later: the backlog did not answer, or did not take it.
    #[error("the backlog did not take it")]
    Work(#[source] crate::WorkError),
    /// Wait, or stop it.
    #[error("session {session} cannot be paused: its runtime `{runtime}` cannot stand still now")]
    CannotPause {
        /// Which session.
        session: SessionId,
        /// How it is run.
        runtime: String,
    },
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
        matches!(self, Self::AtCapacity { .. } | Self::Draining | Self::Store(_) | Self::Work(_))
    }

    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { field, problem: problem.into() }
    }
}

/// An error with what caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
