//! What all dialects have in common: codecs turn bytes into these, and these into bytes.

use orchestrator_vocab::EventId;
use serde_json::value::RawValue;

use crate::Error;

/// One text frame or HTTP body, taken apart.
#[derive(Debug, Clone)]
pub enum Frame {
    /// One message, answered by one reply (none for a notification).
    Single(Incoming),
    /// Several messages (JSON-RPC 2.0 only), answered by a list of the replies, in any order (nothing at all if there are
    /// none).
    Batch(Vec<Incoming>),
}

/// One message, or the reply to what is none.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// A call or a notification.
    Message(Message),
    /// Not a valid message; send this reply.
    Refused(Reply),
}

/// A call, or a notification if it has no id.
#[derive(Debug, Clone)]
pub struct Message {
    /// What the reply must carry. A notification gets no reply, not even an error.
    pub id: Option<RequestId>,
    /// The operation's name, unchecked.
    pub method: String,
    /// The parameters, unchecked except that they are an object or a list.
    pub params: Option<Box<RawValue>>,
}

/// The answer to one call.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The call's id as it came.
    pub id: RequestId,
    /// What the operation answered.
    pub outcome: Result<Box<RawValue>, Error>,
}

impl Frame {
    pub(crate) fn refused(id: RequestId, error: Error) -> Self {
        Self::Single(Incoming::Refused(Reply { id, outcome: Err(error) }))
    }
}

/// What ties a reply to its request: the id as it was written, a string, a number or `null`, and in dialects with many
/// kinds of frames the kind, for the reply's own depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId {
    json: Box<str>,
    kind: &'static str,
}

impl RequestId {
    /// The id of a reply to something that had none.
    pub fn null() -> Self {
        Self { json: "null".into(), kind: "" }
    }

    /// A number, for clients that count.
    pub fn number(number: u64) -> Self {
        Self { json: number.to_string().into(), kind: "" }
    }

    /// The id as JSON, for example `"a-1"` with its quotes, or `7`.
    pub fn as_str(&self) -> &str {
        &self.json
    }

    pub(crate) fn from_json(json: &str) -> Option<Self> {
        let simple = json == "null" || json.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
        simple.then(|| Self { json: json.into(), kind: "" })
    }

    pub(crate) fn of_kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }
}

/// An event on its way to a subscriber.
#[derive(Debug, Clone, Copy)]
pub struct Tell<'a> {
    /// For example `task.completed`.
    pub name: &'a str,
    /// What it says; serialised once for all subscribers.
    pub payload: &'a RawValue,
    /// Its own name; what is not in the log has none.
    pub event_id: Option<EventId>,
    /// Its place in the organisation's log, from 1; what is not in the log has none.
    pub seq: Option<u64>,
    /// The subscription that matched; what the server says of itself has none.
    pub subscription: Option<&'a str>,
    /// It is sent again until it is acknowledged.
    pub requires_ack: bool,
}

impl<'a> Tell<'a> {
    /// Something the server says of itself, under no subscription.
    pub(crate) fn of_server(name: &'a str, payload: &'a RawValue) -> Self {
        Self { name, payload, event_id: None, seq: None, subscription: None, requires_ack: false }
    }
}
