//! Dialect B: the session envelope, which chat front ends and other daemons speak. Bytes in, messages out, and back; no
//! socket.
//!
//! Each kind of frame is a call: `auth` is `auth.connect`, `heartbeat` is `connection.heartbeat`, `subscribe` and
//! `unsubscribe` change the one subscription named [`SUBSCRIPTION`], whose events are acknowledged by `ack` (that is
//! `event.ack`, and not answered), `call` is any operation. The reply carries the id of
//! the frame it answers.
//!
//! ```
//! use orchestrator_rpc::{Frame, Incoming, envelope};
//! let frame = br#"{"type":"call","id":"01890a5d-ac96-774b-bcce-b302099a8057","timestamp":"2026-01-31T12:00:00Z",
//!     "payload":{"method":"task.get","params":{"taskId":"t"}}}"#;
//! let Frame::Single(Incoming::Message(message)) = envelope::decode(frame) else { unreachable!() };
//! assert_eq!(message.method, "task.get");
//! ```

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::{encode_event, encode_reply, encode_signal};

/// The id of the one subscription of a connection.
pub const SUBSCRIPTION: &str = "session";

/// The kinds of frames a client sends.
const TYPES: [&str; 6] = ["auth", "heartbeat", "subscribe", "unsubscribe", "ack", "call"];
