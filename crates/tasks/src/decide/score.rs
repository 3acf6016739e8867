use serde::{Deserialize, Serialize};

use super::Candidate;
use crate::Priority;

/// What speaks for an agent, in points. Higher is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Scores {
    /// 0 to 40: the share of the agent's capabilities that the task needs, so that a specialist comes before a
    /// generalist. 20 for everyone if the task requires nothing.
    pub capability: u32,
    /// 0 to 30: the free share of the agent's capacity.
    pub load: u32,
    /// 0 to 20: 20 if the agent is healthy, less 5 for each recent failure.
    pub availability: u32,
    /// 10, 7, 4 or 0 by the task's priority; the same for every agent.
    pub priority: u32,
    /// The sum.
    pub total: u32,
}

impl Scores {
    pub(super) fn of(candidate: &Candidate, required: usize, priority: Priority) -> Self {
        let capability = capability(required, candidate.capabilities.len());
        let load = load(candidate.free(), candidate.max_concurrent);
        Self::sum(capability, load, availability(candidate), priority)
    }

    pub(super) fn sum(capability: u32, load: u32, availability: u32, priority: Priority) -> Self {
        let priority = priority.bonus();
        Self { capability, load, availability, priority, total: capability + load + availability + priority }
    }
}

/// For an agent that has all the required capabilities.
pub(super) fn capability(required: usize, had: usize) -> u32 {
    match required {
        0 => 20,
        _ => points(40, required as u64, had.max(1) as u64),
    }
}

pub(super) fn load(free: u32, capacity: u32) -> u32 {
    points(30, free.into(), capacity.max(1).into())
}

pub(super) fn availability(candidate: &Candidate) -> u32 {
    if candidate.healthy { 20u32.saturating_sub(candidate.recent_failures.saturating_mul(5)) } else { 0 }
}

fn points(most: u32, part: u64, whole: u64) -> u32 {
    (u64::from(most) * part.min(whole) / whole) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specialist_scores_higher_than_a_generalist() {
        assert_eq!(capability(1, 1), 40);
        assert_eq!(capability(2, 4), 20);
        assert_eq!(capability(1, 40), 1);
        assert_eq!(capability(0, 7), 20);
    }

    #[test]
    fn load_is_the_free_share() {
        assert_eq!(load(4, 4), 30);
        assert_eq!(load(1, 4), 7);
        assert_eq!(load(0, 4), 0);
        assert_eq!(load(0, 0), 0);
    }

    #[test]
    fn each_recent_failure_costs_five_points() {
        let mut candidate = Candidate::new("a".parse().unwrap(), Default::default());
        let mut score = |failures| {
            candidate.recent_failures = failures;
            availability(&candidate)
        };
        assert_eq!([0, 1, 4, u32::MAX].map(&mut score), [20, 15, 0, 0]);
    }
}
