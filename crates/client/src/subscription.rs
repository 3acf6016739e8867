use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::Error;

/// What to listen to.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topics {
    /// Names or patterns: `*` is one segment, `**` any number, `*` alone everything.
    pub events: Vec<String>,
    /// Fields the payload must have with exactly these values.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub filter: Map<String, Value>,
    /// Starts after this number of the organisation's log (0: from its beginning) instead of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<u64>,
}

impl Topics {
    /// Everything that these patterns match, from now on.
    pub fn new<S: Into<String>>(events: impl IntoIterator<Item = S>) -> Self {
        Self { events: events.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Only those whose payload has this value in this field.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filter.insert(field.into(), value.into());
        self
    }

    /// From after this number on.
    #[must_use]
    pub fn after(mut self, seq: u64) -> Self {
        self.after_seq = Some(seq);
        self
    }
}

/// What a subscriber gets.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// Something happened.
    Event(Event),
    /// The daemon says that something is missing here.
    Gap(Gap),
    /// There was a break (a lost connection, or this subscriber was too slow) and the subscription goes on. Stored events
    /// are complete and none comes twice; those that are live only (without `seq`) may be missing.
    Resumed,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// For example `task.completed`.
    pub name: String,
    /// Its number in the organisation's log, from 1 and rising; what is live only has none.
    pub seq: Option<u64>,
    /// What it says, as JSON.
    pub payload: Box<RawValue>,
}

impl Event {
    /// The payload as a type of the caller's.
    ///
    /// # Errors
    /// It does not fit the type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.payload.get())
    }
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first missing number, for stored events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The last missing number, for stored events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// How many are missing, before filters.
    pub count: u64,
    /// Why, in the daemon's word.
    pub reason: String,
}

/// A stream of what was subscribed to. Dropping it ends the subscription.
///
/// It survives lost connections. Its end is an error, if the client ended by one; otherwise it is the end of the client.
#[derive(Debug)]
pub struct Subscription {
    pub(crate) key: u64,
    pub(crate) after_seq: u64,
    pub(crate) feed: mpsc::Receiver<Result<Delivery, Error>>,
    pub(crate) behind: Arc<AtomicBool>,
    pub(crate) controls: mpsc::UnboundedSender<Control>,
}

/// What subscriptions tell the driver: at most one `Resume` for each time they fell behind and one `Drop`, so the queue
/// of these is bounded by the number of subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    Resume(u64),
    Drop(u64),
}

impl Subscription {
    /// The first event has a higher number than this.
    pub fn after_seq(&self) -> u64 {
        self.after_seq
    }

    /// The next delivery; `None` if there will be no more.
    pub async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Subscription {
    type Item = Result<Delivery, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.feed.poll_recv(cx);
        if polled.is_pending() && self.behind.swap(false, Ordering::SeqCst) {
            // All that was queued has been taken: the rest may come.
            let _ = self.controls.send(Control::Resume(self.key));
        }
        polled
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let _ = self.controls.send(Control::Drop(self.key));
    }
}
