use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_vocab::EventId;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ledger::Ledger;
use crate::subscription::{Delivery, Gap, GapReason};
use crate::{Event, Lane, Transient};

/// Stored events that wait in memory for one subscriber; beyond that it reads the log.
const EVENTS_MAX: usize = 256;
/// Live-only pieces of one lane that wait for one subscriber; beyond that they are dropped, with a gap.
const TRANSIENTS_MAX: usize = 256;
/// Words about the connection that wait; the newest say how things are, so the oldest is dropped.
const CONTROL_MAX: usize = 16;

/// How far the hub is with one organisation: for all its subscribers at once, so that those who want nothing of an event
/// cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    announced: AtomicU64,
    offered: AtomicU64,
}

impl Heads {
    /// Everything up to this number is about to be offered to those who want it. Whoever has not read as far must not
    /// believe itself at the end of the log.
    pub(crate) fn announce(&self, seq: u64) {
        self.announced.fetch_max(seq, Ordering::AcqRel);
    }

    /// Everything up to this number has been offered: whoever has nothing waiting wanted nothing of it.
    pub(crate) fn settle(&self, seq: u64) {
        self.offered.fetch_max(seq, Ordering::AcqRel);
    }

    /// The last number that was announced.
    pub(crate) fn announced(&self) -> u64 {
        self.announced.load(Ordering::Acquire)
    }

    /// The last number that was offered.
    pub(crate) fn offered(&self) -> u64 {
        self.offered.load(Ordering::Acquire)
    }
}

/// What lies between the hub and one subscriber. The hub never waits for it.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    heads: Arc<Heads>,
    pub(crate) filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Arc<Event>>,
    control: VecDeque<Arc<Transient>>,
    normal: VecDeque<Arc<Transient>>,
    log: VecDeque<Arc<Transient>>,
    transients_dropped: u64,
    /// Pieces of other processes that the relay has lost, as far as they were counted; `None` if it has not.
    relay_lost: Option<u64>,
    /// The subscriber reads the log until it has caught up with what was announced.
    lagging: bool,
    /// The subscription was dropped.
    closed: bool,
    progress: Progress,
}

/// How far a subscriber is, for its window.
#[derive(Debug, Default)]
struct Progress {
    /// The last number handed out.
    handed: u64,
    /// The last number that need not be handed out again.
    settled: u64,
    /// More has been read from the log than was handed out.
    ahead: bool,
    /// Kept if the subscriber acknowledges.
    ledger: Option<Box<Ledger>>,
}

/// What the subscriber shall do next.
pub(crate) enum Next {
    Deliver(Delivery),
    ReadLog,
    Wait,
}

impl Queue {
    /// A queue whose subscriber has seen everything up to `after` and reads the log first.
    pub(crate) fn lagging(heads: Arc<Heads>, after: u64, ledger: Option<Ledger>) -> Self {
        let progress = Progress { handed: after, settled: after, ahead: false, ledger: ledger.map(Box::new) };
        Self { state: Mutex::new(State { lagging: true, progress, ..State::default() }), heads, filled: Notify::new() }
    }

    /// Sends the subscriber to the log for everything that was announced.
    pub(crate) fn lag(&self) {
        self.state().lagging = true;
        self.filled.notify_one();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers an event that the filter lets through, after it was announced.
    pub(crate) fn offer(&self, event: &Arc<Event>) {
        let mut state = self.state();
        if !state.lagging && !state.closed {
            if state.events.len() < EVENTS_MAX {
                state.events.push_back(event.clone());
            } else {
                state.lagging = true;
            }
        }
        drop(state);
        self.filled.notify_one();
    }

    pub(crate) fn offer_transient(&self, piece: &Arc<Transient>) {
        let mut state = self.state();
        match Lane::of(&piece.name) {
            Lane::Control => {
                if state.control.len() == CONTROL_MAX {
                    state.control.pop_front();
                }
                state.control.push_back(piece.clone());
            }
            Lane::Normal if state.normal.len() < TRANSIENTS_MAX => state.normal.push_back(piece.clone()),
            Lane::Log if state.log.len() < TRANSIENTS_MAX => state.log.push_back(piece.clone()),
            Lane::Normal | Lane::Log => state.transients_dropped += 1,
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Notes that the relay has lost pieces; 0 if nobody knows how many, or whether it has.
    #[cfg(feature = "sql")]
    pub(crate) fn relay_lost(&self, count: u64) {
        let mut state = self.state();
        *state.relay_lost.get_or_insert(0) += count;
        drop(state);
        self.filled.notify_one();
    }

    /// Control before stored events before what is live only; what was read from the log goes before other events, and is
    /// not here. `cursor` is the last number the subscriber has seen or
    /// passed.
    pub(crate) fn next(&self, cursor: u64) -> Next {
        let mut state = self.state();
        if let Some(piece) = state.control.pop_front() {
            return Next::Deliver(Delivery::Transient(piece));
        }
        if !state.progress.ahead && !state.progress.is_full() {
            while let Some(event) = state.events.pop_front() {
                if event.seq > cursor {
                    // At once: between here and there nobody may take the queue for read up to its end.
                    state.progress.hand(&event);
                    return Next::Deliver(Delivery::Event(event));
                }
            }
            if state.lagging {
                return Next::ReadLog;
            }
        }
        if let Some(count) = state.relay_lost.take() {
            return Next::Deliver(Delivery::Gap(Gap { from: None, to: None, count, reason: GapReason::Relay }));
        }
        if let Some(piece) = state.normal.pop_front().or_else(|| state.log.pop_front()) {
            return Next::Deliver(Delivery::Transient(piece));
        }
        match std::mem::take(&mut state.transients_dropped) {
            0 => Next::Wait,
            count => Next::Deliver(Delivery::Gap(Gap { from: None, to: None, count, reason: GapReason::SlowReader })),
        }
    }

    /// Ends reading the log if that has reached everything the hub has announced. `ahead`: what was read is not handed out.
    pub(crate) fn caught_up(&self, cursor: u64, ahead: bool) -> bool {
        let mut state = self.state();
        state.progress.ahead = ahead;
        if cursor >= self.heads.announced() {
            state.lagging = false;
        }
        !state.lagging
    }

    pub(crate) fn announced(&self) -> u64 {
        self.heads.announced()
    }

    /// Notes what goes out of what was read from the log. `ahead`: there is more of it.
    pub(crate) fn handed(&self, delivery: &Delivery, ahead: bool) {
        let progress = &mut self.state().progress;
        progress.ahead = ahead;
        match delivery {
            Delivery::Event(event) => progress.hand(event),
            Delivery::Gap(Gap { to: Some(to), .. }) => progress.handed = progress.handed.max(*to),
            Delivery::Gap(_) | Delivery::Transient(_) => {}
        }
    }

    /// Notes that everything up to this number was written to the subscriber.
    pub(crate) fn written(&self, seq: u64) {
        let progress = &mut self.state().progress;
        progress.settled = progress.settled.max(seq.min(progress.handed));
    }

    /// Notes that everything up to this number has arrived.
    pub(crate) fn acknowledge(&self, seq: u64) {
        self.settle(|ledger| ledger.acknowledge(seq));
    }

    /// Notes that these, and what was before them, have arrived.
    pub(crate) fn acknowledge_ids(&self, ids: &[EventId]) {
        self.settle(|ledger| ledger.acknowledge_ids(ids));
    }

    fn settle(&self, arrived: impl FnOnce(&mut Ledger)) {
        if let Some(ledger) = &mut self.state().progress.ledger {
            arrived(ledger);
        }
        self.filled.notify_one();
    }

    /// What has to be sent again now, and when to ask for that next.
    pub(crate) fn due(&self) -> (Vec<u64>, Option<Instant>) {
        match &self.state().progress.ledger {
            Some(ledger) => (ledger.due(Instant::now()), ledger.due_at()),
            None => (Vec::new(), None),
        }
    }

    pub(crate) fn awaits(&self, seq: u64) -> bool {
        self.state().progress.ledger.as_ref().is_some_and(|ledger| ledger.awaits(seq))
    }

    pub(crate) fn forget(&self, seq: u64) {
        self.settle(|ledger| ledger.forget(seq));
    }

    /// Whether nothing new may be sent before something is acknowledged.
    pub(crate) fn is_full(&self) -> bool {
        self.state().progress.is_full()
    }

    pub(crate) fn requires_acknowledgement(&self) -> bool {
        self.state().progress.ledger.is_some()
    }

    /// Where to go on after for a subscriber that comes back.
    pub(crate) fn position(&self) -> u64 {
        let state = self.state();
        state.position(self.heads.offered())
    }

    /// Nothing is delivered any more; what was handed out may still be written or acknowledged.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        if state.is_idle() {
            let position = state.position(self.heads.offered());
            (state.progress.handed, state.progress.settled) = (position, position);
        }
        // From here on an empty queue says nothing.
        state.progress.ahead = true;
        state.closed = true;
        state.events = VecDeque::new();
        state.control = VecDeque::new();
        state.normal = VecDeque::new();
        state.log = VecDeque::new();
    }
}

impl State {
    fn is_idle(&self) -> bool {
        let is_read = self.events.is_empty() && !self.lagging && !self.progress.ahead;
        is_read && self.progress.settled() >= self.progress.handed && !self.closed
    }

    /// `offered` is read while this is locked: what was offered before waits here, if it was wanted.
    fn position(&self, offered: u64) -> u64 {
        if self.is_idle() { self.progress.settled().max(offered) } else { self.progress.settled() }
    }
}

impl Progress {
    fn hand(&mut self, event: &Event) {
        self.handed = self.handed.max(event.seq);
        if let Some(ledger) = &mut self.ledger {
            ledger.sent(event.seq, event.id, Instant::now());
        }
    }

    fn settled(&self) -> u64 {
        match &self.ledger {
            // Without entries, all that was handed out is acknowledged.
            Some(ledger) => ledger.before_first().unwrap_or(self.handed),
            None => self.settled,
        }
    }

    fn is_full(&self) -> bool {
        self.ledger.as_ref().is_some_and(|ledger| ledger.is_full())
    }
}
