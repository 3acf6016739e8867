use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use orchestrator_events::{Event, Transient};
use orchestrator_vocab::OrgId;
use tokio::sync::{Mutex, mpsc};

/// Events of one transaction that are carried; more of them are read from the log in pages, which is faster.
const BATCH_MAX: usize = 1_000;
/// Transactions, events and pieces that may wait to be sent.
const BATCHES_MAX: usize = 1_024;
const EVENTS_MAX: usize = 16_384;
const PIECES_MAX: usize = 4_096;
/// Events and pieces that are sent at once.
const EVENTS_AT_ONCE: usize = 1_000;
const PIECES_AT_ONCE: usize = 256;

/// What waits to be sent. Whoever puts something in never waits.
pub(crate) struct Queues {
    events: mpsc::Sender<Vec<Arc<Event>>>,
    pieces: mpsc::Sender<Arc<Transient>>,
    events_waiting: AtomicUsize,
    outlets: Mutex<Outlets>,
    /// Pieces of each organisation that were not sent, and that others have not been told of.
    lost: std::sync::Mutex<BTreeMap<OrgId, u64>>,
}

struct Outlets {
    events: mpsc::Receiver<Vec<Arc<Event>>>,
    pieces: mpsc::Receiver<Arc<Transient>>,
}

/// What is sent at once.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) pieces: Vec<Arc<Transient>>,
}

impl Queues {
    pub(crate) fn new() -> Self {
        let (events, batches) = mpsc::channel(BATCHES_MAX);
        let (pieces, waiting) = mpsc::channel(PIECES_MAX);
        let outlets = Mutex::new(Outlets { events: batches, pieces: waiting });
        Self { events, pieces, events_waiting: AtomicUsize::new(0), outlets, lost: std::sync::Mutex::default() }
    }

    pub(crate) fn offer(&self, events: &[Arc<Event>]) -> bool {
        let waiting = self.events_waiting.load(Ordering::Relaxed);
        if events.len() > BATCH_MAX || waiting + events.len() > EVENTS_MAX {
            return false;
        }
        let Ok(place) = self.events.try_reserve() else { return false };
        self.events_waiting.fetch_add(events.len(), Ordering::Relaxed);
        place.send(events.to_vec());
        true
    }

    pub(crate) fn offer_piece(&self, piece: &Arc<Transient>) -> bool {
        self.pieces.try_send(piece.clone()).is_ok()
    }

    /// Notes pieces that others will not get.
    pub(crate) fn lost(&self, more: impl IntoIterator<Item = (OrgId, u64)>) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        for (org, count) in more {
            *lost.entry(org).or_default() += count;
        }
    }

    /// What others have to be told of; told again if that fails.
    pub(crate) fn take_lost(&self) -> BTreeMap<OrgId, u64> {
        std::mem::take(&mut *self.lost.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until there is something to send. Cancel-safe.
    pub(crate) async fn load(&self) -> Load {
        let mut outlets = self.outlets.lock().await;
        let mut load = Load::default();
        let Outlets { events, pieces } = &mut *outlets;
        tokio::select! {
            Some(batch) = events.recv() => load.events = batch,
            Some(piece) = pieces.recv() => load.pieces.push(piece),
        }
        while load.events.len() < EVENTS_AT_ONCE
            && let Ok(batch) = events.try_recv()
        {
            load.events.extend(batch);
        }
        while load.pieces.len() < PIECES_AT_ONCE
            && let Ok(piece) = pieces.try_recv()
        {
            load.pieces.push(piece);
        }
        self.events_waiting.fetch_sub(load.events.len(), Ordering::Relaxed);
        load
    }
}
