//! Dialect D: simple frames, for `wscat` and scripts. Bytes in, messages out, and back; no socket.
//!
//! A frame is `{"type", "payload"}` and has no id: answers come in the order of the frames. Each kind of frame is a call
//! of an operation, and only the events of sessions that the connection began are told.
//!
//! ```
//! use orchestrator_rpc::{Frame, Incoming, Reply, parse_json, simple};
//! let Frame::Single(Incoming::Message(message)) = simple::decode(br#"{"type":"list_sessions"}"#) else { unreachable!() };
//! assert_eq!(message.method, "session.list");
//! let reply = Reply { id: message.id.unwrap(), outcome: parse_json(br#"{"sessions":[],"total":0}"#) };
//! assert_eq!(simple::encode_reply(&reply), r#"{"type":"sessions_list","payload":{"sessions":[]}}"#);
//! ```

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::{encode_event, encode_reply, encode_signal};

/// The kinds of frames a client sends.
const TYPES: [&str; 9] = [
    "auth",
    "ping",
    "health_check",
    "daemon_status",
    "list_sessions",
    "session_status",
    "spawn_session",
    "execute_task",
    "stop_session",
];
