use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use orchestrator_vocab::OrgId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::index::Index;
use crate::ledger::Ledger;
use crate::queue::{Heads, Queue};
use crate::{Error, Event, Filter, Gap, Log, Relay, Subscription, Transient};

/// How many events are taken from the log at once.
const PAGE: usize = 512;
/// How often the log is asked even though nobody said that it changed.
const POLL: Duration = Duration::from_secs(1);

type Listener = Arc<dyn Fn(&Arc<Event>) + Send + Sync>;

/// Delivers what is appended to a [`Log`] to all subscribers, in order. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    log: Arc<dyn Log>,
    relay: Option<Arc<dyn Relay>>,
    shared: Arc<Mutex<Shared>>,
}

/// Where a subscription begins.
#[derive(Debug)]
pub(crate) struct Start {
    /// The first event has a number above this one.
    pub(crate) after: u64,
    /// Everything up to this number has arrived already.
    pub(crate) settled: u64,
    /// Told first of all; the first event comes after it.
    pub(crate) gap: Option<Gap>,
    /// If events have to be acknowledged.
    pub(crate) ledger: Option<Ledger>,
}

impl Start {
    pub(crate) fn after(after: u64) -> Self {
        Self { after, settled: after, gap: None, ledger: None }
    }
}

#[derive(Default)]
struct Shared {
    /// Set by the first look at the log: what is older is history, what comes later is delivered from its first event on.
    started: bool,
    orgs: HashMap<OrgId, Org>,
    listeners: Vec<Listener>,
}

#[derive(Default)]
struct Org {
    /// Delivered, or passed over because nobody listened. Both numbers are the same while the lock is free.
    heads: Arc<Heads>,
    subscribers: Index,
}

/// A subscription's place among the others of its organisation. Dropping it gives it up.
pub(crate) struct Place {
    shared: Weak<Mutex<Shared>>,
    org: OrgId,
    key: usize,
}

impl Place {
    pub(crate) fn org(&self) -> OrgId {
        self.org
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(org) = shared.orgs.get_mut(&self.org) {
            org.subscribers.remove(self.key);
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("subscribers", &self.subscribers()).finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub that delivers nothing yet: spawn [`Hub::run`].
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self { log, relay: None, shared: Arc::default() }
    }

    /// Also offers what is live only to other processes.
    #[must_use]
    pub fn with_relay(mut self, relay: Arc<dyn Relay>) -> Self {
        self.relay = Some(relay);
        self
    }

    /// The log it delivers from.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// Subscribes to what is appended from now on.
    pub async fn subscribe(&self, org: OrgId, filter: Filter) -> Result<Subscription, Error> {
        let head = self.log.head(org).await?;
        Ok(self.subscribe_after(org, filter, head))
    }

    /// Subscribes to everything with a number above `after`; what was trimmed since is reported as a gap.
    pub fn subscribe_after(&self, org: OrgId, filter: Filter, after: u64) -> Subscription {
        self.attach(org, filter, Start::after(after))
    }

    pub(crate) fn attach(&self, org: OrgId, filter: Filter, start: Start) -> Subscription {
        let filter = Arc::new(filter);
        let mut shared = self.shared();
        let entry = shared.orgs.entry(org).or_default();
        // It starts by reading the log, so that nothing between `after` and the hub's position is missed.
        let queue = Arc::new(Queue::lagging(entry.heads.clone(), start.settled, start.ledger));
        let key = entry.subscribers.insert(filter.clone(), queue.clone());
        drop(shared);
        let place = Place { shared: Arc::downgrade(&self.shared), org, key };
        let cursor = start.gap.and_then(|gap| gap.to).unwrap_or(start.after);
        let subscription = Subscription::new(filter, self.log.clone(), queue, cursor, place);
        match start.gap {
            Some(gap) => subscription.after_gap(gap),
            None => subscription,
        }
    }

    /// Calls `listener` for every event of every organisation, in order within each, from [`Hub::start`] on (or from
    /// now on, if that is later). It must be quick and must not block.
    pub fn listen(&self, listener: impl Fn(&Arc<Event>) + Send + Sync + 'static) {
        self.shared().listeners.push(Arc::new(listener));
    }

    /// Delivers something live only to those who listen at this moment, here and where the relay reaches.
    pub fn publish_transient(&self, piece: Transient) {
        let piece = Arc::new(piece);
        if let Some(relay) = &self.relay {
            relay.offer_transient(&piece);
        }
        self.deliver_piece(&piece);
    }

    /// As [`publish_transient`](Hub::publish_transient), for what has come from another process.
    #[cfg(feature = "sql")]
    pub(crate) fn deliver_transient(&self, piece: Transient) {
        self.deliver_piece(&Arc::new(piece));
    }

    /// Tells those who may want output of other processes that some of it is missing: of one organisation, or of all.
    #[cfg(feature = "sql")]
    pub(crate) fn output_is_missing(&self, org: Option<OrgId>, count: u64) {
        let shared = self.shared();
        let concerned = shared.orgs.iter().filter(|(id, _)| org.is_none_or(|org| org == **id));
        for (_, org) in concerned {
            org.subscribers.wanting_output().for_each(|queue| queue.relay_lost(count));
        }
    }

    fn deliver_piece(&self, piece: &Arc<Transient>) {
        if let Some(org) = self.shared().orgs.get_mut(&piece.org) {
            org.subscribers.matching(&piece.name, &piece.payload, |queue| queue.offer_transient(piece));
        }
    }

    /// How many subscriptions are open, over all organisations.
    pub fn subscribers(&self) -> usize {
        self.shared().orgs.values().map(|org| org.subscribers.len()).sum()
    }

    /// Takes what the log holds now as history: listeners hear of what comes after. [`Hub::run`] begins with it, unless it
    /// was called before.
    pub async fn start(&self) -> Result<(), Error> {
        let heads = self.log.heads().await?;
        let mut shared = self.shared();
        if std::mem::replace(&mut shared.started, true) {
            return Ok(());
        }
        for (org, head) in heads {
            let entry = shared.orgs.entry(org).or_default();
            entry.heads.announce(head);
            entry.subscribers.queues().for_each(|queue| queue.lag());
            entry.heads.settle(head);
        }
        Ok(())
    }

    /// Delivers until `stop`. An error ends it; run it again and it goes on where it was.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        let mut changed = self.log.changed();
        self.start().await?;
        // What has been looked at; without it the log is asked for everything.
        let mut seen = None;
        let mut asked_at = Instant::now();
        loop {
            let generation = *changed.borrow_and_update();
            let known = seen.filter(|_| asked_at.elapsed() < POLL).and_then(|seen| self.log.heads_since(seen));
            let heads = match known {
                Some(heads) => heads,
                None => {
                    asked_at = Instant::now();
                    self.log.heads().await?
                }
            };
            for (org, head) in heads {
                self.deliver(org, head).await?;
            }
            seen = Some(generation);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = changed.changed() => {}
                () = tokio::time::sleep(POLL.saturating_sub(asked_at.elapsed())) => {}
            }
        }
    }

    async fn deliver(&self, org: OrgId, head: u64) -> Result<(), Error> {
        while let Some(position) = self.position_before(org, head) {
            let events = self.log.follow(org, position, PAGE).await?;
            if events.is_empty() {
                break;
            }
            self.fan_out(org, &events);
        }
        Ok(())
    }

    /// Where delivery has to go on to reach `head`; nobody to deliver to means that it is reached already.
    fn position_before(&self, org: OrgId, head: u64) -> Option<u64> {
        let mut shared = self.shared();
        let unheard = shared.listeners.is_empty();
        let entry = shared.orgs.entry(org).or_default();
        if unheard && entry.subscribers.is_empty() {
            entry.heads.announce(head);
            entry.heads.settle(head);
        }
        let position = entry.heads.offered();
        (position < head).then_some(position)
    }

    fn fan_out(&self, org: OrgId, events: &[Arc<Event>]) {
        for event in events {
            // Free between two events, so that nobody who subscribes waits for a page.
            let mut shared = self.shared();
            let Org { heads, subscribers } = shared.orgs.entry(org).or_default();
            heads.announce(event.seq);
            subscribers.matching(&event.name, &event.payload, |queue| queue.offer(event));
            heads.settle(event.seq);
        }
        let listeners = self.shared().listeners.clone();
        for event in events {
            listeners.iter().for_each(|listener| listener(event));
        }
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
