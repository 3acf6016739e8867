use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orchestrator_rpc::jsonrpc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::{Delivery, Error, Event, Gap, Topics};

/// The name under which the daemon says that something is missing.
const GAP: &str = "stream.gap";

/// One subscription as the driver sees it, over all connections.
#[derive(Debug)]
pub(crate) struct Topic {
    /// `after_seq` is the last number that was handed over.
    pub(crate) topics: Topics,
    pub(crate) feed: mpsc::Sender<Result<Delivery, Error>>,
    pub(crate) behind: Arc<AtomicBool>,
    /// Waits for the first answer, with the number to start after.
    pub(crate) opened: Option<oneshot::Sender<Result<u64, Error>>>,
    pub(crate) state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Not asked for on this connection.
    Idle,
    /// Asked for.
    Asked,
    /// The daemon sends under this id.
    Live(String),
    /// The subscriber reads too slowly; goes on when it has read what it has.
    Behind,
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
        self.state = State::Behind;
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
