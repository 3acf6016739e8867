use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::Limits;

/// Outcomes that are remembered at most, however long the window.
const OUTCOMES_MAX: usize = 1_000;
/// How often the rest is doubled.
const DOUBLINGS_MAX: u32 = 4;
/// The weight of the newest time to a first token in their average.
const NEWEST_WEIGHT: f64 = 0.3;

/// Whether a provider may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// As usual.
    Yes,
    /// Once, to see whether it is well again.
    Probe,
    /// Not before this has passed; zero while somebody else tries.
    No(Duration),
}

/// What an attempt was allowed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    Usual,
    Probe,
}

/// How a provider did lately: a rolling window of outcomes, and a circuit that opens when too many failed. Pure; the time is
/// told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    outcomes: VecDeque<(Instant, bool)>,
    circuit: Circuit,
    /// Rests in a row.
    rests: u32,
    first_token: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Circuit {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    /// Somebody tries.
    Probing,
}

impl Health {
    pub(crate) fn look(&self, now: Instant) -> Admission {
        match self.circuit {
            Circuit::Closed => Admission::Yes,
            Circuit::Open { until } if now < until => Admission::No(until - now),
            Circuit::Open { .. } => Admission::Probe,
            Circuit::Probing => Admission::No(Duration::ZERO),
        }
    }

    /// Takes a pass; of a circuit that could be closed again, the only one.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Pass, Duration> {
        match self.look(now) {
            Admission::Yes => Ok(Pass::Usual),
            Admission::Probe => {
                self.circuit = Circuit::Probing;
                Ok(Pass::Probe)
            }
            Admission::No(wait) => Err(wait),
        }
    }

    pub(crate) fn succeeded(&mut self, now: Instant, pass: Pass, limits: &Limits) {
        if pass == Pass::Probe {
            self.circuit = Circuit::Closed;
            self.rests = 0;
            self.outcomes.clear();
        }
        self.remember(now, true, limits);
    }

    pub(crate) fn failed(&mut self, now: Instant, pass: Pass, limits: &Limits) {
        self.remember(now, false, limits);
        match (self.circuit, pass) {
            (_, Pass::Probe) => self.open(now, limits),
            (Circuit::Closed, Pass::Usual) if self.is_sick(limits) => self.open(now, limits),
            // What was on its way when the circuit opened changes nothing.
            (_, Pass::Usual) => {}
        }
    }

    /// The attempt came to nothing that tells about the provider.
    pub(crate) fn abandoned(&mut self, now: Instant, pass: Pass) {
        if pass == Pass::Probe {
            self.circuit = Circuit::Open { until: now };
        }
    }

    pub(crate) fn began_after(&mut self, first_token: Duration) {
        let average = self
            .first_token
            .map_or(first_token, |average| average.mul_f64(1.0 - NEWEST_WEIGHT) + first_token.mul_f64(NEWEST_WEIGHT));
        self.first_token = Some(average);
    }

    /// A moving average.
    pub(crate) fn first_token(&self) -> Option<Duration> {
        self.first_token
    }

    /// Failures and all outcomes in the window.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.outcomes.iter().filter(|(_, ok)| !ok).count(), self.outcomes.len())
    }

    fn is_sick(&self, limits: &Limits) -> bool {
        let (failures, all) = self.counts();
        failures >= limits.failures_min as usize && failures as f64 >= limits.failure_share * all as f64
    }

    fn open(&mut self, now: Instant, limits: &Limits) {
        let rest = Duration::from_millis(limits.rest_ms) * 2_u32.pow(self.rests.min(DOUBLINGS_MAX));
        self.rests = self.rests.saturating_add(1);
        self.circuit = Circuit::Open { until: now + rest };
    }

    fn remember(&mut self, now: Instant, ok: bool, limits: &Limits) {
        let window = Duration::from_millis(limits.health_window_ms);
        let is_old = |(at, _): &(Instant, bool)| now.saturating_duration_since(*at) > window;
        while self.outcomes.front().is_some_and(is_old) || self.outcomes.len() >= OUTCOMES_MAX {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((now, ok));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits() -> Limits {
        Limits { failures_min: 3, failure_share: 0.5, rest_ms: 1_000, health_window_ms: 10_000, ..Limits::default() }
    }

    fn sick(now: Instant) -> Health {
        let mut health = Health::default();
        (0..3).for_each(|_| health.failed(now, Pass::Usual, &limits()));
        health
    }

    #[test]
    fn enough_failures_open_the_circuit_and_one_probe_closes_it() {
        let now = Instant::now();
        let mut health = sick(now);
        assert_eq!(health.admit(now), Err(Duration::from_secs(1)));
        let later = now + Duration::from_secs(1);
        assert_eq!(health.admit(later), Ok(Pass::Probe));
        assert_eq!(health.admit(later), Err(Duration::ZERO), "one probe at a time");
        health.succeeded(later, Pass::Probe, &limits());
        assert_eq!(health.look(later), Admission::Yes);
    }

    #[test]
    fn each_probe_that_fails_doubles_the_rest() {
        let mut now = Instant::now();
        let mut health = sick(now);
        for rest in [1, 2, 4, 8, 16, 16] {
            assert_eq!(health.look(now), Admission::No(Duration::from_secs(rest)));
            now += Duration::from_secs(rest);
            assert_eq!(health.admit(now), Ok(Pass::Probe));
            health.failed(now, Pass::Probe, &limits());
        }
    }

    #[test]
    fn a_probe_that_was_abandoned_leaves_its_place() {
        let now = Instant::now() + Duration::from_secs(1);
        let mut health = sick(Instant::now());
        assert_eq!(health.admit(now + Duration::from_secs(1)), Ok(Pass::Probe));
        health.abandoned(now, Pass::Probe);
        assert_eq!(health.look(now), Admission::Probe);
    }

    #[test]
    fn old_failures_do_not_count() {
        let now = Instant::now();
        let mut health = Health::default();
        for seconds in [0, 11, 22, 33] {
            health.failed(now + Duration::from_secs(seconds), Pass::Usual, &limits());
        }
        assert_eq!(health.look(now + Duration::from_secs(33)), Admission::Yes);
    }

    proptest! {
        /// Whatever happens in whatever order, a circuit that is not closed lets through one at a time.
        #[test]
        fn there_is_never_more_than_one_probe(steps in proptest::collection::vec((0_u64..2_000, 0_u8..4), 1..200)) {
            let (mut now, mut health) = (Instant::now(), Health::default());
            let mut held: Vec<Pass> = Vec::new();
            for (millis, step) in steps {
                now += Duration::from_millis(millis);
                if step == 0 {
                    held.extend(health.admit(now).ok());
                } else if let Some(pass) = held.pop() {
                    match step {
                        1 => health.succeeded(now, pass, &limits()),
                        2 => health.failed(now, pass, &limits()),
                        _ => health.abandoned(now, pass),
                    }
                }
                prop_assert!(held.iter().filter(|pass| **pass == Pass::Probe).count() <= 1);
                prop_assert!(health.counts().1 <= OUTCOMES_MAX);
            }
        }
    }
}
