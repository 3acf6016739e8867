use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use orchestrator_vocab::{AgentId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a task stands, with what only makes sense there. [`State::after`] is the only way from one to another.
///
/// In JSON the variant's name is the field `status`, its data lie beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(tag = "status", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum State {
    /// Waits for an agent, or for its `run_at`.
    Pending,
    /// Waits for other tasks.
    Blocked {
        /// How many dependencies are not met yet; never 0.
        waiting_on: u32,
    },
    /// An agent works on it under a lease.
    InProgress {
        /// Who works on it.
        owner: AgentId,
        /// When the lease ends unless it is renewed.
        lease_until: Timestamp,
    },
    /// Waits for a person's decision. No lease is held.
    AwaitingApproval {
        /// Who worked on it when it stopped to ask; none if nobody had started.
        owner: Option<AgentId>,
    },
    /// Done.
    Completed {
        /// What came of it; `null` if there is nothing to say.
        result: Value,
    },
    /// Given up: its attempts are spent or its deadline has passed. This is the dead letter.
    Failed {
        /// Why, for a person.
        error: String,
    },
    /// Called off.
    Cancelled {
        /// Why, for a person.
        reason: String,
    },
}

/// The plain name of a [`State`]. As text and in JSON: `pending`, `in_progress`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for an agent, or for its `run_at`.
    Pending,
    /// Waits for other tasks.
    Blocked,
    /// An agent works on it.
    InProgress,
    /// Waits for a person.
    AwaitingApproval,
    /// Done.
    Completed,
    /// Given up.
    Failed,
    /// Called off.
    Cancelled,
}

/// What can happen to a task's state.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// So many more dependencies have to be met first. Zero changes nothing.
    DependsOn(u32),
    /// So many dependencies are met or were removed. Zero changes nothing.
    DependenciesMet(u32),
    /// An agent takes the task.
    Claim {
        /// Who takes it.
        owner: AgentId,
        /// When the lease ends.
        lease_until: Timestamp,
    },
    /// The owner is alive and needs more time.
    Renew {
        /// When the renewed lease ends.
        lease_until: Timestamp,
    },
    /// The owner, or whoever administers the backlog, gives it back undone.
    Release,
    /// The attempt failed and another one is left.
    TryAgain,
    /// The lease ran out before `now`.
    Expire {
        /// The time it is judged by.
        now: Timestamp,
    },
    /// A person has to decide before it goes on.
    AwaitApproval,
    /// The person said yes: back to the backlog.
    Approve,
    /// The person said yes and the owner is still there: it goes on at once.
    Resume {
        /// When the new lease ends.
        lease_until: Timestamp,
    },
    /// The owner is done.
    Complete {
        /// What came of it.
        result: Value,
    },
    /// It is given up.
    Fail {
        /// Why.
        error: String,
    },
    /// It is called off.
    Cancel {
        /// Why.
        reason: String,
    },
    /// A task that was given up or called off starts anew.
    Retry {
        /// How many dependencies are not met (again).
        waiting_on: u32,
    },
}

/// A step that the task's state does not allow. Read the task again before deciding what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot go from {from} to {to}: {why}")]
pub struct InvalidTransition {
    /// Where the task stands.
    pub from: Status,
    /// Where the step would have led.
    pub to: Status,
    /// What forbids it.
    pub why: Cow<'static, str>,
}

impl State {
    /// The state after `step`, or why there is none. Nothing else makes a state from a state.
    pub fn after(&self, step: &Step) -> Result<Self, InvalidTransition> {
        self.next(step).map_err(|why| InvalidTransition { from: self.status(), to: step.target(), why })
    }

    fn next(&self, step: &Step) -> Result<Self, Cow<'static, str>> {
        if let Step::Retry { waiting_on } = step {
            return self.retried(*waiting_on);
        }
        if self.is_finished() {
            return Err("the task is finished".into());
        }
        match (self, step) {
            (_, Step::Cancel { reason }) => Ok(Self::Cancelled { reason: reason.clone() }),
            (_, Step::Fail { error }) => Ok(Self::Failed { error: error.clone() }),
            (_, Step::DependsOn(more)) => self.waiting_longer(*more),
            (_, Step::DependenciesMet(met)) => self.waiting_less(*met),
            (_, Step::Claim { owner, lease_until }) => self.claimed(owner, *lease_until),
            (Self::Pending, Step::AwaitApproval) => Ok(Self::AwaitingApproval { owner: None }),
            (Self::AwaitingApproval { .. }, Step::Approve) => Ok(Self::Pending),
            (Self::AwaitingApproval { owner: Some(owner) }, Step::Resume { lease_until }) => {
                Ok(Self::InProgress { owner: owner.clone(), lease_until: *lease_until })
            }
            (Self::AwaitingApproval { owner: None }, Step::Resume { .. }) => Err("nobody had started it".into()),
            (_, Step::Approve | Step::Resume { .. }) => Err("it does not wait for approval".into()),
            (Self::InProgress { owner, lease_until }, step) => Self::worked_on(owner, *lease_until, step),
            _ => Err("nobody works on it".into()),
        }
    }

    fn retried(&self, waiting_on: u32) -> Result<Self, Cow<'static, str>> {
        match self {
            Self::Failed { .. } | Self::Cancelled { .. } => Ok(Self::waiting(waiting_on)),
            Self::Completed { .. } => Err("the task is completed".into()),
            _ => Err("the task is not finished".into()),
        }
    }

    fn waiting(waiting_on: u32) -> Self {
        if waiting_on == 0 { Self::Pending } else { Self::Blocked { waiting_on } }
    }

    fn waiting_longer(&self, more: u32) -> Result<Self, Cow<'static, str>> {
        match self {
            Self::Pending => Ok(Self::waiting(more)),
            Self::Blocked { waiting_on } => Ok(Self::waiting(waiting_on.saturating_add(more))),
            _ => Err("it has started already".into()),
        }
    }

    fn waiting_less(&self, met: u32) -> Result<Self, Cow<'static, str>> {
        match self {
            Self::Blocked { waiting_on } => match waiting_on.checked_sub(met) {
                Some(left) => Ok(Self::waiting(left)),
                None => Err(format!("it waits for {waiting_on} dependencies, not for {met}").into()),
            },
            Self::Pending if met == 0 => Ok(Self::Pending),
            _ => Err("it waits for no dependency".into()),
        }
    }

    fn claimed(&self, owner: &AgentId, lease_until: Timestamp) -> Result<Self, Cow<'static, str>> {
        match self {
            Self::Pending => Ok(Self::InProgress { owner: owner.clone(), lease_until }),
            Self::Blocked { waiting_on: 1 } => Err("it waits for a dependency".into()),
            Self::Blocked { waiting_on } => Err(format!("it waits for {waiting_on} dependencies").into()),
            Self::InProgress { owner, .. } => Err(format!("{owner} works on it").into()),
            _ => Err("it waits for approval".into()),
        }
    }

    fn worked_on(owner: &AgentId, lease_until: Timestamp, step: &Step) -> Result<Self, Cow<'static, str>> {
        match step {
            Step::Renew { lease_until } => Ok(Self::InProgress { owner: owner.clone(), lease_until: *lease_until }),
            Step::Release | Step::TryAgain => Ok(Self::Pending),
            Step::Expire { now } if *now < lease_until => Err(format!("the lease holds until {lease_until}").into()),
            Step::Expire { .. } => Ok(Self::Pending),
            Step::AwaitApproval => Ok(Self::AwaitingApproval { owner: Some(owner.clone()) }),
            Step::Complete { result } => Ok(Self::Completed { result: result.clone() }),
            _ => Err(format!("{owner} works on it").into()),
        }
    }

    /// The plain name.
    pub fn status(&self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::Blocked { .. } => Status::Blocked,
            Self::InProgress { .. } => Status::InProgress,
            Self::AwaitingApproval { .. } => Status::AwaitingApproval,
            Self::Completed { .. } => Status::Completed,
            Self::Failed { .. } => Status::Failed,
            Self::Cancelled { .. } => Status::Cancelled,
        }
    }

    /// Who works on it, or did when it stopped to ask.
    pub fn owner(&self) -> Option<&AgentId> {
        match self {
            Self::InProgress { owner, .. } => Some(owner),
            Self::AwaitingApproval { owner } => owner.as_ref(),
            _ => None,
        }
    }

    /// When the lease ends; none if nobody works on it.
    pub fn lease_until(&self) -> Option<Timestamp> {
        match self {
            Self::InProgress { lease_until, .. } => Some(*lease_until),
            _ => None,
        }
    }

    /// Whether nothing more will happen by itself.
    pub fn is_finished(&self) -> bool {
        self.status().is_finished()
    }
}

impl Step {
    /// Where the step leads if it is allowed and, for dependencies, the last or first one.
    pub fn target(&self) -> Status {
        match self {
            Self::DependsOn(_) => Status::Blocked,
            Self::Claim { .. } | Self::Renew { .. } | Self::Resume { .. } => Status::InProgress,
            Self::AwaitApproval => Status::AwaitingApproval,
            Self::Complete { .. } => Status::Completed,
            Self::Fail { .. } => Status::Failed,
            Self::Cancel { .. } => Status::Cancelled,
            Self::Retry { waiting_on: 1.. } => Status::Blocked,
            Self::DependenciesMet(_) | Self::Release | Self::TryAgain => Status::Pending,
            Self::Expire { .. } | Self::Approve | Self::Retry { .. } => Status::Pending,
        }
    }
}

/// The text is not a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected pending, blocked, in_progress, awaiting_approval, completed, failed or cancelled")]
pub struct InvalidStatus;

impl Status {
    /// Every status, in the order of a task's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Blocked,
        Self::InProgress,
        Self::AwaitingApproval,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The name, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Blocked => "blocked",
            Self::InProgress => "in_progress",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen by itself.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = InvalidStatus;

    fn from_str(text: &str) -> Result<Self, InvalidStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(InvalidStatus)
    }
}

#[cfg(test)]
#[path = "status/tests.rs"]
mod tests;
