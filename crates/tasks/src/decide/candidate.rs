use std::collections::BTreeSet;

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
