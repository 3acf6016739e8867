//! What OpenAI says, in both protocols.

use orchestrator_model_openai::{Api, Config, OpenAi, Options};
use orchestrator_vocab::SystemClock;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::upstream::{Answer, Ending, Upstream};

/// The key of every test.
pub(crate) const KEY: &str = "sk-hunter2";

/// A provider for an upstream.
pub(crate) fn provider(upstream: &Upstream, api: Api) -> OpenAi {
    let config = Config {
        options: Options { api: Some(api), ..Options::default() },
        base_url: upstream.url.clone(),
        ..config()
    };
    OpenAi::new("openai", config, Arc::new(SystemClock)).unwrap()
}

pub(crate) fn config() -> Config {
    Config { api_key: Some(KEY.to_owned().into()), ..Config::default() }
}

/// An answer in one piece.
pub(crate) fn json(status: u16, body: &Value) -> Answer {
    let headers = vec![("content-type", "application/json"), ("x-request-id", "req-1")];
    Answer { status, headers, pieces: vec![body.to_string()], ending: Ending::Proper }
}

/// A refusal.
pub(crate) fn error(status: u16, class: &str, code: &str) -> Answer {
    json(status, &json!({ "error": { "message": "no", "type": class, "param": null, "code": code } }))
}

/// An answer in pieces, one event each.
pub(crate) fn events(events: impl IntoIterator<Item = Value>) -> Answer {
    let pieces = events.into_iter().map(|event| match event {
        Value::String(text) => format!("data: {text}\n\n"),
        event => match event["type"].as_str() {
            Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
            None => format!("data: {event}\n\n"),
        },
    });
    let headers = vec![("content-type", "text/event-stream; charset=utf-8"), ("x-request-id", "req-1")];
    Answer { status: 200, headers, pieces: pieces.collect(), ending: Ending::Proper }
}

/// A chunk of chat completions.
pub(crate) fn chunk(delta: Value, finish: Option<&str>) -> Value {
    let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish });
    json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test-1",
        "choices": [choice], "usage": null, "obfuscation": "aX3" })
}

/// Usage in chat completions, as [`USAGE`](orchestrator_models::conformance::USAGE).
pub(crate) fn chat_usage() -> Value {
    json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test-1", "choices": [],
        "usage": { "prompt_tokens": 110, "completion_tokens": 20, "total_tokens": 130,
            "prompt_tokens_details": { "cached_tokens": 100, "audio_tokens": 0 },
            "completion_tokens_details": { "reasoning_tokens": 0 } } })
}

/// How chat completions end.
pub(crate) fn done() -> Value {
    json!("[DONE]")
}

/// A piece of a call in chat completions.
pub(crate) fn call_piece(index: u32, id: Option<&str>, arguments: &str) -> Value {
    let mut call = json!({ "index": index, "function": { "arguments": arguments } });
    if let Some(id) = id {
        call["id"] = json!(id);
        call["type"] = json!("function");
        call["function"]["name"] = json!("read");
    }
    chunk(json!({ "tool_calls": [call] }), None)
}

/// The response as Responses tell it.
pub(crate) fn response(status: &str, output: Value) -> Value {
    json!({ "id": "resp_1", "object": "response", "status": status, "model": "gpt-test-1", "output": output,
        "error": null, "incomplete_details": null,
        "usage": { "input_tokens": 110, "input_tokens_details": { "cached_tokens": 100 }, "output_tokens": 20,
            "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 130 } })
}

/// How Responses begin.
pub(crate) fn created() -> Value {
    let mut response = response("in_progress", json!([]));
    response["usage"] = Value::Null;
    json!({ "type": "response.created", "sequence_number": 0, "response": response })
}

/// How Responses end.
pub(crate) fn completed() -> Value {
    json!({ "type": "response.completed", "sequence_number": 99, "response": response("completed", json!([])) })
}

/// More of a text.
pub(crate) fn text(at: u32, delta: &str) -> Value {
    json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": at, "content_index": 0,
        "delta": delta, "logprobs": [] })
}

/// A text, whole.
pub(crate) fn message(at: u32, text: &str) -> Value {
    json!({ "type": "response.output_item.done", "output_index": at,
        "item": { "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }] } })
}

/// A call, from its beginning to its end.
pub(crate) fn call(at: u32, id: &str, pieces: &[&str]) -> Vec<Value> {
    let item = |arguments: &str| {
        json!({ "type": "function_call", "id": format!("fc_{at}"), "call_id": id, "name": "read",
            "arguments": arguments, "status": "in_progress" })
    };
    let mut events = vec![json!({ "type": "response.output_item.added", "output_index": at, "item": item("") })];
    events.extend(pieces.iter().map(|piece| {
        json!({ "type": "response.function_call_arguments.delta", "item_id": format!("fc_{at}"), "output_index": at,
            "delta": piece })
    }));
    events.push(json!({ "type": "response.output_item.done", "output_index": at, "item": item(&pieces.concat()) }));
    events
}
