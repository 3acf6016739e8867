use orchestrator_rpc::{Error, Frame, Reply, RequestId, Tell, jsonrpc};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// How a connection speaks. The loop of a session knows frames, replies and events of `rpc`; this only selects whose
/// bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// JSON-RPC 2.0.
    JsonRpc,
}

/// The replies to one frame.
pub(crate) enum Replies {
    One(Reply),
    Batch(Vec<Reply>),
}

/// What the first frame may have at its top.
#[derive(Deserialize)]
struct Marks {
    jsonrpc: Option<IgnoredAny>,
}

impl Dialect {
    /// The dialect of a connection, by its first frame.
    pub(crate) fn detect(first: &str) -> Option<Self> {
        // No other dialect has batches.
        if first.trim_start().starts_with('[') {
            return Some(Self::JsonRpc);
        }
        let marks: Marks = serde_json::from_str(first).ok()?;
        marks.jsonrpc.map(|_| Self::JsonRpc)
    }

    /// What is said to a first frame in no dialect.
    pub(crate) fn refusal() -> String {
        let message =
            "the first frame must be JSON-RPC 2.0: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"auth.connect\",…}";
        jsonrpc::encode_reply(&Reply { id: RequestId::null(), outcome: Err(Error::invalid_request(message)) })
    }

    /// Takes a frame apart.
    pub(crate) fn decode(self, text: &str) -> Frame {
        match self {
            Self::JsonRpc => jsonrpc::decode(text.as_bytes()),
        }
    }

    /// The frame that answers, if there is anything to answer.
    pub(crate) fn encode(self, replies: &Replies) -> Option<String> {
        match (self, replies) {
            (Self::JsonRpc, Replies::One(reply)) => Some(jsonrpc::encode_reply(reply)),
            (Self::JsonRpc, Replies::Batch(replies)) => jsonrpc::encode_replies(replies),
        }
    }

    /// The frame that tells of an event.
    pub(crate) fn encode_event(self, event: &Tell<'_>) -> String {
        match self {
            Self::JsonRpc => jsonrpc::encode_event(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_decides() {
        for text in [r#"{"jsonrpc":"2.0"}"#, r#" [{"id":1,"jsonrpc":"2.0"}]"#, r#"{"jsonrpc":1}"#] {
            assert_eq!(Dialect::detect(text), Some(Dialect::JsonRpc), "{text}");
        }
        for text in ["", "{}", "hello", r#"{"type":"req","id":"1"}"#, r#""jsonrpc""#] {
            assert_eq!(Dialect::detect(text), None, "{text}");
        }
    }
}
