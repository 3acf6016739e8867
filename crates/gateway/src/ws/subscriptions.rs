use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream, SelectAll};
use orchestrator_events::{Delivery, Gap, Progress, Restored, Subscription, Window};
use orchestrator_rpc::{Error, Tell};
use orchestrator_vocab::{Id, Kind};
use serde_json::value::{RawValue, to_raw_value};
use tokio_util::sync::CancellationToken;

use super::source::Source;
use super::topics::Topics;

/// Between two attempts to read a log that fails.
const RETRY: Duration = Duration::from_secs(1);

enum SubscriptionKind {}

impl Kind for SubscriptionKind {
    const PREFIX: &'static str = "subscription";
}

/// The side of a connection that its own calls see.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    subscriptions_max: usize,
    /// Remembers the subscriptions for a subscriber that goes away.
    window: Option<Arc<Window>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: HashMap<Arc<str>, Entry>,
    /// Made by a call that is not answered yet.
    fresh: Vec<Fresh>,
}

struct Entry {
    stop: CancellationToken,
    /// Its patterns, if they can be changed.
    topics: Option<Topics>,
}

struct Fresh {
    id: Arc<str>,
    deliveries: BoxStream<'static, Handed>,
    stop: CancellationToken,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("open", &self.open.len()).finish_non_exhaustive()
    }
}

/// A subscription of this id is open.
pub(crate) struct Taken;

impl Connection {
    pub(crate) fn new(subscriptions_max: usize, window: Option<Arc<Window>>) -> Self {
        Self(Arc::new(Inner { subscriptions_max, window, state: Mutex::default() }))
    }

    pub(crate) fn window(&self) -> Option<&Arc<Window>> {
        self.0.window.as_ref()
    }

    pub(crate) fn check_room(&self) -> Result<(), Error> {
        if self.state().open.len() < self.0.subscriptions_max {
            return Ok(());
        }
        Err(Error::conflict(format!("a connection may have {} subscriptions", self.0.subscriptions_max)))
    }

    /// An id nothing has yet.
    pub(crate) fn fresh_id() -> Arc<str> {
        Id::<SubscriptionKind>::new().to_string().into()
    }

    /// Takes an id, for a subscription that [`begin`](Self::begin) brings or [`give_up`](Self::give_up) does not. Check for
    /// room first.
    pub(crate) fn take(&self, id: Arc<str>, topics: Option<Topics>) -> Result<(), Taken> {
        let mut state = self.state();
        if state.open.contains_key(&id) {
            return Err(Taken);
        }
        state.open.insert(id, Entry { stop: CancellationToken::new(), topics });
        Ok(())
    }

    /// Brings the subscription of an id that was taken; false if it was unsubscribed from already.
    pub(crate) fn begin(&self, id: Arc<str>, deliveries: BoxStream<'static, Handed>) -> bool {
        let mut state = self.state();
        let Some(stop) = state.open.get(&id).map(|entry| entry.stop.clone()) else { return false };
        state.fresh.push(Fresh { id, deliveries, stop });
        true
    }

    pub(crate) fn give_up(&self, id: &str) {
        self.state().open.remove(id);
    }

    /// Opens one for an operation that made something worth following; if it is open, it goes on as it is.
    pub(crate) fn follow(&self, id: &str, subscription: Subscription) -> Result<(), Error> {
        self.check_room()?;
        if self.take(id.into(), None).is_err() {
            return Ok(());
        }
        if let Some(window) = self.window() {
            window.adopt(id, &subscription);
        }
        let deliveries = stream::unfold(subscription, |mut subscription| async move {
            Some((next(&mut subscription).await, subscription))
        });
        self.begin(id.into(), deliveries.boxed());
        Ok(())
    }

    /// Opens what the window has remembered, in its order.
    pub(crate) fn restore(&self, restored: Vec<Restored>) {
        let Some(window) = self.window() else { return };
        for Restored { id, parts, subscription } in restored {
            let (id, topics) = (Arc::<str>::from(id), Topics::restored(parts));
            if self.take(id.clone(), Some(topics.clone())).is_ok() {
                let source = Source::Window(window.clone(), id.clone());
                self.begin(id, topics.stream(source, subscription).boxed());
            }
        }
    }

    /// The patterns of a subscription; `None` if it is not open.
    pub(crate) fn topics(&self, id: &str) -> Option<Option<Topics>> {
        self.state().open.get(id).map(|entry| entry.topics.clone())
    }

    pub(crate) fn unsubscribe(&self, id: &str) -> Result<(), Error> {
        let entry = self.state().open.remove(id);
        entry.map(|entry| entry.stop.cancel()).ok_or_else(|| Error::not_found(format!("no subscription {id}")))
    }

    fn take_fresh(&self) -> Vec<Fresh> {
        std::mem::take(&mut self.state().fresh)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a subscription brought.
pub(crate) struct Handed {
    pub(crate) delivery: Delivery,
    /// Where it is noted that it was written.
    progress: Progress,
    requires_ack: bool,
}

impl Handed {
    /// Nobody is to be told of it: as if it had been written.
    pub(crate) fn passed_over(&self) {
        if let Some(seq) = self.last_seq() {
            self.progress.written(seq);
        }
        if let (true, Delivery::Event(event)) = (self.requires_ack, &self.delivery) {
            self.progress.withdraw(event.seq);
        }
    }

    fn last_seq(&self) -> Option<u64> {
        match &self.delivery {
            Delivery::Event(event) => Some(event.seq),
            Delivery::Gap(gap) => gap.to,
            Delivery::Transient(_) => None,
        }
    }
}

/// Something for one of the subscriptions.
pub(crate) struct Notice {
    pub(crate) subscription: Arc<str>,
    pub(crate) handed: Handed,
}

/// To be noted once something is written.
pub(crate) struct Mark {
    progress: Progress,
    seq: u64,
}

impl Mark {
    pub(crate) fn written(self) {
        self.progress.written(self.seq);
    }
}

/// All subscriptions of a connection, merged.
pub(crate) struct Subscriptions {
    connection: Connection,
    all: SelectAll<BoxStream<'static, Notice>>,
}

impl Subscriptions {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, all: SelectAll::new() }
    }

    /// Lets what calls have subscribed to begin. Called once their answers are queued, so that no event overtakes the id
    /// it is sent under.
    pub(crate) fn begin_fresh(&mut self) {
        for Fresh { id, deliveries, stop } in self.connection.take_fresh() {
            let notices = deliveries.map(move |handed| Notice { subscription: id.clone(), handed });
            self.all.push(notices.take_until(stop.cancelled_owned()).boxed());
        }
    }

    pub(crate) fn poll_notice(&mut self, cx: &mut Context<'_>) -> Poll<Notice> {
        if self.all.is_empty() {
            return Poll::Pending;
        }
        match self.all.poll_next_unpin(cx) {
            Poll::Ready(Some(notice)) => Poll::Ready(notice),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// The next thing, however long the log cannot be read.
pub(crate) async fn next(subscription: &mut Subscription) -> Handed {
    loop {
        match subscription.next().await {
            Ok(delivery) => {
                let requires_ack = subscription.requires_acknowledgement();
                return Handed { delivery, progress: subscription.progress(), requires_ack };
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a subscription cannot read the log");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

impl Notice {
    /// The event as codecs take it; `payload` is that of [`Notice::payload`].
    pub(crate) fn told<'a>(&'a self, payload: &'a RawValue) -> Tell<'a> {
        let (name, event_id, seq) = match &self.handed.delivery {
            Delivery::Event(event) => (&*event.name, Some(event.id), Some(event.seq)),
            Delivery::Transient(piece) => (&*piece.name, None, None),
            Delivery::Gap(_) => ("stream.gap", None, None),
        };
        let requires_ack = self.handed.requires_ack && seq.is_some();
        Tell { name, payload, event_id, seq, subscription: Some(&self.subscription), requires_ack }
    }

    pub(crate) fn payload(&self) -> Box<RawValue> {
        match &self.handed.delivery {
            Delivery::Event(event) => raw(&event.payload),
            Delivery::Transient(piece) => raw(&piece.payload),
            Delivery::Gap(gap) => raw(gap),
        }
    }

    /// What is to be noted once it is written.
    pub(crate) fn mark(&self) -> Option<Mark> {
        let seq = self.handed.last_seq()?;
        Some(Mark { progress: self.handed.progress.clone(), seq })
    }

    pub(crate) fn gap(&self) -> Option<&Gap> {
        match &self.handed.delivery {
            Delivery::Gap(gap) => Some(gap),
            Delivery::Event(_) | Delivery::Transient(_) => None,
        }
    }
}

fn raw(payload: &impl serde::Serialize) -> Box<RawValue> {
    to_raw_value(payload).expect("payloads are JSON with string keys")
}
