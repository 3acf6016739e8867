//! Dialect C: protocol v2, which TypeScript clients speak. Bytes in, messages out, and back; no socket.
//!
//! ```
//! use orchestrator_rpc::{Frame, Incoming, Reply, parse_json, v2};
//! let frame = v2::decode(br#"{"type":"req","id":"1","method":"task.get","params":{"taskId":"t"}}"#);
//! let Frame::Single(Incoming::Message(message)) = frame else { unreachable!() };
//! assert_eq!(message.method, "task.get");
//! let reply = Reply { id: message.id.unwrap(), outcome: parse_json(b"7") };
//! assert_eq!(v2::encode_reply(&reply), r#"{"type":"res","id":"1","ok":true,"payload":7}"#);
//! ```

use serde::Serialize;
use serde_json::Value;

use crate::error::whole_millis;
use crate::members::Members;
use crate::{Code, Error, Frame, Incoming, Message, Reply, RequestId, Signal, Tell, text};

/// Takes a frame apart. Never fails: what is not a message becomes the reply that says so.
pub fn decode(frame: &[u8]) -> Frame {
    let members = match Members::of_frame(frame, ["type", "id", "method", "params"]) {
        Ok(members) => members,
        Err(error) => return Frame::refused(RequestId::null(), error),
    };
    let id = members.text("id").and(members.raw("id")).and_then(|raw| RequestId::from_json(raw.get()));
    match message(&members, id.clone()) {
        Ok(message) => Frame::Single(Incoming::Message(message)),
        Err(error) => Frame::refused(id.unwrap_or_else(RequestId::null), error),
    }
}

fn message(members: &Members<'_, 4>, id: Option<RequestId>) -> Result<Message, Error> {
    members.check()?;
    if members.text("type").as_deref() != Some("req") {
        return Err(Error::invalid_request("`type` is \"req\""));
    }
    let id = id.ok_or_else(|| Error::invalid_request("`id` is a string"))?;
    let method = members.text("method").ok_or_else(|| Error::invalid_request("`method` is a string"))?;
    let params = members.some("params");
    if params.is_some_and(|raw| !raw.get().starts_with('{')) {
        return Err(Error::invalid_request("`params` is an object"));
    }
    Ok(Message { id: Some(id), method: method.into_owned(), params: params.map(ToOwned::to_owned) })
}

/// The response to a request.
pub fn encode_reply(reply: &Reply) -> String {
    let mut out = String::with_capacity(64 + reply.outcome.as_ref().map_or(256, |result| result.get().len()));
    out.push_str(r#"{"type":"res","id":"#);
    out.push_str(reply.id.as_str());
    match &reply.outcome {
        Ok(payload) => {
            out.push_str(r#","ok":true,"payload":"#);
            out.push_str(payload.get());
        }
        Err(error) => {
            out.push_str(r#","ok":false,"error":"#);
            text::push_json(&mut out, &ErrorShape::of(error));
        }
    }
    out.push('}');
    out
}

/// An event.
pub fn encode_event(event: &Tell<'_>) -> String {
    let mut out = String::with_capacity(128 + event.payload.get().len());
    out.push_str(r#"{"type":"event","event":"#);
    text::push_json(&mut out, event.name);
    out.push_str(r#","payload":"#);
    out.push_str(event.payload.get());
    if let Some(seq) = event.seq {
        out.push_str(r#","seq":"#);
        out.push_str(&seq.to_string());
    }
    if let Some(subscription) = event.subscription {
        out.push_str(r#","subscriptionId":"#);
        text::push_json(&mut out, subscription);
    }
    out.push('}');
    out
}

/// What the server says of the connection itself, as an event.
pub fn encode_signal(signal: &Signal) -> String {
    encode_event(&Tell::of_server(signal.event_name(), &signal.facts()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorShape<'a> {
    code: &'static str,
    message: &'a str,
    details: Details<'a>,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// What the ten codes of the dialect leave out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
}

impl<'a> ErrorShape<'a> {
    fn of(error: &'a Error) -> Self {
        Self {
            code: code(error.code),
            message: error.public_message(),
            details: Details {
                code: error.code.name(),
                field: error.field.as_deref(),
                correlation_id: error.correlation(),
                details: error.public_data(),
            },
            retryable: error.is_retryable(),
            retry_after_ms: error.retry_after.map(whole_millis),
        }
    }
}

/// The ten codes of the dialect; the exact one is in the details.
fn code(code: Code) -> &'static str {
    match code {
        Code::Parse
        | Code::InvalidRequest
        | Code::UnknownMethod
        | Code::InvalidParams
        | Code::UnsupportedMedia
        | Code::PayloadTooLarge => "INVALID_REQUEST",
        Code::Forbidden | Code::BudgetExhausted => "FORBIDDEN",
        Code::Unauthorized
        | Code::NotFound
        | Code::Conflict
        | Code::RateLimited
        | Code::Internal
        | Code::Unavailable
        | Code::Timeout
        | Code::ProtocolMismatch => code.name(),
    }
}
