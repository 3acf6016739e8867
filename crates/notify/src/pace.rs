//! How many messages may be sent within a minute. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// When the last ones were sent.
#[derive(Debug)]
pub(crate) struct Pace {
    per_minute: usize,
    sent: VecDeque<Instant>,
}

impl Pace {
    pub(crate) fn new(per_minute: u32) -> Self {
        let per_minute = per_minute as usize;
        Self { per_minute, sent: VecDeque::with_capacity(per_minute) }
    }

    /// How many may be sent now.
    pub(crate) fn free(&mut self, now: Instant) -> usize {
        while self.sent.front().is_some_and(|sent| now.duration_since(*sent) >= MINUTE) {
            self.sent.pop_front();
        }
        self.per_minute.saturating_sub(self.sent.len())
    }

    /// When the next may be sent.
    pub(crate) fn next(&mut self, now: Instant) -> Instant {
        if self.free(now) > 0 { now } else { self.sent.front().map_or(now, |sent| *sent + MINUTE) }
    }

    pub(crate) fn take(&mut self, now: Instant) {
        self.sent.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_a_minute_and_no_more() {
        let mut pace = Pace::new(2);
        let begin = Instant::now();
        assert_eq!(pace.free(begin), 2);
        pace.take(begin);
        pace.take(begin + Duration::from_secs(10));
        let later = begin + Duration::from_secs(59);
        assert_eq!((pace.free(later), pace.next(later)), (0, begin + MINUTE));
        assert_eq!(pace.free(begin + MINUTE), 1);
        assert_eq!(pace.free(begin + Duration::from_secs(70)), 2);
    }
}
