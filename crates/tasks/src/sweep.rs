use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::Backlog;

/// Ticks every [`Config::sweep_ms`](crate::Config::sweep_ms), as that is at each tick; the first time at once.
#[derive(Debug)]
pub(crate) struct Sweep {
    every: Duration,
    ticks: Interval,
}

impl Sweep {
    pub(crate) fn of(backlog: &Backlog) -> Self {
        let every = backlog.config().sweep();
        Self { every, ticks: ticks(every) }
    }

    pub(crate) async fn tick(&mut self, backlog: &Backlog) {
        self.ticks.tick().await;
        let every = backlog.config().sweep();
        if every != self.every {
            (self.every, self.ticks) = (every, ticks(every));
            // The first tick of an interval is at once, and this is it.
            self.ticks.tick().await;
        }
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
