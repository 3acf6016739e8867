use orchestrator_vocab::{AgentId, ScheduleId, TaskId};

use crate::{Priority, Status};

/// The most rows one list gives.
pub const LIST_LIMIT_MAX: usize = 1_000;
/// How many rows a list gives unless the caller says otherwise.
pub const LIST_LIMIT_DEFAULT: usize = 100;

/// In which order a list comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// By id, upwards: the oldest first.
    #[default]
    Oldest,
    /// By id, downwards: the newest first.
    Newest,
}

/// Which tasks a list gives. An empty list and `None` do not restrict; everything given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// In one of these.
    pub statuses: Vec<Status>,
    /// Of one of these.
    pub priorities: Vec<Priority>,
    /// In progress at this agent.
    pub owner: Option<AgentId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Bears this tag.
    pub tag: Option<String>,
    /// A part of this task.
    pub parent_id: Option<TaskId>,
    /// Created by this schedule.
    pub schedule_id: Option<ScheduleId>,
    /// Upwards or downwards by id.
    pub order: Order,
    /// Only those that come after this one in the order; it need not exist.
    pub after: Option<TaskId>,
    /// At most this many.
    pub limit: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            statuses: Vec::new(),
            priorities: Vec::new(),
            owner: None,
            kind: None,
            tag: None,
            parent_id: None,
            schedule_id: None,
            order: Order::default(),
            after: None,
            limit: LIST_LIMIT_DEFAULT,
        }
    }
}

/// Which schedules a list gives, by id upwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleQuery {
    /// Only those after this one; it need not exist.
    pub after: Option<ScheduleId>,
    /// At most this many.
    pub limit: usize,
}

impl Default for ScheduleQuery {
    fn default() -> Self {
        Self { after: None, limit: LIST_LIMIT_DEFAULT }
    }
}
