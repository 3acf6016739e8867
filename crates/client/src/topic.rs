use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use orchestrator_rpc::jsonrpc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::{Delivery, Error, Event, Gap, Resumption, Topics};

/// The name under which the daemon says that something is missing.
const GAP: &str = "stream.gap";

/// One subscription as the driver sees it, over all connections.
#[derive(Debug)]
pub(crate) struct Topic {
    /// `after_seq` is the last number that was handed over.
    pub(crate) topics: Topics,
    pub(crate) feed: mpsc::Sender<Result<Delivery, Error>>,
    pub(crate) behind: Arc<AtomicBool>,
    /// How far the subscriber has acknowledged, if it has to.
    pub(crate) ack: Arc<Ack>,
    /// Waits for the first answer.
    pub(crate) opened: Option<oneshot::Sender<Result<Opened, Error>>>,
    /// The window has it, and nobody here has asked for it yet.
    pub(crate) unclaimed: Option<mpsc::Receiver<Result<Delivery, Error>>>,
    /// What is told once the daemon sends again.
    pub(crate) resumption: Resumption,
    pub(crate) state: State,
}

/// Where a subscriber is, told by itself.
#[derive(Debug, Default)]
pub(crate) struct Ack {
    pub(crate) seq: AtomicU64,
    /// The driver knows that there is something new.
    pub(crate) is_told: AtomicBool,
}

/// A subscription that is there.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) after_seq: u64,
    pub(crate) resumed: Option<Resumption>,
    /// What takes the place of what the subscriber brought.
    pub(crate) claimed: Option<Claimed>,
}

/// What was kept for a subscriber until it asked.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) feed: mpsc::Receiver<Result<Delivery, Error>>,
    pub(crate) behind: Arc<AtomicBool>,
    pub(crate) ack: Arc<Ack>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Not asked for on this connection.
    Idle,
    /// Asked for.
    Asked,
    /// The daemon sends under this id.
    Live(String),
    /// The subscriber reads too slowly; goes on when it has read what it has. The daemon may send under this id all the
    /// same.
    Behind(Option<String>),
    /// The daemon does not want it now; asked for again then.
    PutOff(Instant),
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Taken,
    /// The queue is full.
    Full,
    /// Nobody listens any more.
    Gone,
}

impl Topic {
    pub(crate) fn new(topics: Topics, feed: mpsc::Sender<Result<Delivery, Error>>, behind: Arc<AtomicBool>) -> Self {
        Self {
            topics,
            feed,
            behind,
            ack: Arc::default(),
            opened: None,
            unclaimed: None,
            resumption: Resumption::Number,
            state: State::Idle,
        }
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.topics.durable.is_some()
    }

    /// Where a new subscription begins that takes the place of this one. What has to be acknowledged comes again, and is not
    /// handed over again.
    pub(crate) fn goes_on_after(&self) -> Option<u64> {
        match self.is_durable() && self.opened.is_none() {
            true => Some(self.ack.seq.load(Ordering::SeqCst)),
            false => self.topics.after_seq,
        }
    }

    /// Tells the subscriber that it is there.
    pub(crate) fn opens(
        &self,
        opened: oneshot::Sender<Result<Opened, Error>>,
        after_seq: u64,
        resumed: Option<Resumption>,
    ) -> Offered {
        self.ack.seq.fetch_max(after_seq, Ordering::SeqCst);
        let sent = opened.send(Ok(Opened { after_seq, resumed, claimed: None }));
        sent.map_or(Offered::Gone, |()| Offered::Taken)
    }

    /// Hands an event over, unless it was handed over before.
    pub(crate) fn offer_event(&mut self, event: jsonrpc::Event) -> Offered {
        let jsonrpc::Event { name, payload, seq, .. } = event;
        if seq.is_some_and(|seq| self.topics.after_seq.is_some_and(|last| seq <= last)) {
            return Offered::Taken;
        }
        let (delivery, reached) = match serde_json::from_str::<Gap>(payload.get()) {
            Ok(gap) if name == GAP && seq.is_none() => {
                let reached = gap.to;
                (Delivery::Gap(gap), reached)
            }
            _ => (Delivery::Event(Event { name, seq, payload }), seq),
        };
        let offered = self.offer(delivery);
        if offered == Offered::Taken {
            self.topics.after_seq = self.topics.after_seq.max(reached);
        }
        offered
    }

    pub(crate) fn offer(&self, delivery: Delivery) -> Offered {
        match self.feed.try_send(Ok(delivery)) {
            Ok(()) => Offered::Taken,
            Err(TrySendError::Full(_)) => Offered::Full,
            Err(TrySendError::Closed(_)) => Offered::Gone,
        }
    }

    /// Notes that the subscriber is behind. Whether it has caught up in the same moment, so that nobody else will say so.
    pub(crate) fn falls_behind(&mut self) -> bool {
        self.state = State::Behind(None);
        self.behind.store(true, Ordering::SeqCst);
        let has_read_all = self.feed.capacity() == self.feed.max_capacity();
        has_read_all && self.behind.swap(false, Ordering::SeqCst)
    }

    /// Ends it with an error. If the queue is full, its end alone has to say it.
    pub(crate) fn fail(self, error: Error) {
        match self.opened {
            Some(opened) => drop(opened.send(Err(error))),
            None => drop(self.feed.try_send(Err(error))),
        }
    }
}
