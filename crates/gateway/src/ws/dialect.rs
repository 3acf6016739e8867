use orchestrator_rpc::{Error, Frame, Reply, RequestId, Signal, Tell, envelope, jsonrpc, simple, v2};
use orchestrator_vocab::Clock;
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How a connection speaks. The loop of a session knows frames, replies and events of `rpc`; this only selects whose
/// bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dialect {
    /// A: JSON-RPC 2.0.
    JsonRpc,
    /// B: the session envelope.
    Envelope,
    /// C: protocol v2.
    V2,
    /// D: simple frames.
    Simple,
}

/// The replies to one frame.
pub(crate) enum Replies {
    One(Reply),
    Batch(Vec<Reply>),
}

/// What the first frame may have at its top.
#[derive(Deserialize)]
struct Marks<'a> {
    jsonrpc: Option<IgnoredAny>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    id: Option<IgnoredAny>,
    timestamp: Option<IgnoredAny>,
}

impl Dialect {
    /// The dialect of a connection, by its first frame; `None` if that is not even an object.
    pub(crate) fn detect(first: &str) -> Option<Self> {
        let first = first.trim_start();
        // No other dialect has batches.
        if first.starts_with('[') {
            return Some(Self::JsonRpc);
        }
        let marks: Marks<'_> = first.starts_with('{').then(|| serde_json::from_str(first).ok())??;
        Some(match marks {
            Marks { jsonrpc: Some(_), .. } => Self::JsonRpc,
            Marks { kind: Some(kind), .. } if kind.get() == "\"req\"" => Self::V2,
            Marks { id: Some(_), timestamp: Some(_), .. } => Self::Envelope,
            _ => Self::Simple,
        })
    }

    /// What is said to a first frame in no dialect.
    pub(crate) fn refusal() -> String {
        let message = "the first frame must be an object, for example {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"auth.connect\",…}";
        jsonrpc::encode_reply(&Reply { id: RequestId::null(), outcome: Err(Error::invalid_request(message)) })
    }

    /// Takes a frame apart.
    pub(crate) fn decode(self, text: &str) -> Frame {
        match self {
            Self::JsonRpc => jsonrpc::decode(text.as_bytes()),
            Self::Envelope => envelope::decode(text.as_bytes()),
            Self::V2 => v2::decode(text.as_bytes()),
            Self::Simple => simple::decode(text.as_bytes()),
        }
    }

    /// The frame that answers, if there is anything to answer.
    pub(crate) fn encode(self, replies: &Replies, clock: &dyn Clock) -> Option<String> {
        match replies {
            Replies::One(reply) => Some(self.encode_one(reply, clock)),
            // Only JSON-RPC's codec makes batches.
            Replies::Batch(replies) => jsonrpc::encode_replies(replies),
        }
    }

    fn encode_one(self, reply: &Reply, clock: &dyn Clock) -> String {
        match self {
            Self::JsonRpc => jsonrpc::encode_reply(reply),
            Self::Envelope => envelope::encode_reply(reply, clock.now()),
            Self::V2 => v2::encode_reply(reply),
            Self::Simple => simple::encode_reply(reply),
        }
    }

    /// The frame that tells of an event, if the dialect has a form for it.
    pub(crate) fn encode_event(self, event: &Tell<'_>, clock: &dyn Clock) -> Option<String> {
        match self {
            Self::JsonRpc => Some(jsonrpc::encode_event(event)),
            Self::Envelope => Some(envelope::encode_event(event, clock.now())),
            Self::V2 => Some(v2::encode_event(event)),
            Self::Simple => simple::encode_event(event),
        }
    }

    /// The frame that tells of the connection itself, if the dialect has a form for it.
    pub(crate) fn encode_signal(self, signal: &Signal, clock: &dyn Clock) -> Option<String> {
        match self {
            Self::JsonRpc => jsonrpc::encode_signal(signal),
            Self::Envelope => envelope::encode_signal(signal, clock.now()),
            Self::V2 => Some(v2::encode_signal(signal)),
            Self::Simple => simple::encode_signal(signal),
        }
    }

    /// Whether answers have no id and must come in the order of the frames.
    pub(crate) fn is_in_order(self) -> bool {
        self == Self::Simple
    }

    /// Whether clients expect to be told of what they create without subscribing to it.
    pub(crate) fn follows_by_default(self) -> bool {
        matches!(self, Self::V2 | Self::Simple)
    }

    /// Whether clients acknowledge events unless they say that they will not.
    pub(crate) fn acknowledges(self) -> bool {
        self == Self::Envelope
    }

    /// Whether only frames of the client are a sign of life, and pongs of its library are none.
    pub(crate) fn wants_heartbeats(self) -> bool {
        self == Self::Envelope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_decides() {
        for (text, dialect) in [
            (r#"{"jsonrpc":"2.0"}"#, Dialect::JsonRpc),
            (r#" [{"id":1,"jsonrpc":"2.0"}]"#, Dialect::JsonRpc),
            (r#"{"jsonrpc":1,"type":"req","id":1,"timestamp":1}"#, Dialect::JsonRpc),
            (r#"{"type":"req","id":"1","timestamp":1}"#, Dialect::V2),
            (r#"{"type":"auth","id":"1","timestamp":"t"}"#, Dialect::Envelope),
            (r#"{"type":"auth","id":"1"}"#, Dialect::Simple),
            (r#"{"type":"ping"}"#, Dialect::Simple),
            ("{}", Dialect::Simple),
        ] {
            assert_eq!(Dialect::detect(text), Some(dialect), "{text}");
        }
        for text in ["", "hello", r#""jsonrpc""#, "{", r#"{"type":"req","type":"auth"}"#] {
            assert_eq!(Dialect::detect(text), None, "{text}");
        }
    }
}
