//! Answers in the shapes that the protocol has, put together from a few numbers and words.

use orchestrator_models::conformance::{SIGNATURE, TEXT, THOUGHT};
use serde_json::{Value, json};

/// Events as they stand in the stream.
pub(crate) fn events(events: &[Value]) -> String {
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    events.iter().map(event).collect()
}

pub(crate) fn start() -> Value {
    let creation = json!({ "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0 });
    let usage = json!({
        "input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100, "cache_creation": creation,
        "output_tokens": 1, "service_tier": "standard",
    });
    json!({ "type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test-1", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    }})
}

pub(crate) fn opened(index: u32, block: &Value) -> Value {
    json!({ "type": "content_block_start", "index": index, "content_block": block })
}

pub(crate) fn delta(index: u32, delta: &Value) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": delta })
}

pub(crate) fn closed(index: u32) -> Value {
    json!({ "type": "content_block_stop", "index": index })
}

/// Why the model stopped, and the end. Usage is told again, all of it.
pub(crate) fn stopped(reason: &str) -> Vec<Value> {
    stopped_with(&json!({ "stop_reason": reason, "stop_sequence": null }))
}

pub(crate) fn stopped_with(delta: &Value) -> Vec<Value> {
    let usage = json!({
        "input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100, "output_tokens": 20,
    });
    vec![json!({ "type": "message_delta", "delta": delta, "usage": usage }), json!({ "type": "message_stop" })]
}

pub(crate) fn text(index: u32, pieces: &[&str]) -> Vec<Value> {
    let mut events = vec![opened(index, &json!({ "type": "text", "text": "" })), json!({ "type": "ping" })];
    events.extend(pieces.iter().map(|piece| delta(index, &json!({ "type": "text_delta", "text": piece }))));
    events.push(closed(index));
    events
}

/// [`TEXT`] in four pieces.
pub(crate) fn whole_text(index: u32) -> Vec<Value> {
    text(index, &[&TEXT[..2], &TEXT[2..9], &TEXT[9..20], &TEXT[20..]])
}

pub(crate) fn thinking(index: u32) -> Vec<Value> {
    vec![
        opened(index, &json!({ "type": "thinking", "thinking": "", "signature": "" })),
        delta(index, &json!({ "type": "thinking_delta", "thinking": &THOUGHT[..6] })),
        delta(index, &json!({ "type": "thinking_delta", "thinking": &THOUGHT[6..] })),
        delta(index, &json!({ "type": "signature_delta", "signature": SIGNATURE })),
        closed(index),
    ]
}

pub(crate) fn call(index: u32, id: &str, pieces: &[&str]) -> Vec<Value> {
    let mut events = vec![opened(index, &json!({ "type": "tool_use", "id": id, "name": "read", "input": {} }))];
    let piece = |piece: &&str| delta(index, &json!({ "type": "input_json_delta", "partial_json": piece }));
    events.extend([""].iter().chain(pieces).map(piece));
    events.push(closed(index));
    events
}

/// The body of an error, and the event.
pub(crate) fn error(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_1" })
}
