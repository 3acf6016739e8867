use orchestrator_vocab::{OrgId, TaskId};
use serde::{Deserialize, Serialize};

/// What becomes of a task when one it depends on fails for good or is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It is cancelled too, and so on along the graph.
    #[default]
    Cancel,
    /// It runs nevertheless.
    Continue,
    /// It stays blocked until the other is retried and completes.
    Wait,
}

/// `task` waits for `depends_on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Whose graph it is part of.
    pub org: OrgId,
    /// The one that waits.
    pub task: TaskId,
    /// The one it waits for.
    pub depends_on: TaskId,
    /// What becomes of `task` if the other does not complete.
    pub on_failure: OnFailure,
    /// Whether `task` need not wait for it any more.
    pub met: bool,
}

impl Edge {
    /// Whether only a retry of the other can end the waiting, should the other fail.
    pub(crate) fn waits_for_retry(&self) -> bool {
        !self.met && self.on_failure == OnFailure::Wait
    }
}
