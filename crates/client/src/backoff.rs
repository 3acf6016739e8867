use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use crate::Reconnect;

/// The delays between attempts: each up to twice the last, none alike.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: Reconnect,
    attempts: u32,
}

impl Backoff {
    pub(crate) fn new(policy: Reconnect) -> Self {
        Self { policy, attempts: 0 }
    }

    /// After something worked.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// How long to wait before the next attempt, at least `asked`; `None` if there are no more.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        if self.policy.attempts_max.is_some_and(|most| self.attempts >= most) {
            return None;
        }
        let doubled = self.policy.delay_first.saturating_mul(1 << self.attempts.min(20));
        self.attempts += 1;
        // Between half and all of it, so that many clients of one daemon do not come back at once.
        let delay = doubled.min(self.policy.delay_max).mul_f64(0.5 + fraction() / 2.0);
        Some(asked.map_or(delay, |asked| asked.saturating_add(delay)))
    }
}

/// From 0 to 1. Each `RandomState` has keys of its own, which is random enough to spread clients.
fn fraction() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_bound_and_begin_anew_after_a_success() {
        let policy = Reconnect {
            delay_first: Duration::from_millis(100),
            delay_max: Duration::from_millis(300),
            attempts_max: None,
        };
        let mut backoff = Backoff::new(policy);
        for most in [100, 200, 300, 300] {
            let delay = backoff.next(None).unwrap().as_millis();
            assert!((most / 2..=most).contains(&delay), "{delay} of {most}");
        }
        backoff.reset();
        assert!(backoff.next(None).unwrap() <= Duration::from_millis(100));
        assert!(backoff.next(Some(Duration::from_secs(5))).unwrap() >= Duration::from_secs(5));
    }

    #[test]
    fn attempts_may_be_bounded() {
        let mut backoff = Backoff::new(Reconnect { attempts_max: Some(2), ..Reconnect::default() });
        assert!(backoff.next(None).is_some() && backoff.next(None).is_some());
        assert_eq!(backoff.next(None), None);
    }
}
