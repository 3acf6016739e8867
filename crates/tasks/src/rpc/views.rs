use orchestrator_vocab::{TaskId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Claim, Fence, View};

/// What an agent gets when it claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimView {
    /// The task.
    pub task: View,
    /// Shown with everything the owner does about the task.
    pub fence: Fence,
    /// When the task goes back unless the lease is renewed by `task.heartbeat`.
    pub lease_until: Timestamp,
}

impl From<Claim> for ClaimView {
    fn from(claim: Claim) -> Self {
        Self { task: claim.task.into(), fence: claim.fence, lease_until: claim.lease_until }
    }
}

/// A list that is not paged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Items<T> {
    /// In the order of the request.
    pub items: Vec<T>,
}

/// A renewed lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// When the task goes back unless the lease is renewed again.
    pub lease_until: Timestamp,
}

/// What became of one item of `task.completeMany`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompletedItem {
    /// The task of the item.
    pub task_id: TaskId,
    /// Whether it is completed.
    pub completed: bool,
    /// Why not: an error object as the operation `task.complete` would have answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
}

/// That something is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// Always true.
    pub deleted: bool,
}
