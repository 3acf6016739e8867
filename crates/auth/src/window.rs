use std::collections::VecDeque;

/// Into how many slots a window is divided. More slots forget sooner and cost more memory: 24 bytes each, per key.
const SLOTS: u64 = 10;

/// What one key may do: `max` in any interval of `window_ms`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) max: u32,
    pub(crate) window_ms: u64,
}

impl Rule {
    /// How long one slot collects before the next one is opened.
    pub(crate) fn slot_ms(self) -> u64 {
        self.window_ms.div_ceil(SLOTS).max(1)
    }
}

/// What was admitted for one key, in slots. Time is handed in and must not go backwards.
///
/// A slot counts as long as its *last* admission is inside the window. So everything admitted within the last
/// `window_ms` is always counted, and no interval of that length ever holds more than `max`; the price is that what
/// was admitted early in a slot is remembered for up to a slot longer. A burst at one instant is free again exactly
/// one window later.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window(VecDeque<Slot>);

#[derive(Debug, Clone, Copy)]
struct Slot {
    first_ms: u64,
    last_ms: u64,
    count: u32,
}

impl Window {
    /// Admits all of `count` and says what remains, or nothing and says in how many milliseconds all of it would fit.
    pub(crate) fn take(&mut self, now_ms: u64, count: u32, rule: Rule) -> Result<u32, u64> {
        self.forget(now_ms, rule);
        let used: u64 = self.0.iter().map(|slot| u64::from(slot.count)).sum();
        let wanted = used + u64::from(count);
        if wanted > u64::from(rule.max) {
            return Err(self.wait_ms(now_ms, wanted - u64::from(rule.max), rule));
        }
        self.add(now_ms, count, rule);
        Ok(rule.max - u32::try_from(wanted).unwrap_or(rule.max))
    }

    /// How much more would be admitted at the last time that was handed in.
    pub(crate) fn remaining(&self, rule: Rule) -> u32 {
        let used: u64 = self.0.iter().map(|slot| u64::from(slot.count)).sum();
        rule.max.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    }

    /// In how many milliseconds the oldest slot is forgotten; nothing counts and nothing waits if there is none.
    pub(crate) fn reset_ms(&self, now_ms: u64, rule: Rule) -> u64 {
        self.0.front().map_or(0, |slot| (slot.last_ms + rule.window_ms).saturating_sub(now_ms))
    }

    /// Whether forgetting this window would forget an admission that still counts.
    pub(crate) fn is_live(&self, now_ms: u64, rule: Rule) -> bool {
        self.0.back().is_some_and(|slot| slot.last_ms + rule.window_ms > now_ms)
    }

    fn forget(&mut self, now_ms: u64, rule: Rule) {
        while self.0.front().is_some_and(|slot| slot.last_ms + rule.window_ms <= now_ms) {
            self.0.pop_front();
        }
    }

    fn add(&mut self, now_ms: u64, count: u32, rule: Rule) {
        match self.0.back_mut() {
            Some(slot) if now_ms - slot.first_ms < rule.slot_ms() => {
                slot.last_ms = now_ms;
                slot.count += count;
            }
            _ if count > 0 => self.0.push_back(Slot { first_ms: now_ms, last_ms: now_ms, count }),
            _ => {}
        }
    }

    /// When enough of the oldest slots will have left to make room for `excess`. What never fits waits a whole window.
    fn wait_ms(&self, now_ms: u64, excess: u64, rule: Rule) -> u64 {
        let mut freed = 0;
        for slot in &self.0 {
            freed += u64::from(slot.count);
            if freed >= excess {
                return slot.last_ms + rule.window_ms - now_ms;
            }
        }
        rule.window_ms
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: Rule = Rule { max: 10, window_ms: 1_000 };

    #[test]
    fn there_is_no_double_burst_at_a_windows_edge() {
        let mut window = Window::default();
        assert_eq!(window.take(999, 10, RULE), Ok(0));
        assert_eq!(window.take(1_000, 1, RULE), Err(999));
        assert_eq!(window.take(1_998, 1, RULE), Err(1));
        assert_eq!(window.take(1_999, 10, RULE), Ok(0));
    }

    #[test]
    fn a_batch_that_does_not_fit_takes_nothing() {
        let mut window = Window::default();
        assert_eq!(window.take(0, 8, RULE), Ok(2));
        assert!(window.take(0, 3, RULE).is_err());
        assert_eq!(window.take(0, 2, RULE), Ok(0));
    }

    #[test]
    fn what_can_never_fit_is_refused_for_a_whole_window() {
        assert_eq!(Window::default().take(0, 11, RULE), Err(1_000));
        assert_eq!(Window::default().take(0, u32::MAX, RULE), Err(1_000));
    }

    proptest! {
        #[test]
        fn no_interval_of_a_windows_length_holds_more_than_the_maximum(
            steps in prop::collection::vec((0_u64..400, 0_u32..8), 1..200), max in 1_u32..40, window_ms in 1_u64..2_000,
        ) {
            let rule = Rule { max, window_ms };
            let (mut window, mut now, mut admitted) = (Window::default(), 0, Vec::new());
            for (pause, count) in steps {
                now += pause;
                if window.take(now, count, rule).is_ok() {
                    admitted.push((now, count));
                }
                let inside = admitted.iter().filter(|(at, _)| at + window_ms > now).map(|(_, count)| count);
                prop_assert!(inside.sum::<u32>() <= max);
                prop_assert!(window.0.len() as u64 <= SLOTS + 2);
            }
        }

        #[test]
        fn whoever_waits_as_told_is_admitted(
            steps in prop::collection::vec((0_u64..300, 1_u32..8), 1..100), max in 8_u32..40,
        ) {
            let rule = Rule { max, window_ms: 1_000 };
            let (mut window, mut now) = (Window::default(), 0);
            for (pause, count) in steps {
                now += pause;
                if let Err(wait_ms) = window.take(now, count, rule) {
                    prop_assert!(wait_ms > 0 && wait_ms <= rule.window_ms);
                    now += wait_ms;
                    prop_assert!(window.take(now, count, rule).is_ok());
                }
            }
        }

        #[test]
        fn only_what_happened_within_a_window_and_a_slot_counts_against_anyone(
            steps in prop::collection::vec((0_u64..300, 1_u32..8), 1..100),
        ) {
            let rule = Rule { max: 20, window_ms: 1_000 };
            let (mut window, mut now, mut admitted) = (Window::default(), 0, Vec::<(u64, u32)>::new());
            for (pause, count) in steps {
                now += pause;
                let reach = rule.window_ms + rule.slot_ms();
                let recent: u32 = admitted.iter().filter(|(at, _)| at + reach > now).map(|(_, count)| count).sum();
                let taken = window.take(now, count, rule).is_ok();
                prop_assert!(taken || recent + count > rule.max);
                if taken {
                    admitted.push((now, count));
                }
            }
        }
    }
}
