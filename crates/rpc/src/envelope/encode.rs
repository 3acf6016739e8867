use orchestrator_vocab::{Id, Kind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::{Code, Error, Reply, Scopes, Signal, Tell, text};

enum FrameKind {}

impl Kind for FrameKind {
    const PREFIX: &'static str = "frame";
}

/// The answer to a frame. `now` is the time of the envelope.
pub fn encode_reply(reply: &Reply, now: Timestamp) -> String {
    let id = match reply.id.as_str() {
        "null" => None,
        id => Some(id),
    };
    let (kind, payload) = match (reply.id.kind(), &reply.outcome) {
        ("auth", Ok(hello)) => ("auth_success", greeting(hello, now)),
        ("auth", Err(error)) => {
            ("auth_error", raw(&json!({ "code": refusal(error), "message": error.public_message() })))
        }
        ("heartbeat", Ok(answer)) => ("heartbeat_ack", answer.clone()),
        (_, Ok(result)) => ("result", raw(&Outcome { ok: true, payload: Some(result), error: None })),
        ("call", Err(error)) => {
            ("result", raw(&Outcome { ok: false, payload: None, error: Some(raw(&error.facts())) }))
        }
        (_, Err(error)) => {
            let details = error.facts();
            let message = error.public_message();
            ("error", raw(&json!({ "code": code(error.code), "message": message, "details": details })))
        }
    };
    envelope(kind, id, now, &payload)
}

/// An event.
pub fn encode_event(event: &Tell<'_>, now: Timestamp) -> String {
    let fresh = Id::<FrameKind>::new().uuid().to_string();
    let told = Event {
        event_id: event.event_id.map_or_else(|| fresh.clone(), |id| id.to_string()),
        event_type: event.name,
        data: event.payload,
        requires_ack: event.requires_ack,
        seq: event.seq,
    };
    envelope("event", Some(&format!("\"{fresh}\"")), now, &raw(&told))
}

/// What the server says of the connection itself. `None` for its heartbeat: here the client begins.
pub fn encode_signal(signal: &Signal, now: Timestamp) -> Option<String> {
    let kind = match signal {
        Signal::Reconnect { .. } => "reconnect",
        Signal::RateLimit { .. } => "rate_limit",
        Signal::Heartbeat { .. } => return None,
    };
    Some(envelope(kind, None, now, &signal.facts()))
}

#[derive(Serialize)]
struct Outcome<'a> {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    event_id: String,
    event_type: &'a str,
    data: &'a RawValue,
    requires_ack: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

/// What is needed of the answer to `auth.connect`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hello {
    connection_id: String,
    auth: Granted,
    policy: Policy,
    #[serde(default)]
    resume_token: Option<String>,
    #[serde(default)]
    resumed: Option<bool>,
}

#[derive(Deserialize)]
struct Granted {
    scopes: Scopes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    heartbeat_interval_ms: u64,
}

fn greeting(hello: &RawValue, now: Timestamp) -> Box<RawValue> {
    let Ok(hello) = serde_json::from_str::<Hello>(hello.get()) else { return hello.to_owned() };
    let mut payload = json!({
        "sessionId": hello.connection_id,
        "scopes": hello.auth.scopes,
        "serverTime": now,
        "heartbeatIntervalMs": hello.policy.heartbeat_interval_ms,
    });
    if let Some(token) = hello.resume_token {
        payload["resumeToken"] = token.into();
    }
    if let Some(resumed) = hello.resumed {
        payload["resumed"] = resumed.into();
    }
    raw(&payload)
}

/// Why somebody is not let in. Servers that tell more than the code say so in the error's data, as `reason`.
fn refusal(error: &Error) -> &'static str {
    let reason = error.data.as_ref().and_then(|data| data.get("reason")?.as_str());
    match (reason, error.code) {
        (Some("TOKEN_EXPIRED"), _) => "TOKEN_EXPIRED",
        (Some("MAX_CONNECTIONS"), _) => "MAX_CONNECTIONS",
        (_, Code::Forbidden) => "INSUFFICIENT_SCOPE",
        _ => "AUTH_FAILED",
    }
}

/// The five codes of the dialect; the exact one is in the details.
fn code(code: Code) -> &'static str {
    match code {
        Code::Parse
        | Code::InvalidRequest
        | Code::UnknownMethod
        | Code::InvalidParams
        | Code::Conflict
        | Code::ProtocolMismatch
        | Code::NotFound
        | Code::UnsupportedMedia
        | Code::PayloadTooLarge => "INVALID_MESSAGE",
        Code::Unauthorized => "NOT_AUTHENTICATED",
        Code::Forbidden | Code::BudgetExhausted => "INSUFFICIENT_SCOPE",
        Code::RateLimited => "RATE_LIMITED",
        Code::Internal | Code::Unavailable | Code::Timeout => "INTERNAL_ERROR",
    }
}

fn envelope(kind: &str, id: Option<&str>, now: Timestamp, payload: &RawValue) -> String {
    let mut out = String::with_capacity(160 + payload.get().len());
    out.push_str(r#"{"type":"#);
    text::push_json(&mut out, kind);
    out.push_str(r#","id":"#);
    match id {
        Some(id) => out.push_str(id),
        None => text::push_json(&mut out, &Id::<FrameKind>::new().uuid()),
    }
    out.push_str(r#","timestamp":"#);
    text::push_json(&mut out, &now);
    out.push_str(r#","payload":"#);
    out.push_str(payload.get());
    out.push('}');
    out
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("what codecs write has string keys only")
}
