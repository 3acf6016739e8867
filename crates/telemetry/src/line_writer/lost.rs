use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Counter;

/// How many lines a sink has lost, or spans a collector.
#[derive(Clone, Default)]
pub(crate) struct Lost(Arc<Mutex<Numbers>>);

#[derive(Default)]
struct Numbers {
    untold: u64,
    uncounted: u64,
    counter: Option<Counter>,
}

impl Lost {
    pub(crate) fn add(&self, lines: u64) {
        let mut numbers = self.numbers();
        numbers.untold += lines;
        match &numbers.counter {
            Some(counter) => counter.add(lines),
            None => numbers.uncounted += lines,
        }
    }

    /// Those of which the sink has not told yet.
    pub(super) fn untold(&self) -> u64 {
        self.numbers().untold
    }

    pub(super) fn told(&self, lines: u64) {
        self.numbers().untold -= lines;
    }

    /// Counts them there from now on, and those that were lost before.
    pub(crate) fn count_in(&self, counter: Counter) {
        let mut numbers = self.numbers();
        counter.add(std::mem::take(&mut numbers.uncounted));
        numbers.counter = Some(counter);
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
