//! Which agent gets which task: a pure function from what is known to what to do.

mod candidate;
mod class;
mod consider;
mod round;
mod score;
#[cfg(test)]
mod tests;

use orchestrator_vocab::{AgentId, Capability, OrgId, TaskId};
use serde::{Deserialize, Serialize};

pub(crate) use candidate::free_in_pools;
pub use candidate::{Accepts, Candidate, Pool};
pub use class::{class_of, required_by};
pub use consider::{Consideration, Ineligible, consider};
pub use score::Scores;

use crate::Priority;
use round::Round;

/// The most losers that are remembered of one assignment, the best first.
pub const LOSERS_MAX: usize = 10;

/// How the scheduler chooses among the agents that can do a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Whoever has waited longest for a task.
    RoundRobin,
    /// Whoever has the largest free share of its capacity.
    LeastLoaded,
    /// Whoever scores highest: capability, load and availability together. The default.
    #[default]
    CapabilityMatch,
}

/// A task that can be claimed, as the ready index holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Whose task it is.
    pub org: OrgId,
    /// The required capabilities, by [`class_of`].
    pub class: String,
    /// The place in the order: lower goes first. See [`Priority::ready_key`].
    pub key: i64,
    /// The task.
    pub id: TaskId,
    /// Its priority.
    pub priority: Priority,
    /// The agent that failed it last.
    pub avoid: Option<AgentId>,
}

/// Everything a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    /// Tasks that can be claimed, in any order.
    pub ready: &'a [Ready],
    /// Every agent of the organisation, also those that cannot take anything now.
    pub agents: &'a [Candidate],
    /// How to choose.
    pub strategy: Strategy,
    /// Who tasks may go to.
    pub audience: Audience<'a>,
    /// The most assignments to make.
    pub limit: usize,
}

/// Who tasks may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience<'a> {
    /// The agents that take what they are given: the scheduler's round.
    Push,
    /// The one agent that asks: `task.claim`.
    One(&'a AgentId),
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Who gets what, in the order of the backlog.
    pub assignments: Vec<Assignment>,
    /// What nobody gets now, in the order of the backlog. Tasks left over because of the limit are not listed.
    pub skipped: Vec<Skip>,
}

/// One task for one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// The task.
    pub task: TaskId,
    /// Who gets it.
    pub agent: AgentId,
    /// What spoke for that agent.
    pub scores: Scores,
    /// Who could have had it too, the best first, at most [`LOSERS_MAX`].
    pub losers: Vec<Loser>,
}

/// An agent that could have had a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Loser {
    /// The agent.
    pub agent_id: AgentId,
    /// What spoke for it.
    pub scores: Scores,
}

/// A task that nobody gets now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// The task.
    pub task: TaskId,
    /// Why not.
    pub reason: SkipReason,
}

/// Why nobody gets a task now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(tag = "reason", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum SkipReason {
    /// No agent has all the required capabilities.
    NoCapableAgent {
        /// Those that no agent has; empty if each is had by somebody but all by nobody.
        missing: Vec<Capability>,
    },
    /// Agents that could are not healthy or take no tasks.
    NoHealthyAgent,
    /// The agents that could are busy.
    NoCapacity,
    /// The agents that could fetch tasks by themselves, and have not yet.
    WaitsForPull,
    /// The agent that asks failed it last, and another one could do it.
    Avoided,
}

/// Assigns ready tasks in the order of their keys. The same snapshot always gives the same decision.
///
/// An agent never gets more than its capacity. A task goes to the agent that failed it last only if no other healthy agent
/// could do it; if another could but is busy, it waits. Equal agents take turns: the one that waited longest, then the
/// one whose name is first.
pub fn decide(snapshot: &Snapshot<'_>) -> Decision {
    let mut round = Round::new(snapshot);
    let mut order: Vec<&Ready> = snapshot.ready.iter().collect();
    order.sort_unstable_by_key(|ready| (ready.key, ready.id));
    let mut decision = Decision::default();
    for ready in order {
        if decision.assignments.len() >= snapshot.limit {
            break;
        }
        match round.place(ready) {
            Ok(assignment) => decision.assignments.push(assignment),
            Err(reason) => decision.skipped.push(Skip { task: ready.id, reason }),
        }
    }
    decision
}
