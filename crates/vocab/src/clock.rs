use std::fmt;
use std::time::SystemTime;

use crate::Timestamp;

/// Where wall time comes from. Whatever compares or stores times takes one, so that tests decide what time it is.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now. It may jump backwards; only differences from one reading are safe to build upon.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock that reads the machine's")]
    fn now(&self) -> Timestamp {
        let millis = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
        };
        Timestamp(millis)
    }
}

/// A clock for tests: starts where it is told and follows tokio's time, paused or not.
#[cfg(any(test, feature = "test-util"))]
#[derive(Debug)]
pub struct PausedClock {
    start: Timestamp,
    since: tokio::time::Instant,
    moved: std::sync::atomic::AtomicI64,
}

#[cfg(any(test, feature = "test-util"))]
impl PausedClock {
    /// A clock that shows `start` now. Must be made inside a tokio runtime if its time is paused.
    pub fn at(start: Timestamp) -> Self {
        Self { start, since: tokio::time::Instant::now(), moved: Default::default() }
    }

    /// Moves this clock alone; timers do not notice. For tests over real databases, where tokio's time cannot be paused.
    pub fn advance(&self, span: std::time::Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        self.moved.fetch_add(millis, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        let moved = self.moved.load(std::sync::atomic::Ordering::SeqCst);
        Timestamp((self.start + self.since.elapsed()).0.saturating_add(moved))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_follows_tokio() {
        let clock = PausedClock::at(Timestamp(1_000));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(clock.now(), Timestamp(61_000));
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp(62_000));
    }

    #[test]
    fn the_system_clock_is_past_2025() {
        assert!(SystemClock.now() > "2025-01-01T00:00:00Z".parse().unwrap());
    }
}
