use orchestrator_vocab::Timestamp;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::{SUBSCRIPTION, TYPES};
use crate::members::Members;
use crate::{Error, Frame, Incoming, Message, RequestId, parse_params};

/// Takes a frame apart. Never fails: what is not a message becomes the reply that says so.
pub fn decode(frame: &[u8]) -> Frame {
    let members = match Members::of_frame(frame, ["type", "id", "timestamp", "payload"]) {
        Ok(members) => members,
        Err(error) => return Frame::refused(RequestId::null(), error),
    };
    let kind = members.text("type").and_then(|text| TYPES.into_iter().find(|known| *known == text));
    let id = members.text("id").filter(|id| is_uuid(id)).and(members.raw("id"));
    let id = id.and_then(|raw| RequestId::from_json(raw.get())).map(|id| id.of_kind(kind.unwrap_or_default()));
    match message(&members, kind, id.clone()) {
        Ok(message) => Frame::Single(Incoming::Message(message)),
        Err(error) => Frame::refused(id.unwrap_or_else(|| RequestId::null().of_kind(kind.unwrap_or_default())), error),
    }
}

fn message(members: &Members<'_, 4>, kind: Option<&'static str>, id: Option<RequestId>) -> Result<Message, Error> {
    members.check()?;
    let id = Some(id.ok_or_else(|| Error::invalid_request("`id` is a UUID"))?);
    let timestamp = members.text("timestamp").and_then(|text| text.parse::<Timestamp>().ok());
    if timestamp.is_none() {
        return Err(Error::invalid_request("`timestamp` is a time such as 2026-01-31T12:00:00Z (RFC 3339)"));
    }
    let payload = members.some("payload");
    match kind {
        Some("call") => called(id, payload),
        Some("auth") => Ok(Message { id, method: "auth.connect".into(), params: authentication(payload)? }),
        Some("heartbeat") => {
            Ok(Message { id, method: "connection.heartbeat".into(), params: payload.map(ToOwned::to_owned) })
        }
        Some("subscribe") => Ok(Message { id, method: "subscribe".into(), params: wanted(payload)? }),
        Some("unsubscribe") => Ok(Message { id, method: "unsubscribe".into(), params: topics(payload)? }),
        // Nobody waits for an answer to it.
        Some("ack") => Ok(Message { id: None, method: "event.ack".into(), params: acknowledged(payload)? }),
        _ => Err(Error::invalid_request(format!("`type` is one of {}", TYPES.join(", ")))),
    }
}

fn called(id: Option<RequestId>, payload: Option<&RawValue>) -> Result<Message, Error> {
    let members = Members::read(payload.map_or("{}", RawValue::get), ["method", "params"])?;
    members.check()?;
    let method = members.text("method").ok_or_else(|| Error::invalid_request("`payload.method` is a string"))?;
    let params = members.some("params");
    if params.is_some_and(|raw| !raw.get().starts_with('{')) {
        return Err(Error::invalid_request("`payload.params` is an object"));
    }
    Ok(Message { id, method: method.into_owned(), params: params.map(ToOwned::to_owned) })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Auth {
    /// None is shown if the upgrade carried a credential.
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    daemon_id: Option<String>,
    #[serde(default)]
    orchestrator_id: Option<String>,
    #[serde(default)]
    resume_token: Option<String>,
}

/// A bearer token is a JWT or an API key: the server tells them apart.
fn authentication(payload: Option<&RawValue>) -> Result<Option<Box<RawValue>>, Error> {
    let Auth { access_token, daemon_id, orchestrator_id, resume_token } = parse_params(payload)?;
    let mut params = json!({});
    if let Some(token) = access_token {
        params["auth"] = json!({ "type": "jwt", "token": token });
    }
    for (name, value) in [("daemonId", daemon_id), ("orchestratorId", orchestrator_id)] {
        if let Some(value) = value {
            params["client"][name] = Value::String(value);
        }
    }
    if let Some(token) = resume_token {
        params["resumeToken"] = Value::String(token);
    }
    raw(&params)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Topics {
    event_types: Vec<String>,
}

fn topics(payload: Option<&RawValue>) -> Result<Option<Box<RawValue>>, Error> {
    let Topics { event_types } = parse_params(payload)?;
    raw(&json!({ "events": event_types, "subscriptionId": SUBSCRIPTION }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    event_types: Vec<String>,
    #[serde(default)]
    requires_ack: Option<bool>,
}

fn wanted(payload: Option<&RawValue>) -> Result<Option<Box<RawValue>>, Error> {
    let Wanted { event_types, requires_ack } = parse_params(payload)?;
    let mut params = json!({ "events": event_types, "subscriptionId": SUBSCRIPTION });
    if let Some(requires_ack) = requires_ack {
        params["requiresAck"] = requires_ack.into();
    }
    raw(&params)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Acknowledged {
    event_ids: Vec<String>,
}

fn acknowledged(payload: Option<&RawValue>) -> Result<Option<Box<RawValue>>, Error> {
    let Acknowledged { event_ids } = parse_params(payload)?;
    raw(&json!({ "eventIds": event_ids }))
}

fn raw(params: &Value) -> Result<Option<Box<RawValue>>, Error> {
    to_raw_value(params).map(Some).map_err(Error::internal)
}

/// Hyphenated, as RFC 9562 writes it.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
