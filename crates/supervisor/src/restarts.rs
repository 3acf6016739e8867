use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::Config;

/// Decides after each failure of one loop: how long to wait, or to give up.
#[derive(Debug)]
pub(crate) struct Restarts {
    config: Config,
    failures_in_a_row: u32,
    recent: VecDeque<Instant>,
}

impl Restarts {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, failures_in_a_row: 0, recent: VecDeque::new() }
    }

    /// The delay before the next start of a loop that failed at `now` after running for `ran`, or `None` to give up.
    pub(crate) fn next(&mut self, ran: Duration, now: Instant) -> Option<Duration> {
        if ran >= self.config.healthy_after {
            self.failures_in_a_row = 0;
        }
        while self.recent.front().is_some_and(|at| now.duration_since(*at) >= self.config.window) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.config.restarts_max {
            return None;
        }
        self.recent.push_back(now);
        let doubled = self.config.backoff_min.saturating_mul(2_u32.saturating_pow(self.failures_in_a_row));
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        Some(with_jitter(doubled.min(self.config.backoff_max)))
    }
}

/// Between half of `delay` and all of it, so that loops that failed together do not come back together.
fn with_jitter(delay: Duration) -> Duration {
    // Every `RandomState` has other keys; hashing nothing with them is as random as a delay needs to be.
    let random = RandomState::new().hash_one(()) >> 32;
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit into an f64 exactly")]
    let share = random as f64 / f64::from(u32::MAX);
    delay.div_f64(2.0) + delay.div_f64(2.0).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn config() -> Config {
        Config {
            backoff_min: ms(100),
            backoff_max: ms(1_000),
            healthy_after: ms(60_000),
            restarts_max: 100,
            window: ms(300_000),
        }
    }

    #[test]
    fn delays_double_up_to_the_maximum_and_keep_at_least_half() {
        let mut restarts = Restarts::new(config());
        let now = Instant::now();
        for full in [100, 200, 400, 800, 1_000, 1_000].map(ms) {
            let delay = restarts.next(Duration::ZERO, now).unwrap();
            assert!(delay >= full / 2 && delay <= full, "{delay:?} of {full:?}");
        }
    }

    #[test]
    fn a_healthy_run_starts_the_delays_again() {
        let mut restarts = Restarts::new(config());
        for _ in 0..5 {
            restarts.next(Duration::ZERO, Instant::now());
        }
        assert!(restarts.next(ms(60_000), Instant::now()).unwrap() <= ms(100));
    }

    #[test]
    fn too_many_restarts_within_the_window_give_up_and_a_later_one_does_not() {
        let mut restarts = Restarts::new(Config { restarts_max: 2, ..config() });
        let now = Instant::now();
        assert!(restarts.next(Duration::ZERO, now).is_some());
        assert!(restarts.next(Duration::ZERO, now + ms(1_000)).is_some());
        assert_eq!(restarts.next(Duration::ZERO, now + ms(299_999)), None);
        assert!(restarts.next(Duration::ZERO, now + ms(300_000)).is_some());
    }

    #[test]
    fn delays_differ() {
        let delays: std::collections::HashSet<_> = (0..50).map(|_| with_jitter(ms(10_000))).collect();
        assert!(delays.len() > 25);
    }
}
