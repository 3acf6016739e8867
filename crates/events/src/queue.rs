use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::subscription::{Delivery, Gap, GapReason};
use crate::{Event, Transient};

/// Stored events that wait in memory for one subscriber; beyond that it reads the log.
const EVENTS_MAX: usize = 256;
/// Live-only pieces that wait for one subscriber; beyond that they are dropped, with a gap.
const TRANSIENTS_MAX: usize = 256;

/// What lies between the hub and one subscriber. The hub never waits for it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    pub(crate) filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Arc<Event>>,
    transients: VecDeque<Arc<Transient>>,
    transients_dropped: u64,
    /// The last number the hub has offered to this subscriber, wanted or not.
    offered: u64,
    /// The subscriber reads the log until it has caught up with what was offered.
    lagging: bool,
    /// The subscription was dropped.
    closed: bool,
}

/// What the subscriber shall do next.
pub(crate) enum Next {
    Deliver(Delivery),
    ReadLog,
    Wait,
}

impl Queue {
    /// A queue whose subscriber reads the log up to `offered` first.
    pub(crate) fn lagging_until(offered: u64) -> Self {
        Self { state: Mutex::new(State { offered, lagging: true, ..State::default() }), filled: Notify::new() }
    }

    /// Sends the subscriber to the log for everything up to `offered`.
    pub(crate) fn lag_until(&self, offered: u64) {
        let mut state = self.state();
        state.offered = state.offered.max(offered);
        state.lagging = true;
        drop(state);
        self.filled.notify_one();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers the next number; `wanted` is the event if the filter lets it through. False once the subscriber is gone.
    pub(crate) fn offer(&self, seq: u64, wanted: Option<&Arc<Event>>) -> bool {
        let mut state = self.state();
        state.offered = state.offered.max(seq);
        if let Some(event) = wanted
            && !state.lagging
        {
            if state.events.len() < EVENTS_MAX {
                state.events.push_back(event.clone());
            } else {
                state.lagging = true;
            }
        }
        let open = !state.closed;
        let wake = wanted.is_some() || state.lagging;
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        open
    }

    pub(crate) fn offer_transient(&self, piece: &Arc<Transient>) {
        let mut state = self.state();
        if state.transients.len() < TRANSIENTS_MAX {
            state.transients.push_back(piece.clone());
        } else {
            state.transients_dropped += 1;
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Stored events go before live-only ones. `cursor` is the last number the subscriber has seen or passed.
    pub(crate) fn next(&self, cursor: u64) -> Next {
        let mut state = self.state();
        while let Some(event) = state.events.pop_front() {
            if event.seq > cursor {
                return Next::Deliver(Delivery::Event(event));
            }
        }
        if state.lagging {
            return Next::ReadLog;
        }
        if let Some(piece) = state.transients.pop_front() {
            return Next::Deliver(Delivery::Transient(piece));
        }
        match std::mem::take(&mut state.transients_dropped) {
            0 => Next::Wait,
            count => Next::Deliver(Delivery::Gap(Gap { from: None, to: None, count, reason: GapReason::SlowReader })),
        }
    }

    /// Ends reading the log if that has reached everything the hub has offered.
    pub(crate) fn caught_up(&self, cursor: u64) -> bool {
        let mut state = self.state();
        if cursor >= state.offered {
            state.lagging = false;
        }
        !state.lagging
    }

    pub(crate) fn offered(&self) -> u64 {
        self.state().offered
    }

    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.events.clear();
        state.transients.clear();
    }
}
