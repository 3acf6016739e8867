use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use orchestrator_vocab::{Actor, AgentId, Capability, Label, OrgId, ScheduleId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Priority, Ready, State, class_of};

/// In an assignment: how often its owner may try.
pub(crate) const ATTEMPTS_MAX: &str = "attemptsMax";

/// Counts the owners and administrative actions of a task. Whoever acts on a task under a lease shows the fence that
/// came with the claim; an older one is refused as stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema), schemars(transparent))]
#[serde(transparent)]
pub struct Fence(pub u64);

impl Fence {
    /// The next higher fence.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a pending task waits. Bookkeeping of the engine, kept with the task so that the task's row alone decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "camelCase")]
pub enum Place {
    /// It is not pending.
    #[default]
    Nowhere,
    /// For its `run_at`.
    Timer,
    /// In the line of its concurrency key.
    Line {
        /// When it got in line.
        since: Timestamp,
    },
    /// In the ready index: it may be claimed.
    Ready {
        /// When it became ready, or got in line for its concurrency key.
        since: Timestamp,
    },
}

/// A unit of work in the backlog, as stores keep it. Callers on the wire see a [`View`](crate::View).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its name for good.
    pub id: TaskId,
    /// Whose it is.
    pub org: OrgId,
    /// One line, 1 to 500 characters.
    pub title: String,
    /// Up to 100 kB.
    pub description: String,
    /// What sort of work it is; `general` unless the creator says otherwise.
    pub kind: String,
    /// How soon it should run compared with others.
    pub priority: Priority,
    /// Where it stands.
    pub state: State,
    /// Where it waits while it is pending.
    pub place: Place,
    /// What an agent must be able to do to work on it.
    pub required_capabilities: BTreeSet<Capability>,
    /// The task it is a part of. Says nothing about order.
    pub parent_id: Option<TaskId>,
    /// Up to 64 words of up to 64 characters.
    pub tags: BTreeSet<String>,
    /// Up to 64 kB of JSON for the creator's own use.
    pub metadata: Map<String, Value>,
    /// Where its text came from and who may see it.
    pub label: Label,
    /// Who asked for it.
    pub created_by: Actor,
    /// Makes creation repeatable: unique within the organisation.
    pub idempotency_key: Option<String>,
    /// Tasks with the same key share a limited number of slots.
    pub concurrency_key: Option<String>,
    /// Not before. Set by the creator, and by the backoff after a failed attempt.
    pub run_at: Option<Timestamp>,
    /// When it fails unless it has finished.
    pub deadline: Option<Timestamp>,
    /// How often it has been claimed since it was created or retried by hand.
    pub attempt: u32,
    /// After how many attempts a failure is final.
    pub max_attempts: u32,
    /// The agent that failed it last.
    pub avoid: Option<AgentId>,
    /// What went wrong in the last attempt, while another one follows.
    pub last_error: Option<String>,
    /// What its owner reported last.
    pub progress: Option<Value>,
    /// How its present owner was chosen: scores of the winner and of the best losers; and how often that may try.
    pub assignment: Option<Value>,
    /// Rises with every claim, requeue and administrative action.
    pub fence: Fence,
    /// The schedule that created it.
    pub schedule_id: Option<ScheduleId>,
    /// The request that created it; repeated in its events.
    pub correlation: Option<String>,
    /// The W3C trace context of the request that created it.
    pub traceparent: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed in any way.
    pub updated_at: Timestamp,
    /// When the present or last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it was completed, failed or cancelled.
    pub finished_at: Option<Timestamp>,
    /// When it was deleted; from then on it is not found, and retention removes it.
    pub deleted_at: Option<Timestamp>,
}

impl Task {
    /// After how many attempts a failure of its owner is final: as it says itself, or fewer where that agent may not try so often.
    pub(crate) fn attempts_allowed(&self) -> u32 {
        let of_owner = self.assignment.as_ref().and_then(|assignment| assignment[ATTEMPTS_MAX].as_u64());
        of_owner.map_or(self.max_attempts, |most| self.max_attempts.min(u32::try_from(most).unwrap_or(u32::MAX)))
    }

    /// When the keeper has to look at it next: its lease ends, its time comes, or its deadline passes.
    ///
    /// Stores index this (never the parts) for [`Rows::to_wake`](crate::Rows::to_wake).
    pub fn wake_at(&self) -> Option<Timestamp> {
        if self.state.is_finished() {
            return None;
        }
        let own = match (&self.state, self.place) {
            (State::InProgress { lease_until, .. }, _) => Some(*lease_until),
            (_, Place::Timer) => self.run_at,
            _ => None,
        };
        [own, self.deadline].into_iter().flatten().min()
    }

    /// The W3C trace context its work belongs to: that of the request that created it, or, if there was none, one that is
    /// named after the task, with the lower half of the trace's id as the parent's.
    #[must_use]
    pub fn trace(&self) -> Cow<'_, str> {
        match &self.traceparent {
            Some(traceparent) => traceparent.into(),
            None => {
                let (id, half) = (self.id.uuid().as_u128(), self.id.uuid().as_u64_pair().1);
                format!("00-{id:032x}-{half:016x}-01").into()
            }
        }
    }

    /// Whether it occupies a slot of its concurrency key: while it may be claimed, while it is worked on, and while its
    /// owner waits for approval. Such an owner goes on with what the key protects, so nobody may step in meanwhile.
    pub fn holds_slot(&self) -> bool {
        let owned = matches!(self.state, State::InProgress { .. } | State::AwaitingApproval { owner: Some(_) });
        self.concurrency_key.is_some() && (owned || matches!(self.place, Place::Ready { .. }))
    }

    /// Its row for the ready index or for the line of its concurrency key, if it waits there.
    pub(crate) fn row(&self, step: Duration) -> Option<Ready> {
        let (Place::Line { since } | Place::Ready { since }) = self.place else { return None };
        Some(Ready {
            org: self.org,
            class: class_of(&self.required_capabilities),
            key: self.priority.ready_key(since, step),
            id: self.id,
            priority: self.priority,
            avoid: self.avoid.clone(),
        })
    }

    pub(crate) fn waiting_on(&self) -> Option<u32> {
        match self.state {
            State::Blocked { waiting_on } => Some(waiting_on),
            _ => None,
        }
    }

    /// What came of it, by the name it has on the wire.
    pub(crate) fn outcome(&self) -> (&'static str, Value) {
        match &self.state {
            State::Completed { result } => ("result", result.clone()),
            State::Failed { error } => ("error", error.clone().into()),
            State::Cancelled { reason } => ("reason", reason.clone().into()),
            _ => ("error", self.last_error.clone().into()),
        }
    }
}
