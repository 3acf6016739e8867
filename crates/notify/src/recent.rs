//! What was sent lately, by key. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The most keys that are remembered.
const KEYS_MAX: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Recent {
    window: Duration,
    keys: VecDeque<(String, Instant)>,
}

impl Recent {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, keys: VecDeque::new() }
    }

    pub(crate) fn has(&mut self, key: &str, now: Instant) -> bool {
        while self.keys.front().is_some_and(|(_, sent)| now.duration_since(*sent) >= self.window) {
            self.keys.pop_front();
        }
        !key.is_empty() && self.keys.iter().any(|(known, _)| known == key)
    }

    pub(crate) fn sent(&mut self, key: &str, now: Instant) {
        if key.is_empty() || self.window.is_zero() {
            return;
        }
        if self.keys.len() >= KEYS_MAX {
            self.keys.pop_front();
        }
        self.keys.push_back((key.to_owned(), now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_remembered_for_its_time_and_no_key_never() {
        let mut recent = Recent::new(Duration::from_secs(5));
        let begin = Instant::now();
        recent.sent("a", begin);
        recent.sent("", begin);
        let later = begin + Duration::from_secs(4);
        assert_eq!([recent.has("a", later), recent.has("b", later), recent.has("", later)], [true, false, false]);
        assert!(!recent.has("a", begin + Duration::from_secs(5)));
        let mut never = Recent::new(Duration::ZERO);
        never.sent("a", begin);
        assert!(!never.has("a", begin));
    }

    #[tokio::test(start_paused = true)]
    async fn it_remembers_so_many_and_no_more() {
        let mut recent = Recent::new(Duration::from_secs(5));
        let now = Instant::now();
        (0..=KEYS_MAX).for_each(|n| recent.sent(&n.to_string(), now));
        assert_eq!((recent.keys.len(), recent.has("0", now), recent.has("1", now)), (KEYS_MAX, false, true));
    }
}
