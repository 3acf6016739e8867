//! What is told to an agent, a line each.

use serde_json::{Value, json};

use crate::Verdict;

pub(crate) fn user(text: &str) -> Value {
    json!({
        "type": "user",
        "message": { "role": "user", "content": [{ "type": "text", "text": text }] },
        "parent_tool_use_id": null,
        "session_id": "",
    })
}

pub(crate) fn initialize() -> Value {
    request("initialize", json!({ "subtype": "initialize" }))
}

pub(crate) fn interrupt() -> Value {
    request("interrupt", json!({ "subtype": "interrupt", "cancel_queued": true }))
}

fn request(id: &str, request: Value) -> Value {
    json!({ "type": "control_request", "request_id": format!("orchestrator-{id}"), "request": request })
}

/// The answer to `can_use_tool`.
pub(crate) fn verdict(request_id: &str, input: &Value, verdict: &Verdict) -> Value {
    let response = match verdict {
        Verdict::Allow { input: changed, .. } => {
            json!({ "behavior": "allow", "updatedInput": changed.as_ref().unwrap_or(input) })
        }
        Verdict::Deny { reason } => json!({ "behavior": "deny", "message": reason }),
    };
    let response = json!({ "subtype": "success", "request_id": request_id, "response": response });
    json!({ "type": "control_response", "response": response })
}

/// The answer to what nothing here can answer.
pub(crate) fn unable(request_id: &str, subtype: &str) -> Value {
    let error = format!("`{subtype}` is not answered here");
    json!({ "type": "control_response", "response": { "subtype": "error", "request_id": request_id, "error": error } })
}

/// How it is told to go on.
pub(crate) const GO_ON: &str = "You were interrupted. Look at what is done already, then go on with the task.";
