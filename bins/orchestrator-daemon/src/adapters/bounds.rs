use std::collections::BTreeSet;

use orchestrator_charter::{Charter, Charters};
use orchestrator_runtime_llm::Profile as Character;
use orchestrator_vocab::OrgId;

/// What the charters that something is worked on under leave to its session, whoever's charters they are.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    tokens_max: Option<u64>,
    time_ms: Option<u64>,
    constraints: Vec<String>,
}

impl Bounds {
    /// Of those that are named and of those that everybody in the organisation acts under. One that is not there bounds nothing here:
    /// under it no call is allowed.
    pub(super) fn of(charters: &Charters, org: OrgId, named: &BTreeSet<String>) -> Self {
        let found = &charters.above(org) | named;
        found.iter().filter_map(|name| charters.get(name).ok()).fold(Self::default(), |bounds, it| bounds.and(&it))
    }

    fn and(mut self, charter: &Charter) -> Self {
        self.constraints.extend(charter.prompt());
        Self {
            tokens_max: least(self.tokens_max, charter.resource_limits.max_tokens_per_session),
            time_ms: self.time(charter.time_ms()),
            ..self
        }
    }

    /// The shorter of two times, in milliseconds.
    pub(super) fn time(&self, other: Option<u64>) -> Option<u64> {
        least(self.time_ms, other)
    }

    /// Told of what it has to keep to, and held to the rest.
    pub(super) fn narrow(self, character: Character) -> Character {
        let system: Vec<&str> = std::iter::once(character.system.as_str())
            .chain(self.constraints.iter().map(String::as_str))
            .filter(|text| !text.is_empty())
            .collect();
        let mut limits = character.limits.clone();
        limits.tokens_max = least(limits.tokens_max, self.tokens_max);
        limits.time_ms = self.time(limits.time_ms);
        Character { system: system.join("\n\n"), limits, ..character }
    }
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}
