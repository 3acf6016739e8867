//! Models of the vendors through the socket: whole conversations against a server that speaks like them, and one whose faults
//! are written down.

mod aimock;
mod anthropic;
mod environment;
mod upstream;

use orchestrator_testkit::Socket;
use serde_json::{Value, json};

fn hello() -> Value {
    json!({ "messages": [{ "role": "user", "content": "hello" }] })
}

/// The text blocks of an answer, one after the other.
fn text(answer: &Value) -> String {
    let blocks = answer["message"]["content"].as_array().into_iter().flatten();
    blocks.filter_map(|block| block["text"].as_str().filter(|_| block["type"] == "text")).collect()
}

/// `provider: kind` of each attempt of a decision.
async fn attempts(socket: &mut Socket, trace: &Value) -> Vec<String> {
    let trace = socket.call("model.trace", json!({ "traceId": trace })).await.expect("a trace");
    let attempt = |attempt: &Value| match attempt["failure"]["kind"].as_str() {
        Some(kind) => format!("{}: {kind}", attempt["provider"].as_str().unwrap_or_default()),
        None => attempt["provider"].as_str().unwrap_or_default().to_owned(),
    };
    trace["attempts"].as_array().expect("attempts").iter().map(attempt).collect()
}
