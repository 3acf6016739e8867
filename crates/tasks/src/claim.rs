use orchestrator_vocab::{AgentId, TaskId, Timestamp};
use serde_json::Value;

use crate::{Fence, Task};

/// A task in the hands of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The task, as it was claimed.
    pub task: Task,
    /// Shown with everything the owner does about the task.
    pub fence: Fence,
    /// When the task goes back unless the lease is renewed.
    pub lease_until: Timestamp,
}

/// That an owner is done with a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The task.
    pub task_id: TaskId,
    /// As it came with the claim.
    pub fence: Fence,
    /// What came of it; `null` if there is nothing to say.
    pub result: Value,
}

/// A lease that was renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// Whose it is.
    pub owner: AgentId,
    /// When the task goes back unless the lease is renewed again.
    pub lease_until: Timestamp,
}
