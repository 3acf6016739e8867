use orchestrator_vocab::{AgentId, Capability};
use serde::{Deserialize, Serialize};

use super::{Candidate, Ready, Scores, free_in_pools, required_by};

/// What one agent would be for one task, for `task.explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Consideration {
    /// The agent.
    pub agent_id: AgentId,
    /// Whether it could get the task now.
    pub eligible: bool,
    /// What speaks for it; none if it lacks a capability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
    /// Why it could not; none if it could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<Ineligible>,
}

/// Why an agent cannot get a task now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(tag = "reason", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Ineligible {
    /// It cannot do what the task requires.
    LacksCapabilities {
        /// What it lacks.
        missing: Vec<Capability>,
    },
    /// It does not answer, or is not allowed to work.
    Unhealthy,
    /// It takes no tasks for now.
    TakesNone,
    /// It has as many tasks as it may have.
    Busy {
        /// How many it has.
        running: u32,
        /// How many it may have.
        max_concurrent: u32,
    },
    /// It failed the task last, and another one could do it.
    FailedItLast,
    /// All of its pool together have as many tasks as they may have.
    PoolBusy {
        /// What they have in common.
        pool: String,
    },
}

/// What each agent would be for `ready`: those that could get it first, then by points, then by name.
pub fn consider(ready: &Ready, agents: &[Candidate]) -> Vec<Consideration> {
    let required: Vec<&str> = required_by(&ready.class).collect();
    let pools = free_in_pools(agents);
    let able = agents.iter().filter(|agent| agent.works() && has_all(agent, &required)).count();
    let mut all: Vec<Consideration> = agents
        .iter()
        .map(|agent| {
            let full = agent.pool.as_ref().filter(|pool| pools.get(&pool.name) == Some(&0));
            let why_not = why_not(ready, agent, &required, able).or_else(|| {
                let full = full?;
                Some(Ineligible::PoolBusy { pool: full.name.to_string() })
            });
            let capable = !matches!(why_not, Some(Ineligible::LacksCapabilities { .. }));
            let scores = capable.then(|| Scores::of(agent, required.len(), ready.priority));
            Consideration { agent_id: agent.id.clone(), eligible: why_not.is_none(), scores, why_not }
        })
        .collect();
    all.sort_by(|a, b| {
        let rank = |c: &Consideration| (c.eligible, c.scores.map(|scores| scores.total));
        rank(b).cmp(&rank(a)).then_with(|| a.agent_id.cmp(&b.agent_id))
    });
    all
}

fn why_not(ready: &Ready, agent: &Candidate, required: &[&str], able: usize) -> Option<Ineligible> {
    let failed_it_last = ready.avoid.as_ref() == Some(&agent.id);
    if !has_all(agent, required) {
        Some(Ineligible::LacksCapabilities { missing: missing(required, std::iter::once(agent)) })
    } else if !agent.healthy {
        Some(Ineligible::Unhealthy)
    } else if agent.max_concurrent == 0 {
        Some(Ineligible::TakesNone)
    } else if failed_it_last && able > 1 {
        Some(Ineligible::FailedItLast)
    } else if agent.free() == 0 {
        Some(Ineligible::Busy { running: agent.running, max_concurrent: agent.max_concurrent })
    } else {
        None
    }
}

pub(super) fn has_all(agent: &Candidate, required: &[&str]) -> bool {
    required.iter().all(|name| agent.capabilities.contains(*name))
}

/// Those of the required capabilities that none of the agents has.
pub(super) fn missing<'a>(required: &[&str], agents: impl Iterator<Item = &'a Candidate> + Clone) -> Vec<Capability> {
    let nobody_has = |name: &&&str| !agents.clone().any(|agent| agent.capabilities.contains(**name));
    let parsed = required.iter().filter(nobody_has).filter_map(|name| name.parse().ok());
    parsed.collect()
}
