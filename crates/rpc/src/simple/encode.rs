use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::{Error, Reply, Signal, Tell, statuses, text};

/// The answer to a frame.
pub fn encode_reply(reply: &Reply) -> String {
    let result = match &reply.outcome {
        Ok(result) => statuses::in_reply(read(result)),
        Err(error) => return frame("error", &refusal(reply, error)),
    };
    let (kind, payload) = match reply.id.kind() {
        "auth" => ("auth_success", greeting(&result)),
        "ping" => ("pong", result),
        "health_check" => ("health_check_response", json!({ "healthy": result["status"] == "running" })),
        "daemon_status" => ("daemon_status_update", json!({ "status": result })),
        "list_sessions" => ("sessions_list", json!({ "sessions": result["sessions"] })),
        "spawn_session" => ("session_spawned", json!({ "session": result })),
        "execute_task" => ("task_executing", json!({ "sessionId": result["id"], "taskId": result["taskId"] })),
        _ => ("session_status_update", json!({ "session": result })),
    };
    frame(kind, &payload)
}

fn greeting(hello: &Value) -> Value {
    let mut greeting = json!({ "connectionId": hello["connectionId"], "scopes": hello["auth"]["scopes"] });
    for name in ["resumeToken", "resumed"] {
        if let Some(value) = hello.get(name) {
            greeting[name] = value.clone();
        }
    }
    greeting
}

/// An event, if it has a form here. The subscription is named by the session it is about.
pub fn encode_event(event: &Tell<'_>) -> Option<String> {
    let mut facts = read(event.payload);
    // Of a task's events only those of a session's own are subscribed to, under the session's name.
    let session = match &facts["sessionId"] {
        Value::String(session) => session.clone(),
        _ => event.subscription.unwrap_or_default().to_owned(),
    };
    let (kind, payload) = match event.name {
        "session.status" => {
            facts["id"] = session.into();
            facts = statuses::of_session(facts);
            ("session_status_update", json!({ "session": facts }))
        }
        "task.completed" => {
            ("task_completed", json!({ "sessionId": session, "taskId": facts["taskId"], "result": facts["result"] }))
        }
        "task.failed" | "task.cancelled" => {
            let error = if event.name == "task.failed" { &facts["error"] } else { &json!("cancelled") };
            ("task_failed", json!({ "sessionId": session, "taskId": facts["taskId"], "error": error }))
        }
        "stream.start" => ("stream_start", json!({ "sessionId": session })),
        "stream.chunk" => {
            let metadata = json!({ "chunkType": facts["chunkType"], "index": facts["index"] });
            let data = json!({ "sessionId": session, "chunk": facts["content"], "metadata": metadata });
            ("stream_chunk", json!({ "data": data }))
        }
        "stream.end" => ("stream_end", json!({ "sessionId": session })),
        "stream.error" => ("error", json!({ "error": facts["error"], "sessionId": session })),
        "stream.gap" => ("stream_gap", facts),
        _ => return None,
    };
    Some(frame(kind, &payload))
}

/// What the server says of the connection itself. `None` for its heartbeat: scripts that want one send `ping`.
pub fn encode_signal(signal: &Signal) -> Option<String> {
    let kind = match signal {
        Signal::Reconnect { .. } => "reconnect",
        Signal::RateLimit { .. } => "rate_limit",
        Signal::Heartbeat { .. } => return None,
    };
    Some(frame(kind, &read(&signal.facts())))
}

#[derive(Deserialize)]
struct Named(String);

fn refusal(reply: &Reply, error: &Error) -> Value {
    let mut payload = json!({ "error": error.public_message(), "code": error.code.name() });
    if let Some(field) = &error.field {
        payload["field"] = field.as_str().into();
    }
    if let Some(correlation) = error.correlation() {
        payload["correlationId"] = correlation.into();
    }
    if let Ok(Named(session)) = serde_json::from_str(reply.id.as_str()) {
        payload["sessionId"] = session.into();
    }
    payload
}

fn frame(kind: &str, payload: &Value) -> String {
    let mut out = String::with_capacity(256);
    out.push_str(r#"{"type":"#);
    text::push_json(&mut out, kind);
    out.push_str(r#","payload":"#);
    text::push_json(&mut out, payload);
    out.push('}');
    out
}

fn read(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).expect("raw JSON is JSON")
}
