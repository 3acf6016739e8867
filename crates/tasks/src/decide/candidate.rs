use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orchestrator_vocab::{AgentId, Capability, Timestamp};
use serde::{Deserialize, Serialize};

/// An agent as the scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who it is.
    pub id: AgentId,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// How many tasks it may have at once; 0 if it takes none for now.
    pub max_concurrent: u32,
    /// How many it has.
    pub running: u32,
    /// Whether it answers and is allowed to work.
    pub healthy: bool,
    /// How many of its attempts failed lately; each costs 5 points of availability.
    pub recent_failures: u32,
    /// How tasks reach it.
    pub accepts: Accepts,
    /// When it got its last task. Among equals the one that waited longest is next.
    pub last_assigned: Option<Timestamp>,
    /// What it shares with others of its sort: a bound on the tasks that they all have together.
    pub pool: Option<Pool>,
    /// After how many attempts a failure of its tasks is final, if that is fewer than the task allows.
    pub attempts_max: Option<u32>,
}

/// Agents that may have only so many tasks at once together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Whatever its agents have in common; agents with the same name share the bound.
    pub name: Arc<str>,
    /// How many tasks they may have at once together. Of unequal bounds the lowest holds.
    pub max: u32,
}

/// How many more tasks the agents of each pool may have.
pub(crate) fn free_in_pools(agents: &[Candidate]) -> BTreeMap<Arc<str>, u32> {
    let mut pools = BTreeMap::<Arc<str>, (u32, u32)>::new();
    for (agent, pool) in agents.iter().filter_map(|agent| Some((agent, agent.pool.as_ref()?))) {
        let (running, max) = pools.entry(pool.name.clone()).or_insert((0, pool.max));
        *running = running.saturating_add(agent.running);
        *max = pool.max.min(*max);
    }
    pools.into_iter().map(|(name, (running, max))| (name, max.saturating_sub(running))).collect()
}

/// How tasks reach an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Accepts {
    /// The scheduler gives it tasks.
    #[default]
    Push,
    /// It claims tasks by itself.
    Pull,
}

impl Candidate {
    /// A healthy agent without work that takes one task at a time.
    pub fn new(id: AgentId, capabilities: BTreeSet<Capability>) -> Self {
        Self {
            id,
            capabilities,
            max_concurrent: 1,
            running: 0,
            healthy: true,
            recent_failures: 0,
            accepts: Accepts::Push,
            last_assigned: None,
            pool: None,
            attempts_max: None,
        }
    }

    /// How many more tasks it may have.
    pub fn free(&self) -> u32 {
        self.max_concurrent.saturating_sub(self.running)
    }

    /// Whether it works at all at present, be it busy or not.
    pub(super) fn works(&self) -> bool {
        self.healthy && self.max_concurrent > 0
    }
}
