//! Dialect A: JSON-RPC 2.0 (<https://www.jsonrpc.org/specification>). Bytes in, messages out, and back; no socket.
//!
//! Stricter than the specification where it leaves room: parameters are objects, members other than `jsonrpc`, `id`,
//! `method` and `params` are refused, nothing may be written twice, a batch holds at most [`BATCH_MAX`] messages. More lenient
//! in one: `params: null` counts as absent.
//!
//! ```
//! use orchestrator_rpc::jsonrpc::{Frame, Incoming, decode};
//! let frame = decode(br#"{"jsonrpc":"2.0","id":"a-1","method":"task.get","params":{"taskId":"t"}}"#);
//! let Frame::Single(Incoming::Message(message)) = frame else { unreachable!() };
//! assert_eq!(message.method, "task.get");
//! assert_eq!(message.id.unwrap().as_str(), r#""a-1""#);
//! ```

mod decode;
mod encode;
mod received;

use serde_json::value::RawValue;

pub use decode::decode;
pub use encode::{encode_event, encode_message, encode_replies, encode_reply};
pub use received::{Event, Received, decode_received};

use crate::Error;

/// How many messages a batch may hold.
pub const BATCH_MAX: usize = 50;

/// One text frame or HTTP body, taken apart.
#[derive(Debug, Clone)]
pub enum Frame {
    /// One message, answered by one reply (none for a notification).
    Single(Incoming),
    /// A batch of 1 to [`BATCH_MAX`], answered by a list of the replies, in any order (nothing at all if there are none).
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

/// The id of a request: a string, a number or `null`, kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// The id of a reply to something that had none.
    pub fn null() -> Self {
        Self("null".into())
    }

    /// A number, for clients that count.
    pub fn number(number: u64) -> Self {
        Self(number.to_string().into())
    }

    /// The id as JSON, for example `"a-1"` with its quotes, or `7`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn from_json(json: &str) -> Option<Self> {
        let simple = json == "null" || json.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
        simple.then(|| Self(json.into()))
    }
}

#[cfg(test)]
mod tests;
