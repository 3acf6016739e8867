use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream, SelectAll};
use orchestrator_events::{Delivery, Gap, Subscription};
use orchestrator_rpc::{Error, Tell};
use orchestrator_vocab::{Id, Kind};
use serde_json::value::{RawValue, to_raw_value};
use tokio_util::sync::CancellationToken;

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
    deliveries: BoxStream<'static, Delivery>,
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
    pub(crate) fn new(subscriptions_max: usize) -> Self {
        Self(Arc::new(Inner { subscriptions_max, state: Mutex::default() }))
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

    /// Opens a subscription. Check for room first.
    pub(crate) fn subscribe(
        &self,
        id: Arc<str>,
        topics: Option<Topics>,
        deliveries: BoxStream<'static, Delivery>,
    ) -> Result<(), Taken> {
        let mut state = self.state();
        if state.open.contains_key(&id) {
            return Err(Taken);
        }
        let stop = CancellationToken::new();
        state.open.insert(id.clone(), Entry { stop: stop.clone(), topics });
        state.fresh.push(Fresh { id, deliveries, stop });
        Ok(())
    }

    /// Opens one for an operation that made something worth following; if it is open, it goes on as it is.
    pub(crate) fn follow(&self, id: &str, subscription: Subscription) -> Result<(), Error> {
        self.check_room()?;
        let deliveries = stream::unfold(subscription, |mut subscription| async move {
            Some((next(&mut subscription).await, subscription))
        });
        let _ = self.subscribe(id.into(), None, deliveries.boxed());
        Ok(())
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

/// Something for one of the subscriptions.
pub(crate) struct Notice {
    pub(crate) subscription: Arc<str>,
    pub(crate) delivery: Delivery,
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
            let notices = deliveries.map(move |delivery| Notice { subscription: id.clone(), delivery });
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
pub(crate) async fn next(subscription: &mut Subscription) -> Delivery {
    loop {
        match subscription.next().await {
            Ok(delivery) => return delivery,
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
        let (name, event_id, seq) = match &self.delivery {
            Delivery::Event(event) => (&*event.name, Some(event.id), Some(event.seq)),
            Delivery::Transient(piece) => (&*piece.name, None, None),
            Delivery::Gap(_) => ("stream.gap", None, None),
        };
        Tell { name, payload, event_id, seq, subscription: Some(&self.subscription), requires_ack: false }
    }

    pub(crate) fn payload(&self) -> Box<RawValue> {
        match &self.delivery {
            Delivery::Event(event) => raw(&event.payload),
            Delivery::Transient(piece) => raw(&piece.payload),
            Delivery::Gap(gap) => raw(gap),
        }
    }

    pub(crate) fn gap(&self) -> Option<&Gap> {
        match &self.delivery {
            Delivery::Gap(gap) => Some(gap),
            Delivery::Event(_) | Delivery::Transient(_) => None,
        }
    }
}

fn raw(payload: &impl serde::Serialize) -> Box<RawValue> {
    to_raw_value(payload).expect("payloads are JSON with string keys")
}
