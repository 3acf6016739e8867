use std::time::Duration;

use orchestrator_vocab::TaskId;
use serde::{Deserialize, Serialize};

/// How long a task waits after an attempt failed: exponential, capped, and spread so that tasks which failed together
/// do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Backoff {
    /// The wait after the first failure, in milliseconds. Default 1,000.
    pub initial_ms: u64,
    /// What each further failure multiplies the wait by, 1 to 10. Default 2.
    pub factor: f64,
    /// The longest wait, in milliseconds. Default 300,000 (5 minutes).
    pub cap_ms: u64,
    /// The share of the wait that is left to chance, 0 to 1: with 0.2 a wait of 10 s becomes 8 to 10 s. Default 0.2.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial_ms: 1_000, factor: 2.0, cap_ms: 300_000, jitter: 0.2 }
    }
}

impl Backoff {
    /// What is wrong with the numbers, for an operator.
    pub fn validate(&self) -> Result<(), String> {
        if !(1.0..=10.0).contains(&self.factor) {
            return Err(format!("factor: expected 1 to 10, got {}", self.factor));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(format!("jitter: expected 0 to 1, got {}", self.jitter));
        }
        if self.cap_ms < self.initial_ms {
            return Err(format!("capMs: expected at least initialMs ({}), got {}", self.initial_ms, self.cap_ms));
        }
        Ok(())
    }

    /// The wait after failure number `attempt` (from 1) of `task`. The same task and attempt always wait the same.
    pub fn delay(&self, task: TaskId, attempt: u32) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial_ms as f64 * self.factor.powi(exponent);
        let capped = grown.min(self.cap_ms as f64);
        let spread = 1.0 - self.jitter * fraction(task.uuid().as_u128(), i64::from(attempt));
        Duration::from_millis((capped * spread).round() as u64)
    }
}

/// A number in `0..1` that is always the same for the same input and looks random otherwise.
/// The mixing step is SplitMix64 (Steele, Lea and Flood, 2014), because std's hasher may change between releases.
pub(crate) fn fraction(id: u128, number: i64) -> f64 {
    let parts = [(id >> 64) as u64, id as u64, number as u64];
    let bits = parts.into_iter().fold(0x9e37_79b9_7f4a_7c15_u64, |state, part| mix(state ^ part));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXACT: Backoff = Backoff { initial_ms: 1_000, factor: 2.0, cap_ms: 300_000, jitter: 0.0 };

    #[test]
    fn the_wait_doubles_up_to_five_minutes() {
        let waits: Vec<u64> = [1, 2, 3, 9, 10, 100, u32::MAX].map(|n| EXACT.delay(TaskId::new(), n).as_secs()).to_vec();
        assert_eq!(waits, [1, 2, 4, 256, 300, 300, 300]);
    }

    #[test]
    fn tasks_that_fail_together_come_back_spread_out() {
        let backoff = Backoff { initial_ms: 10_000, ..Backoff::default() };
        let waits: std::collections::BTreeSet<_> = (0..100).map(|_| backoff.delay(TaskId::new(), 1)).collect();
        assert!(waits.len() > 80, "{waits:?}");
        assert!(waits.iter().all(|wait| (8_000..=10_000).contains(&wait.as_millis())), "{waits:?}");
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!(Backoff::default().validate(), Ok(()));
        assert!(Backoff { factor: 0.5, ..EXACT }.validate().is_err());
        assert!(Backoff { factor: f64::NAN, ..EXACT }.validate().is_err());
        assert!(Backoff { jitter: 1.1, ..EXACT }.validate().is_err());
        assert!(Backoff { cap_ms: 1, ..EXACT }.validate().is_err());
    }

    proptest! {
        #[test]
        fn the_wait_is_repeatable_and_never_longer_than_the_cap(attempt: u32, id: u128) {
            let task: TaskId = format!("task_{id:032x}").parse().unwrap();
            let wait = Backoff::default().delay(task, attempt);
            prop_assert_eq!(wait, Backoff::default().delay(task, attempt));
            prop_assert!(wait <= Duration::from_secs(300));
        }

        #[test]
        fn fractions_stay_in_their_range(id: u128, number: i64) {
            prop_assert!((0.0..1.0).contains(&fraction(id, number)));
        }
    }
}
