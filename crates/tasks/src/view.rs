use std::collections::BTreeSet;

use orchestrator_vocab::{Actor, AgentId, Capability, Label, OrgId, ScheduleId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Dependency, Fence, Priority, State, Status, Task};

/// A task as callers see it: flat, without bookkeeping. Fields without a value are absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Its name for good.
    pub id: TaskId,
    /// Whose it is.
    pub org_id: OrgId,
    /// One line.
    pub title: String,
    /// What to do, in full.
    #[serde(default)]
    pub description: String,
    /// What sort of work it is.
    pub kind: String,
    /// How soon it should run compared with others.
    pub priority: Priority,
    /// Where it stands.
    pub status: Status,
    /// Who works on it, or did when it stopped to ask for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AgentId>,
    /// When the owner's lease ends unless it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// How many dependencies are not met yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_on: Option<u32>,
    /// What came of it; `null` if it completed without saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it failed, or why its last attempt did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What an agent must be able to do to work on it.
    #[serde(default)]
    pub required_capabilities: BTreeSet<Capability>,
    /// On what it depends; only from operations about a single task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<Vec<Dependency>>,
    /// The task it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<TaskId>,
    /// The creator's words.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// The creator's data.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// Where its text came from and who may see it.
    pub label: Label,
    /// Who asked for it.
    pub created_by: Actor,
    /// Tasks with the same key share a limited number of slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// When it fails unless it has finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// How often it was tried.
    pub attempt: u32,
    /// After how many attempts a failure is final.
    pub max_attempts: u32,
    /// What its owner reported last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Value>,
    /// Rises with every claim, requeue and administrative action.
    pub fence: Fence,
    /// The schedule that created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_id: Option<ScheduleId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When the present or last attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was completed, failed or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

impl From<Task> for View {
    fn from(task: Task) -> Self {
        let status = task.state.status();
        let (owner, lease_until, waiting_on) =
            (task.state.owner().cloned(), task.state.lease_until(), task.waiting_on());
        let (mut result, mut error, mut reason) = (None, task.last_error, None);
        match task.state {
            State::Completed { result: value } => result = Some(value),
            State::Failed { error: text } => error = Some(text),
            State::Cancelled { reason: text } => reason = Some(text),
            _ => {}
        }
        Self {
            id: task.id,
            org_id: task.org,
            title: task.title,
            description: task.description,
            kind: task.kind,
            priority: task.priority,
            status,
            owner,
            lease_until,
            waiting_on,
            result,
            error,
            reason,
            required_capabilities: task.required_capabilities,
            depends_on: None,
            parent_id: task.parent_id,
            tags: task.tags,
            metadata: task.metadata,
            label: task.label,
            created_by: task.created_by,
            concurrency_key: task.concurrency_key,
            run_at: task.run_at,
            deadline: task.deadline,
            attempt: task.attempt,
            max_attempts: task.max_attempts,
            progress: task.progress,
            fence: task.fence,
            schedule_id: task.schedule_id,
            created_at: task.created_at,
            updated_at: task.updated_at,
            started_at: task.started_at,
            finished_at: task.finished_at,
        }
    }
}
