use std::collections::VecDeque;

use orchestrator_vocab::Timestamp;

use crate::Config;

/// The most failures remembered of one agent.
const FAILURES_MAX: usize = 100;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The agent did its work.
    Succeeded,
    /// It did not, by its own fault: a task that was taken away from it does not count.
    Failed,
}

/// What is remembered of one agent's attempts: recent failures, and whether it failed so often in a row that it gets no
/// work for a while.
///
/// ```
/// use orchestrator_agents::{Circuit, Config, Outcome};
/// use orchestrator_vocab::Timestamp;
/// let config = Config { failures_in_row_max: 2, probe_ms: 1_000, ..Config::default() };
/// let mut circuit = Circuit::default();
/// circuit.record(Outcome::Failed, Timestamp(0), &config);
/// circuit.record(Outcome::Failed, Timestamp(0), &config);
/// assert!(!circuit.is_healthy(Timestamp(999)));
/// assert!(circuit.is_healthy(Timestamp(1_000)), "it may be tried again");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Circuit {
    failures: VecDeque<Timestamp>,
    in_row: u32,
    open_until: Option<Timestamp>,
}

impl Circuit {
    /// Takes the end of an attempt into account. A success closes the circuit; once `failures_in_row_max` is reached
    /// each further failure opens it for `probe_ms`.
    pub fn record(&mut self, outcome: Outcome, now: Timestamp, config: &Config) {
        if outcome == Outcome::Succeeded {
            self.in_row = 0;
            self.open_until = None;
            return;
        }
        if self.failures.len() == FAILURES_MAX {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        self.in_row = self.in_row.saturating_add(1);
        if config.failures_in_row_max > 0 && self.in_row >= config.failures_in_row_max {
            self.open_until = Some(now + config.probe());
        }
    }

    /// Once it is open, it stays so until it is forgotten.
    #[cfg(feature = "sql")]
    pub(crate) fn hold_open(&mut self) {
        self.open_until = self.open_until.map(|_| Timestamp(i64::MAX));
    }

    /// Whether it may be given work.
    pub fn is_healthy(&self, now: Timestamp) -> bool {
        self.open_until.is_none_or(|until| now >= until)
    }

    /// How many failures are within the window; at most 100 are counted.
    pub fn recent_failures(&self, now: Timestamp, config: &Config) -> u32 {
        let recent = self.failures.iter().filter(|failed| now.since(**failed) < config.failure_window());
        u32::try_from(recent.count()).unwrap_or(u32::MAX)
    }

    /// Whether nothing worth remembering is left.
    pub fn is_clean(&self, now: Timestamp, config: &Config) -> bool {
        self.recent_failures(now, config) == 0 && self.is_healthy(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config() -> Config {
        Config { failures_in_row_max: 3, probe_ms: 100, failure_window_ms: 1_000, ..Config::default() }
    }

    fn after(outcomes: &[(Outcome, i64)]) -> Circuit {
        let mut circuit = Circuit::default();
        outcomes.iter().for_each(|(outcome, at)| circuit.record(*outcome, Timestamp(*at), &config()));
        circuit
    }

    use Outcome::{Failed, Succeeded};

    #[test]
    fn a_success_between_failures_keeps_the_circuit_closed() {
        let circuit = after(&[(Failed, 0), (Failed, 1), (Succeeded, 2), (Failed, 3), (Failed, 4)]);
        assert!(circuit.is_healthy(Timestamp(4)));
        assert_eq!(circuit.recent_failures(Timestamp(4), &config()), 4);
    }

    #[test]
    fn a_failed_probe_opens_it_again_at_once() {
        let circuit = after(&[(Failed, 0), (Failed, 0), (Failed, 0)]);
        assert!(!circuit.is_healthy(Timestamp(99)) && circuit.is_healthy(Timestamp(100)));
        let again = after(&[(Failed, 0), (Failed, 0), (Failed, 0), (Failed, 150)]);
        assert!(!again.is_healthy(Timestamp(249)) && again.is_healthy(Timestamp(250)));
    }

    #[test]
    fn failures_are_forgotten_when_their_window_has_passed() {
        let circuit = after(&[(Failed, 0), (Failed, 600)]);
        assert_eq!(circuit.recent_failures(Timestamp(999), &config()), 2);
        assert_eq!(circuit.recent_failures(Timestamp(1_000), &config()), 1);
        assert!(circuit.is_clean(Timestamp(1_600), &config()));
    }

    proptest! {
        #[test]
        fn a_success_always_heals(outcomes in proptest::collection::vec(any::<bool>(), 0..300)) {
            let mut circuit = Circuit::default();
            for (at, ok) in outcomes.into_iter().enumerate() {
                let outcome = if ok { Succeeded } else { Failed };
                circuit.record(outcome, Timestamp(at as i64), &config());
            }
            prop_assert!(circuit.failures.len() <= FAILURES_MAX);
            circuit.record(Succeeded, Timestamp(1_000), &config());
            prop_assert!(circuit.is_healthy(Timestamp(1_000)));
        }
    }
}
