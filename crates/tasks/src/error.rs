use std::fmt;

use orchestrator_vocab::{AgentId, ScheduleId, TaskId};

use crate::{Fence, InvalidTransition};

/// Why a command was refused, or could not be carried out.
///
/// A refused command has changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fix the id. A task of another organisation, and a deleted one, are not found either.
    #[error("no task {0}")]
    NotFound(TaskId),
    /// Fix the id. A schedule of another organisation is not found either.
    #[error("no schedule {0}")]
    NoSchedule(ScheduleId),
    /// Register the agent first, or fix its name.
    #[error("no agent {0}")]
    NoAgent(AgentId),
    /// Fix the named field and send the command again.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field as it is called on the wire, with its path: `tasks[3].title`.
        field: String,
        /// What is wrong with it and what was expected.
        problem: String,
    },
    /// Create the dependencies first, or leave them out.
    #[error("unknown dependencies: {}", Ids(.0))]
    UnknownDependencies(Vec<TaskId>),
    /// Leave out one of the edges of the path: each task waits for the next, the last is the first again.
    #[error("this would make tasks wait for each other: {}", Ids(.path))]
    Cycle {
        /// At most 20 ids; a longer cycle is shown by its two ends.
        path: Vec<TaskId>,
    },
    /// The task is not in a state that allows this; read it again.
    #[error("task {id}: {source}")]
    Transition {
        /// The task.
        id: TaskId,
        /// From where, by what, and why not.
        source: InvalidTransition,
    },
    /// Whoever asks may not: its [`Binding`](crate::Binding) says why.
    #[error("{0}")]
    Refused(String),
    /// Leave the field as it is: a finished task keeps what it says, except its tags and metadata.
    #[error("{field}: cannot change, the task is {status}")]
    Finished {
        /// The field as it is called on the wire.
        field: &'static str,
        /// How the task ended.
        status: crate::Status,
    },
    /// Drop what you know about the task: it is no longer yours.
    #[error("stale fence {given} for task {id}: it is {expected} by now")]
    Stale {
        /// The task.
        id: TaskId,
        /// The fence of the task now.
        expected: Fence,
        /// The fence that came with the command.
        given: Fence,
    },
    /// Retry: someone else wrote first.
    #[error("somebody else changed the backlog at the same time")]
    Conflict,
    /// Retry later, or page an operator.
    #[error("the task store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether the same command may succeed if it is sent again unchanged.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Conflict | Self::Store(_))
    }

    pub(crate) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), problem: problem.into() }
    }

    /// The same refusal, with the field seen from one level further out.
    pub(crate) fn within(self, path: &str) -> Self {
        match self {
            Self::Invalid { field, problem } => Self::Invalid { field: format!("{path}.{field}"), problem },
            other => other,
        }
    }
}

/// The most ids that a message names.
const IDS_SHOWN_MAX: usize = 20;

struct Ids<'a>(&'a [TaskId]);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.0.iter().take(IDS_SHOWN_MAX).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{id}")?;
        }
        match self.0.len().saturating_sub(IDS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
