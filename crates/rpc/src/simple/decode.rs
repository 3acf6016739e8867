use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use super::TYPES;
use crate::members::Members;
use crate::{Error, Frame, Incoming, Message, NoParams, RequestId, parse_params};

/// Takes a frame apart. Never fails: what is not a message becomes the reply that says so.
pub fn decode(frame: &[u8]) -> Frame {
    let members = match Members::of_frame(frame, ["type", "payload"]) {
        Ok(members) => members,
        Err(error) => return Frame::refused(RequestId::null(), error),
    };
    let kind = members.text("type").and_then(|text| TYPES.into_iter().find(|known| *known == text));
    let id = RequestId::null().of_kind(kind.unwrap_or_default());
    match message(&members, id.clone()) {
        Ok(message) => Frame::Single(Incoming::Message(message)),
        Err(error) => Frame::refused(id, error),
    }
}

fn message(members: &Members<'_, 2>, id: RequestId) -> Result<Message, Error> {
    members.check()?;
    let payload = members.some("payload");
    let (method, params) = match id.kind() {
        "auth" => ("auth.connect", Some(authentication(payload)?)),
        "ping" => ("health.ping", nothing(payload)?),
        "health_check" => ("health.status", nothing(payload)?),
        "daemon_status" => ("daemon.status", nothing(payload)?),
        "list_sessions" => ("session.list", nothing(payload)?.or(Some(json!({ "limit": SESSIONS_MAX })))),
        "session_status" => ("session.status", Some(of_session(payload)?)),
        "spawn_session" => ("session.create", Some(spawn(payload)?)),
        "execute_task" => ("session.execute", Some(execute(payload)?)),
        "stop_session" => ("session.stop", Some(of_session(payload)?)),
        _ => return Err(Error::invalid_request(format!("`type` is one of {}", TYPES.join(", ")))),
    };
    let params = params.map(|params| to_raw_value(&params)).transpose().map_err(Error::internal)?;
    Ok(Message { id: Some(about(id, payload)), method: method.into(), params })
}

/// How many sessions a list shows, the newest first.
const SESSIONS_MAX: u32 = 200;

/// Keeps which session a frame is about, for a failure to name.
fn about(id: RequestId, payload: Option<&RawValue>) -> RequestId {
    let session = payload.and_then(|payload| serde_json::from_str::<OfAny>(payload.get()).ok()?.session_id);
    let Some(session) = session else { return id };
    match RequestId::from_json(&Value::String(session).to_string()) {
        Some(named) => named.of_kind(id.kind()),
        None => id,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfAny {
    #[serde(default)]
    session_id: Option<String>,
}

fn nothing(payload: Option<&RawValue>) -> Result<Option<Value>, Error> {
    parse_params::<NoParams>(payload).map(|NoParams {}| None)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Auth {
    /// None is shown if the upgrade carried a credential.
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    resume_token: Option<String>,
}

/// A bearer token is a JWT or an API key: the server tells them apart.
fn authentication(payload: Option<&RawValue>) -> Result<Value, Error> {
    let Auth { token, resume_token } = parse_params(payload)?;
    let mut params = json!({});
    if let Some(token) = token {
        params["auth"] = json!({ "type": "jwt", "token": token });
    }
    if let Some(token) = resume_token {
        params["resumeToken"] = token.into();
    }
    Ok(params)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfSession {
    session_id: String,
}

fn of_session(payload: Option<&RawValue>) -> Result<Value, Error> {
    let OfSession { session_id } = parse_params(payload)?;
    Ok(json!({ "sessionId": session_id }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spawn {
    #[serde(default)]
    orchestrator_id: Option<String>,
    task: Task,
    session_type: String,
}

/// A task, or only what to do.
#[derive(Deserialize)]
#[serde(untagged)]
enum Task {
    Text(String),
    Whole(Box<WholeTask>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WholeTask {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    description: String,
    #[serde(default)]
    priority: Option<String>,
    #[serde(default)]
    status: Option<Status>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

/// A task that nobody has begun can have no other.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pending,
}

impl Task {
    fn into_params(self) -> Map<String, Value> {
        let whole = match self {
            Self::Text(description) => return Map::from_iter([("description".to_owned(), description.into())]),
            Self::Whole(whole) => *whole,
        };
        let WholeTask { kind, description, priority, status, metadata } = whole;
        debug_assert!(matches!(status, None | Some(Status::Pending)));
        let mut params = Map::from_iter([("description".to_owned(), description.into())]);
        let optional = [
            ("type", kind.map(Value::String)),
            ("priority", priority.map(Value::String)),
            ("metadata", metadata.map(Value::Object)),
        ];
        params.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        params
    }
}

fn spawn(payload: Option<&RawValue>) -> Result<Value, Error> {
    let Spawn { orchestrator_id, task, session_type } = parse_params(payload)?;
    let mut params = json!({ "sessionType": session_type, "task": task.into_params(), "subscribe": true });
    if let Some(label) = orchestrator_id {
        params["orchestratorId"] = label.into();
    }
    Ok(params)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Execute {
    session_id: String,
    task: Task,
    /// What the agent should know beside the task.
    #[serde(default)]
    context: Option<Value>,
    /// Whether the agent's output is told as it comes.
    #[serde(default)]
    stream_response: Option<bool>,
}

fn execute(payload: Option<&RawValue>) -> Result<Value, Error> {
    let Execute { session_id, task, context, stream_response } = parse_params(payload)?;
    let mut task = task.into_params();
    if let Some(context) = context {
        let metadata = task.entry("metadata").or_insert_with(|| json!({}));
        metadata["context"] = context;
    }
    Ok(json!({ "sessionId": session_id, "task": task, "subscribe": true, "stream": stream_response.unwrap_or(true) }))
}
