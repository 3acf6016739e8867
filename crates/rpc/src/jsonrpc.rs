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

pub use decode::decode;
pub use encode::{encode_event, encode_message, encode_replies, encode_reply, encode_signal};
pub use received::{Event, Received, decode_received};

pub use crate::message::{Frame, Incoming, Message, Reply, RequestId};

/// How many messages a batch may hold.
pub const BATCH_MAX: usize = 50;

#[cfg(test)]
mod tests;
