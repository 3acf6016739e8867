use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use orchestrator_vocab::Timestamp;

/// How often all memories are looked at for vectors, and not only those that came: another daemon may have stored some and ended.
const WHOLE_EVERY: Duration = Duration::from_secs(300);

/// How far it was seen to that memories have vectors: looking at all of them each second would cost more the more there are.
#[derive(Debug, Default)]
pub(super) struct Looked(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Up to this number all have vectors.
    after: i64,
    /// When all were looked at; `None` while they are.
    whole_at: Option<Timestamp>,
    /// How often somebody wanted it to be looked again.
    again: u64,
}

/// One look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Memories beyond this number are looked at.
    pub(super) after: i64,
    /// It began with the first of all.
    pub(super) is_whole: bool,
    again: u64,
}

impl Looked {
    pub(super) fn begin(&self, now: Timestamp) -> Look {
        let mut state = self.state();
        if state.whole_at.is_some_and(|at| now.since(at) >= WHOLE_EVERY) {
            (state.after, state.whole_at) = (0, None);
        }
        Look { after: state.after, is_whole: state.whole_at.is_none(), again: state.again }
    }

    /// Beyond what number there may be some without.
    pub(super) fn after(&self) -> i64 {
        self.state().after
    }

    /// All up to this number have vectors.
    pub(super) fn up_to(&self, look: Look, number: i64) {
        let mut state = self.state();
        if state.again == look.again {
            state.after = state.after.max(number);
        }
    }

    /// There are none without beyond what is seen to.
    pub(super) fn to_the_end(&self, look: Look, now: Timestamp) {
        let mut state = self.state();
        if state.again == look.again && look.is_whole {
            state.whole_at = Some(now);
        }
    }

    /// This one has lost its vector.
    pub(super) fn again_from(&self, number: i64) {
        let mut state = self.state();
        state.after = state.after.min(number - 1);
        state.again += 1;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_769_862_896_000);

    #[test]
    fn only_what_came_is_looked_at_and_now_and_then_everything() {
        let looked = Looked::default();
        let first = looked.begin(NOON);
        assert!((first.after, first.is_whole) == (0, true));
        looked.up_to(first, 64);
        looked.to_the_end(looked.begin(NOON), NOON);
        let next = looked.begin(NOON + Duration::from_secs(1));
        assert!((next.after, next.is_whole) == (64, false));
        let later = looked.begin(NOON + WHOLE_EVERY);
        assert!((later.after, later.is_whole) == (0, true));
    }

    #[test]
    fn what_lost_its_vector_meanwhile_is_not_passed_over() {
        let looked = Looked::default();
        looked.up_to(looked.begin(NOON), 64);
        let under_way = looked.begin(NOON);
        looked.again_from(7);
        looked.up_to(under_way, 128);
        assert_eq!(looked.begin(NOON).after, 6);
    }
}
