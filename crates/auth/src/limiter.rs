use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::window::{Rule, Window};

/// How many windows the keys share that found no room of their own.
const SHARED_WINDOWS: usize = 1_024;

/// How much one key may do, and how many keys are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The most that is admitted in any interval of `window`.
    pub max: u32,
    /// The length of the interval; rounded down to milliseconds, at least one.
    pub window: Duration,
    /// How many keys have a window of their own. Each costs 100 to 500 bytes.
    pub keys_max: usize,
}

impl Limit {
    /// For what is not authenticated, per source address: 100 a minute, 65,536 sources told apart.
    pub const PER_ADDRESS: Self = Self { max: 100, window: Duration::from_secs(60), keys_max: 65_536 };
    /// For authenticated calls, per credential: 6,000 a minute, 16,384 credentials told apart.
    pub const PER_CREDENTIAL: Self = Self { max: 6_000, window: Duration::from_secs(60), keys_max: 16_384 };
}

/// What a [`Limiter`] answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may happen. If not, nothing was counted.
    pub allowed: bool,
    /// How much more would be admitted now.
    pub remaining: u32,
    /// When asking again for as much can succeed; zero if it is allowed.
    pub retry_after: Duration,
    /// When the oldest of what counts is forgotten, so that more is admitted than now.
    pub reset_after: Duration,
    /// The most in an interval, and its length; nothing while nothing is limited.
    pub limit: Option<(u32, Duration)>,
}

/// A sliding-window rate limit per key (an address, a credential) in bounded memory.
///
/// In no interval of the window's length is more than `max` admitted, so there is no double burst at an edge. What is
/// refused does not count, so a client that keeps asking is not locked out for longer.
///
/// **Flooding does not reset anybody.** A key's window is forgotten only when nothing in it counts any more. When
/// `keys_max` keys are live, further keys share a fixed set of windows (chosen by a keyed hash), and a key that moves
/// from there into a window of its own takes the shared count along. So under a flood from very many addresses *new*
/// addresses may be refused because of others; known ones, and all authenticated callers, keep their own window.
///
/// Time is monotonic (tokio's, so that tests may pause it): a jump of the wall clock neither opens nor closes it.
#[derive(Debug)]
pub struct Limiter<K> {
    start: Instant,
    hasher: RandomState,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    /// `None`: everything is admitted and nothing counted.
    limit: Option<(Rule, usize)>,
    own: HashMap<K, Window>,
    shared: Vec<Window>,
    /// When idle keys are looked for again; sweeping costs a pass over all keys, so at most once per slot.
    sweep_at_ms: u64,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// A limiter that has counted nothing yet.
    pub fn new(limit: Limit) -> Self {
        Self::configured(Some(limit))
    }

    /// A limiter that may be off (`None`: everything is admitted) until it is [reconfigured](Self::reconfigure).
    pub fn configured(limit: Option<Limit>) -> Self {
        let shared = vec![Window::default(); SHARED_WINDOWS];
        let state = State { limit: limit.map(rule), own: HashMap::new(), shared, sweep_at_ms: 0 };
        Self { start: Instant::now(), hasher: RandomState::new(), state: Mutex::new(state) }
    }

    /// Puts another limit in force, from the next check on; `None` lifts it. What was admitted within the new window, as far
    /// as it is remembered, goes on counting, so that a change gives nobody a fresh start.
    pub fn reconfigure(&self, limit: Option<Limit>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.limit = limit.map(rule);
        state.sweep_at_ms = 0;
    }

    /// What one key may do in a window now, if it is limited.
    pub fn max(&self) -> Option<u32> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.limit.map(|(rule, _)| rule.max)
    }

    /// Counts `count` at once for `key`, all of it or nothing. A count above `max` is never allowed.
    pub fn check(&self, key: &K, count: u32) -> Decision {
        let Taken { outcome, remaining, reset_ms, rule } = self.take(key, count);
        Decision {
            allowed: outcome.is_ok(),
            remaining,
            retry_after: Duration::from_millis(outcome.err().unwrap_or(0)),
            reset_after: Duration::from_millis(reset_ms),
            limit: rule.map(|rule| (rule.max, Duration::from_millis(rule.window_ms))),
        }
    }

    /// How many keys have a window of their own now: never more than `keys_max`.
    pub fn keys(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).own.len()
    }

    fn take(&self, key: &K, count: u32) -> Taken {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((rule, keys_max)) = state.limit else { return Taken::UNLIMITED };
        // Read under the lock, so that no window sees time go backwards.
        let now_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX / 4);
        if let Some(window) = state.own.get_mut(key) {
            return Taken::of(window, now_ms, count, rule);
        }
        if state.own.len() >= keys_max {
            state.sweep(now_ms, rule);
        }
        let shared = usize::try_from(self.hasher.hash_one(key) % SHARED_WINDOWS as u64).unwrap_or(0);
        if state.own.len() >= keys_max {
            return Taken::of(&mut state.shared[shared], now_ms, count, rule);
        }
        let mut window = state.shared[shared].clone();
        let taken = Taken::of(&mut window, now_ms, count, rule);
        state.own.insert(key.clone(), window);
        taken
    }
}

fn rule(limit: Limit) -> (Rule, usize) {
    let window_ms = u64::try_from(limit.window.as_millis()).unwrap_or(u64::MAX / 4).clamp(1, u64::MAX / 4);
    (Rule { max: limit.max, window_ms }, limit.keys_max)
}

/// What a window said.
struct Taken {
    /// Or in how many milliseconds all of it would fit.
    outcome: Result<(), u64>,
    remaining: u32,
    reset_ms: u64,
    rule: Option<Rule>,
}

impl Taken {
    const UNLIMITED: Self = Self { outcome: Ok(()), remaining: u32::MAX, reset_ms: 0, rule: None };

    fn of(window: &mut Window, now_ms: u64, count: u32, rule: Rule) -> Self {
        let outcome = window.take(now_ms, count, rule).map(drop);
        Self { outcome, remaining: window.remaining(rule), reset_ms: window.reset_ms(now_ms, rule), rule: Some(rule) }
    }
}

impl<K: Hash + Eq> State<K> {
    fn sweep(&mut self, now_ms: u64, rule: Rule) {
        if now_ms < self.sweep_at_ms {
            return;
        }
        self.sweep_at_ms = now_ms + rule.slot_ms();
        self.own.retain(|_, window| window.is_live(now_ms, rule));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use super::*;
    use crate::Source;

    fn limiter<K: Hash + Eq + Clone>(max: u32, keys_max: usize) -> Limiter<K> {
        Limiter::new(Limit { max, window: Duration::from_secs(60), keys_max })
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_again_one_window_later() {
        let limiter = limiter(2, 10);
        let admitted = limiter.check(&"a", 2);
        assert_eq!((admitted.allowed, admitted.remaining, admitted.retry_after), (true, 0, Duration::ZERO));
        assert_eq!(admitted.reset_after, Duration::from_secs(60));
        let refused = limiter.check(&"a", 1);
        assert_eq!((refused.allowed, refused.retry_after), (false, Duration::from_secs(60)));
        tokio::time::advance(Duration::from_millis(59_999)).await;
        assert!(!limiter.check(&"a", 1).allowed);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(limiter.check(&"a", 2).allowed);
    }

    #[tokio::test(start_paused = true)]
    async fn another_limit_counts_what_was_admitted_before() {
        let limiter = limiter(2, 10);
        assert!(limiter.check(&"a", 2).allowed);
        let minute = |max| Some(Limit { max, window: Duration::from_secs(60), keys_max: 10 });
        limiter.reconfigure(minute(3));
        assert!(limiter.check(&"a", 1).allowed && !limiter.check(&"a", 1).allowed);
        limiter.reconfigure(minute(1));
        assert!(!limiter.check(&"a", 1).allowed);
        limiter.reconfigure(None);
        assert!(limiter.check(&"a", 1_000).allowed);
        limiter.reconfigure(minute(1));
        assert!(!limiter.check(&"a", 1).allowed, "what came before it was lifted");
    }

    #[tokio::test(start_paused = true)]
    async fn exhausting_one_key_does_not_touch_another() {
        let limiter = limiter(1, 10);
        assert!(limiter.check(&"a", 1).allowed);
        assert!(!limiter.check(&"a", 1).allowed);
        assert!(limiter.check(&"b", 1).allowed);
    }

    #[test]
    fn parallel_callers_get_exactly_the_maximum() {
        let limiter = limiter(100, 10);
        let admitted = || (0..50).filter(|_| limiter.check(&"a", 1).allowed).count();
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(admitted)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_network_share_a_window() {
        let limiter = limiter(2, 10);
        let key = |text: &str| Source::of(text.parse::<IpAddr>().unwrap());
        assert!(limiter.check(&key("2001:db8:1:2::1"), 1).allowed);
        assert!(limiter.check(&key("2001:db8:1:2:ffff::1"), 1).allowed);
        assert!(!limiter.check(&key("2001:db8:1:2::3"), 1).allowed);
        assert!(limiter.check(&key("2001:db8:1:3::1"), 1).allowed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_million_addresses_take_bounded_memory() {
        let limiter = limiter(100, 1_000);
        for index in 0..1_000_000_u128 {
            limiter.check(&Source::of(Ipv6Addr::from(index << 64).into()), 1);
        }
        assert_eq!(limiter.keys(), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_other_keys_resets_nobody() {
        let limiter = limiter(3, 100);
        for attacker in [0, 5_000_000] {
            // The first attacker has a window of its own; the second comes when none is left, and shares.
            while limiter.check(&attacker, 1).allowed {}
            for flood in 0..10_000 {
                limiter.check(&(attacker + 1 + flood), 1);
            }
            tokio::time::advance(Duration::from_secs(7)).await;
            assert!(!limiter.check(&attacker, 1).allowed, "{attacker}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_gets_room_takes_its_shared_count_along() {
        let limiter = limiter(2, 1);
        limiter.check(&"first", 1);
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(limiter.check(&"second", 2).allowed);
        tokio::time::advance(Duration::from_secs(30)).await;
        // `first` is idle now, so `second` gets its place, but not a fresh window.
        assert!(!limiter.check(&"second", 1).allowed);
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(limiter.check(&"second", 2).allowed);
    }
}
