//! What is done after a failure. Pure.

use std::time::Duration;

use crate::{ErrorKind, Limits, ProviderError};

/// The first wait where the provider asks for none.
const WAIT_FIRST: Duration = Duration::from_millis(500);
/// The longest such wait.
const WAIT_MAX: Duration = Duration::from_secs(8);
/// The share of such a wait that is left to chance.
const JITTER: f64 = 0.25;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The same model again, after so long.
    Again(Duration),
    /// The next model.
    Other,
    /// Nothing; the error is the answer.
    Nothing,
}

/// `here` attempts were made with this model, `all` with any; `chance` is from 0 to 1.
pub(crate) fn after(error: &ProviderError, here: u32, all: u32, limits: &Limits, chance: f64) -> Next {
    let other = if error.kind.may_fail_over() { Next::Other } else { Next::Nothing };
    if all >= limits.attempts_max {
        return Next::Nothing;
    }
    if !error.is_retryable() || here > limits.retries_max {
        return other;
    }
    let wait = error.retry_after().unwrap_or_else(|| backoff(here, chance));
    match wait <= Duration::from_millis(limits.wait_max_ms) {
        true => Next::Again(wait),
        false => other,
    }
}

/// Both vendors' clients: `min(0.5 s × 2^n, 8 s) × (1 − 0.25 × chance)`.
fn backoff(here: u32, chance: f64) -> Duration {
    let doubled = WAIT_FIRST.saturating_mul(2_u32.saturating_pow(here.saturating_sub(1)));
    doubled.min(WAIT_MAX).mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0))
}

/// From 0 to 1. Without a source of randomness, always the same: then waits are only longer.
pub(crate) fn chance() -> f64 {
    getrandom::u32().map(|number| f64::from(number) / f64::from(u32::MAX)).unwrap_or_default()
}

impl ErrorKind {
    /// Whether another model may do better with the same request.
    pub(crate) const fn may_fail_over(self) -> bool {
        !matches!(self, Self::InvalidRequest | Self::NotRecorded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind) -> ProviderError {
        ProviderError::new(kind, "")
    }

    fn asking(millis: u64) -> ProviderError {
        let mut error = error(ErrorKind::RateLimited);
        error.hints.retry_after = Some(Duration::from_millis(millis));
        error
    }

    #[track_caller]
    fn check(error: &ProviderError, here: u32, all: u32, expected: Next) {
        assert_eq!(after(error, here, all, &Limits::default(), 0.0), expected);
    }

    #[test]
    fn the_vendors_rule_is_followed() {
        check(&error(ErrorKind::Server), 1, 1, Next::Again(Duration::from_millis(500)));
        check(&error(ErrorKind::Overloaded), 2, 2, Next::Again(Duration::from_secs(1)));
        check(&error(ErrorKind::Server), 3, 3, Next::Other);
        check(&error(ErrorKind::Billing), 1, 1, Next::Other);
        check(&error(ErrorKind::Busy), 1, 1, Next::Other);
        check(&error(ErrorKind::InvalidRequest), 1, 1, Next::Nothing);
        check(&error(ErrorKind::Server), 1, 6, Next::Nothing);
    }

    #[test]
    fn the_provider_says_how_long_unless_it_is_too_long() {
        check(&asking(7_000), 1, 1, Next::Again(Duration::from_secs(7)));
        check(&asking(0), 1, 1, Next::Again(Duration::ZERO));
        check(&asking(60_001), 1, 1, Next::Other);
    }

    #[test]
    fn waits_grow_and_are_scattered_within_bounds() {
        assert_eq!(backoff(9, 0.0), Duration::from_secs(8));
        assert_eq!(backoff(9, 1.0), Duration::from_secs(6));
        assert!((0..100).map(|_| chance()).all(|chance| (0.0..=1.0).contains(&chance)));
    }
}
