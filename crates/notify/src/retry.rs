//! How long is waited after a failure. Pure but for [`chance`].

use std::time::Duration;

use crate::{Bounds, Failure};

/// The share of a wait that is left to chance.
const JITTER: f64 = 0.25;

/// How long to wait before the next attempt after `made`; `None`: it is given up.
pub(crate) fn after(failure: &Failure, made: u32, bounds: &Bounds, chance: f64) -> Option<Duration> {
    if !failure.kind.is_retryable() || made >= bounds.attempts_max {
        return None;
    }
    let first = Duration::from_millis(bounds.backoff_first_ms);
    let doubled = first.saturating_mul(2_u32.saturating_pow(made.saturating_sub(1)));
    let backoff = doubled.min(Duration::from_millis(bounds.backoff_max_ms)).mul_f64(1.0 - JITTER * chance);
    let asked = failure.retry_after.unwrap_or_default().min(Duration::from_millis(bounds.retry_after_max_ms));
    Some(backoff.max(asked))
}

/// From 0 to 1. Without a source of randomness, always the same: then waits are only longer.
pub(crate) fn chance() -> f64 {
    getrandom::u32().map(|number| f64::from(number) / f64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;

    #[track_caller]
    fn check(kind: FailureKind, retry_after_ms: Option<u64>, made: u32, chance: f64, expected: Option<u64>) {
        let retry_after = retry_after_ms.map(Duration::from_millis);
        let failure = Failure { retry_after, ..Failure::new(kind, "x") };
        let wait = after(&failure, made, &Bounds::default(), chance);
        assert_eq!(wait.map(|wait| wait.as_millis()), expected.map(u128::from));
    }

    #[test]
    fn waits_double_and_are_shortened_by_chance() {
        check(FailureKind::Unreachable, None, 1, 0.0, Some(1_000));
        check(FailureKind::TimedOut, None, 3, 0.0, Some(4_000));
        check(FailureKind::Busy, None, 3, 1.0, Some(3_000));
        check(FailureKind::Busy, None, 7, 0.0, Some(64_000));
        check(FailureKind::Busy, None, 8, 0.0, None);
    }

    #[test]
    fn who_asks_to_be_left_alone_is_and_not_for_ever() {
        check(FailureKind::Busy, Some(30_000), 1, 0.5, Some(30_000));
        check(FailureKind::Busy, Some(10), 1, 0.0, Some(1_000));
        check(FailureKind::Busy, Some(10_000_000), 1, 0.0, Some(900_000));
    }

    #[test]
    fn what_will_never_be_taken_is_not_sent_again() {
        check(FailureKind::Refused, None, 1, 0.0, None);
        check(FailureKind::Forbidden, Some(5), 1, 0.0, None);
    }
}
