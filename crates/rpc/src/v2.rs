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
use crate::{Code, Error, Frame, Incoming, Message, Reply, RequestId, Signal, Tell, statuses, text};

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
            out.push_str(&statuses::in_text(payload, statuses::in_reply));
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
    match event.name.starts_with("session.") {
        true => out.push_str(&statuses::in_text(event.payload, statuses::of_session)),
        false => out.push_str(event.payload.get()),
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::parse_json;

    #[test]
    fn what_is_no_request_is_refused_to_the_id_that_can_be_told() {
        for (frame, id, message) in [
            ("[]", "null", "a message is an object"),
            (r#"{"type":"res","id":"1","method":"m"}"#, "\"1\"", "`type` is \"req\""),
            (r#"{"type":"req","id":7,"method":"m"}"#, "null", "`id` is a string"),
            (r#"{"type":"req","id":"1"}"#, "\"1\"", "`method` is a string"),
            (r#"{"type":"req","id":"1","method":"m","params":[]}"#, "\"1\"", "`params` is an object"),
            (r#"{"type":"req","id":"1","method":"m","more":1}"#, "\"1\"", "unknown member `more`"),
            (r#"{"type":"req","id":"1","method":"m","method":"n"}"#, "\"1\"", "`method` is given twice"),
        ] {
            let Frame::Single(Incoming::Refused(reply)) = decode(frame.as_bytes()) else { panic!("{frame}") };
            assert_eq!((reply.id.as_str(), reply.outcome.unwrap_err().message.as_str()), (id, message), "{frame}");
        }
    }

    #[test]
    fn errors_keep_what_the_ten_codes_leave_out() {
        let refused = |error: Error| {
            let text = encode_reply(&Reply { id: RequestId::null(), outcome: Err(error) });
            serde_json::from_str::<Value>(&text).unwrap()["error"].clone()
        };
        let error = refused(Error::invalid_field("limit", "too large"));
        let details = json!({ "code": "INVALID_PARAMS", "field": "limit" });
        let message = "`limit`: too large";
        let expected = json!({ "code": "INVALID_REQUEST", "message": message, "details": details, "retryable": false });
        assert_eq!(error, expected);
        let error = refused(Error::rate_limited(Duration::from_millis(5)));
        assert_eq!((&error["retryable"], &error["retryAfterMs"]), (&json!(true), &json!(5)));
        let error = refused(Error::internal(std::io::Error::other("secret")).with_data(json!("secret")));
        assert!(error["code"] == "INTERNAL" && !error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn events_have_a_number_and_a_subscription_if_there_are_any() {
        let payload = parse_json(b"{}").unwrap();
        let own = Tell::of_server("health.heartbeat", &payload);
        assert_eq!(encode_event(&own), r#"{"type":"event","event":"health.heartbeat","payload":{}}"#);
        let told = Tell { seq: Some(2), subscription: Some("s"), ..own };
        assert!(encode_event(&told).ends_with(r#""payload":{},"seq":2,"subscriptionId":"s"}"#));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            decode(&bytes);
        }
    }
}
