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
use crate::topic::Ack;

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
    /// The name under which the daemon remembers the subscription, see [`Topics::durable`].
    #[serde(skip)]
    pub durable: Option<String>,
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

    /// Has the daemon remember, under this name, which events were acknowledged: the client goes on there after a lost
    /// connection, and another process does that shows [`Client::resume_token`](crate::Client::resume_token). 1 to 128
    /// letters, digits, `-`, `_`, `.` or `:`, for one subscription of a client.
    ///
    /// Each event has to be acknowledged by [`Subscription::acknowledge`]; beyond as many as the daemon's window keeps
    /// (1,000 unless it is configured otherwise) it sends no more until then. What is missed while nobody is there is kept
    /// within the same bound, and for 7 days; beyond that there is a [`Delivery::Gap`], before anything else.
    #[must_use]
    pub fn durable(mut self, name: impl Into<String>) -> Self {
        self.durable = Some(name.into());
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
    /// are complete but for what a [`Delivery::Gap`] names, and none comes twice; those that are live only (without `seq`)
    /// may be missing.
    Resumed(Resumption),
}

/// By what a subscription goes on after a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resumption {
    /// By the number of the last event, which the daemon's log knows: nothing stored is missing, however long the break.
    Number,
    /// By the daemon's window, of a [`durable`](Topics::durable) subscription: after the last event that was acknowledged.
    /// If more was missed than a window keeps, a [`Delivery::Gap`] comes next.
    Window,
    /// A durable subscription whose window is no more: the resume token was refused (it expired, or is not of this
    /// credential), or another connection has shown it. The daemon has a new window, and the subscription goes on by the
    /// number of the last event that was acknowledged; nothing stored is missing. A token that was put by is worth nothing
    /// any more: put by the one that [`Client::resume_token`](crate::Client::resume_token) answers now.
    WindowLost,
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
    pub(crate) resumed: Option<Resumption>,
    pub(crate) is_durable: bool,
    pub(crate) feed: mpsc::Receiver<Result<Delivery, Error>>,
    pub(crate) behind: Arc<AtomicBool>,
    pub(crate) ack: Arc<Ack>,
    pub(crate) controls: mpsc::UnboundedSender<Control>,
}

/// What subscriptions tell the driver: at most one `Resume` for each time they fell behind, one `Acknowledge` that the
/// driver has not seen, and one `Drop`, so the queue of these is bounded by the number of subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    Resume(u64),
    Acknowledge(u64),
    Drop(u64),
}

impl Subscription {
    /// The first event has a higher number than this.
    pub fn after_seq(&self) -> u64 {
        self.after_seq
    }

    /// What became of the window of [`Config::resume_token`](crate::Config::resume_token), for a durable subscription: it
    /// goes on by it, or it is a new one, because the token was refused or the window has none of this name. `None` if no
    /// token was shown.
    pub fn resumed(&self) -> Option<Resumption> {
        self.resumed
    }

    /// Says that everything up to and with the event of this number was dealt with, and need not come again, neither to
    /// this process nor to a later one. Waits for nothing: if it is lost with the connection, it is said again at the next.
    /// Only durable subscriptions have something to acknowledge.
    pub fn acknowledge(&self, seq: u64) {
        self.ack.seq.fetch_max(seq, Ordering::SeqCst);
        if self.is_durable && !self.ack.is_told.swap(true, Ordering::SeqCst) {
            let _ = self.controls.send(Control::Acknowledge(self.key));
        }
    }

    /// The next delivery; `None` if there will be no more.
    pub async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Subscription {
    type Item = Result<Delivery, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut polled = self.feed.poll_recv(cx);
        // What its subscriber had in an earlier process, and has not acknowledged there.
        while let Poll::Ready(Some(Ok(Delivery::Event(Event { seq: Some(seq), .. })))) = &polled
            && *seq <= self.after_seq
        {
            polled = self.feed.poll_recv(cx);
        }
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
