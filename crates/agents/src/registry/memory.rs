use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_vocab::{AgentId, OrgId, Timestamp};

use crate::{Circuit, Config, Outcome, Restart};

type Key = (OrgId, AgentId);

/// What is not worth a row: how attempts ended, and when a sign of life was last written down.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    circuits: HashMap<Key, (Circuit, bool)>,
    written: HashMap<Key, Timestamp>,
}

impl Memory {
    /// Whether the agent turned healthy or unhealthy by it.
    pub(super) fn record(&self, key: Key, outcome: Outcome, restart: Restart, now: Timestamp, config: &Config) -> bool {
        let mut known = self.known();
        let (circuit, was_healthy) = known.circuits.entry(key).or_insert((Circuit::default(), true));
        // What it still worked on may end well; that does not bring it back.
        let held = restart == Restart::Never && !circuit.is_healthy(now);
        if !held {
            circuit.record(outcome, now, config);
        }
        if restart == Restart::Never {
            circuit.hold_open();
        }
        let is_healthy = circuit.is_healthy(now);
        std::mem::replace(was_healthy, is_healthy) != is_healthy
    }

    pub(super) fn health(&self, org: OrgId, id: &AgentId, now: Timestamp, config: &Config) -> (bool, u32) {
        let known = self.known();
        known
            .circuits
            .get(&(org, id.clone()))
            .map_or((true, 0), |(circuit, _)| (circuit.is_healthy(now), circuit.recent_failures(now, config)))
    }

    /// Whether a sign of life was written down less than `span` ago, so that this one need not be.
    pub(super) fn was_written(&self, org: OrgId, id: &AgentId, now: Timestamp, span: Duration) -> bool {
        let written = self.known().written.get(&(org, id.clone())).copied();
        // A clock that jumped back must not keep anybody silent.
        written.is_some_and(|at| at <= now && now.since(at) < span)
    }

    pub(super) fn mark_written(&self, org: OrgId, id: &AgentId, now: Timestamp) {
        self.known().written.insert((org, id.clone()), now);
    }

    pub(super) fn forget(&self, org: OrgId, id: &AgentId) {
        let mut known = self.known();
        known.circuits.remove(&(org, id.clone()));
        known.written.remove(&(org, id.clone()));
    }

    /// A new start after failures.
    pub(super) fn forget_failures(&self, org: OrgId, id: &AgentId) {
        self.known().circuits.remove(&(org, id.clone()));
    }

    /// The next sign of life is written down again.
    pub(super) fn forget_sign(&self, org: OrgId, id: &AgentId) {
        self.known().written.remove(&(org, id.clone()));
    }

    /// Drops what is not worth remembering. Whether an agent turned healthy because its time had come.
    pub(super) fn sweep(&self, now: Timestamp, config: &Config) -> bool {
        let mut known = self.known();
        let mut turned = false;
        known.circuits.retain(|_, (circuit, was_healthy)| {
            let is_healthy = circuit.is_healthy(now);
            turned |= is_healthy && !*was_healthy;
            *was_healthy = is_healthy;
            !circuit.is_clean(now, config)
        });
        known.written.retain(|_, at| now.since(*at) < config.heartbeat_timeout());
        turned
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
