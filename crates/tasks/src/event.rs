use orchestrator_events::NewEvent;
use orchestrator_vocab::{AgentId, ScheduleId, TaskId, Timestamp};
use serde_json::{Map, Value, json};

use crate::{Origin, Scores, SkipReason, Status, Task};

/// What happens in a backlog. Each is written in the transaction of the change it reports.
///
/// The payload of those about a task is `{taskId, orgId, status, previousStatus?, priority, …}` and the fields named at
/// the variant; their subject is the task's id.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// `task.created {title, kind, dependsOn?, parentId?, scheduleId?, runAt?}`
    Created {
        /// On which tasks it depends.
        depends_on: Vec<TaskId>,
    },
    /// `task.updated {changed, …the changed fields that are short}`
    Updated {
        /// The names of the fields that changed.
        changed: Vec<&'static str>,
    },
    /// `task.blocked {waitingOn}`
    Blocked,
    /// `task.unblocked {}`: every dependency is met.
    Unblocked,
    /// `task.claimed {agentId, fence, attempt, leaseUntil, waitedMs}`
    Claimed {
        /// How long it could have been claimed before it was.
        waited_ms: u64,
    },
    /// `task.released {agentId?, reason, error?, attempt, runAt?}`: back in the backlog.
    Released {
        /// Who had it.
        agent: Option<AgentId>,
        /// Why.
        reason: Released,
    },
    /// `task.progressed {agentId, progress}`
    Progressed,
    /// `task.completed {agentId, result, attempt, ranMs}`
    Completed {
        /// Who completed it.
        agent: Option<AgentId>,
    },
    /// `task.failed {agentId?, error, attempt}`: for good, the dead letter.
    Failed {
        /// Who had it.
        agent: Option<AgentId>,
    },
    /// `task.cancelled {agentId?, reason}`
    Cancelled {
        /// Who had it.
        agent: Option<AgentId>,
    },
    /// `task.deleted {}`
    Deleted,
    /// `scheduler.assigned {agentId, scores, losers}`
    Assigned {
        /// Who gets it.
        agent: AgentId,
        /// What spoke for the agent.
        scores: Scores,
        /// Scores of the others, best first.
        losers: Value,
    },
    /// `scheduler.skipped {reason}`: reported once per reason, not every round.
    Skipped {
        /// Why nobody gets it now.
        reason: SkipReason,
    },
}

/// Why a task went back into the backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Released {
    /// Its owner gave it back.
    Returned,
    /// The attempt failed and another one is left.
    Failed,
    /// The lease ran out.
    Expired,
    /// Somebody who administers the backlog took it from its owner.
    Requeued,
    /// A failed or cancelled task was started anew.
    Retried,
    /// What it waited for was approved.
    Approved,
}

impl Released {
    /// The name in the event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Requeued => "requeued",
            Self::Retried => "retried",
            Self::Approved => "approved",
        }
    }
}

impl Event {
    /// The name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "task.created",
            Self::Updated { .. } => "task.updated",
            Self::Blocked => "task.blocked",
            Self::Unblocked => "task.unblocked",
            Self::Claimed { .. } => "task.claimed",
            Self::Released { .. } => "task.released",
            Self::Progressed => "task.progressed",
            Self::Completed { .. } => "task.completed",
            Self::Failed { .. } => "task.failed",
            Self::Cancelled { .. } => "task.cancelled",
            Self::Deleted => "task.deleted",
            Self::Assigned { .. } => "scheduler.assigned",
            Self::Skipped { .. } => "scheduler.skipped",
        }
    }

    /// The event about this task as it is now.
    pub(crate) fn about(self, task: &Task, previous: Option<Status>, origin: &Origin, now: Timestamp) -> NewEvent {
        let mut payload = Map::new();
        let mut put = |field: &str, value: Value| {
            if !value.is_null() {
                payload.insert(field.to_owned(), value);
            }
        };
        put("taskId", json!(task.id));
        put("orgId", json!(task.org));
        put("status", json!(task.state.status()));
        put("previousStatus", json!(previous.filter(|previous| *previous != task.state.status())));
        put("priority", json!(task.priority));
        self.details(task, now, &mut put);
        NewEvent {
            org: task.org,
            name: self.name().into(),
            time: now,
            actor: origin.actor.clone(),
            subject: Some(task.id.to_string()),
            correlation: origin.correlation.clone().or_else(|| task.correlation.clone()),
            causation: origin.causation,
            payload: Value::Object(payload),
        }
    }

    fn details(&self, task: &Task, now: Timestamp, put: &mut impl FnMut(&str, Value)) {
        match self {
            Self::Created { depends_on } => {
                put("title", json!(task.title));
                put("kind", json!(task.kind));
                put("dependsOn", if depends_on.is_empty() { Value::Null } else { json!(depends_on) });
                put("parentId", json!(task.parent_id));
                put("scheduleId", json!(task.schedule_id));
                put("runAt", json!(task.run_at));
            }
            Self::Updated { changed } => updated(task, changed, put),
            Self::Blocked | Self::Unblocked | Self::Deleted => put("waitingOn", json!(task.waiting_on())),
            Self::Claimed { waited_ms } => {
                put("agentId", json!(task.state.owner()));
                put("fence", json!(task.fence));
                put("attempt", json!(task.attempt));
                put("leaseUntil", json!(task.state.lease_until()));
                put("waitedMs", json!(waited_ms));
            }
            Self::Released { agent, reason } => {
                put("agentId", json!(agent));
                put("reason", json!(reason.as_str()));
                put("error", json!(task.last_error));
                put("attempt", json!(task.attempt));
                put("runAt", json!(task.run_at));
                put("waitingOn", json!(task.waiting_on()));
            }
            Self::Progressed => {
                put("agentId", json!(task.state.owner()));
                put("progress", json!(task.progress));
            }
            Self::Completed { agent } | Self::Failed { agent } | Self::Cancelled { agent } => {
                put("agentId", json!(agent));
                put("attempt", json!(task.attempt));
                put("ranMs", json!(task.started_at.filter(|_| agent.is_some()).map(|start| millis(start, now))));
                let (field, value) = task.outcome();
                put(field, value);
            }
            Self::Assigned { agent, scores, losers } => {
                put("agentId", json!(agent));
                put("scores", json!(scores));
                put("losers", losers.clone());
            }
            Self::Skipped { reason } => put("why", json!(reason)),
        }
    }
}

fn updated(task: &Task, changed: &[&'static str], put: &mut impl FnMut(&str, Value)) {
    put("changed", json!(changed));
    for field in changed {
        match *field {
            "title" => put(field, json!(task.title)),
            "kind" => put(field, json!(task.kind)),
            "runAt" => put(field, json!(task.run_at)),
            "deadline" => put(field, json!(task.deadline)),
            "tags" => put(field, json!(task.tags)),
            "requiredCapabilities" => put(field, json!(task.required_capabilities)),
            "maxAttempts" => put(field, json!(task.max_attempts)),
            _ => {}
        }
    }
}

pub(crate) fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}

/// `schedule.fired {scheduleId, instant, taskId, manual?}` or `schedule.skipped {scheduleId, instant, reason}`.
pub(crate) fn about_schedule(
    name: &'static str,
    id: ScheduleId,
    details: Value,
    origin: &Origin,
    now: Timestamp,
) -> NewEvent {
    let mut payload = Map::from_iter([("scheduleId".to_owned(), json!(id)), ("orgId".to_owned(), json!(origin.org))]);
    if let Value::Object(details) = details {
        payload.extend(details.into_iter().filter(|(_, value)| !value.is_null()));
    }
    let mut event = NewEvent::new(origin.org, name, now, origin.actor.clone(), Value::Object(payload));
    event.subject = Some(id.to_string());
    event.correlation.clone_from(&origin.correlation);
    event.causation = origin.causation;
    event
}
