//! What the models of these sessions say, in the shapes of each protocol.

use serde_json::{Value, json};

use crate::upstream::{Answer, Then};

pub(super) const SIGNATURE: &str = "c2lnbmF0dXJlIG9mIGEgdGVzdA==";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vendor {
    Chat,
    ChatWhole,
    Responses,
    ResponsesWhole,
    Anthropic,
}

pub(super) const ALL: [Vendor; 5] =
    [Vendor::Chat, Vendor::ChatWhole, Vendor::Responses, Vendor::ResponsesWhole, Vendor::Anthropic];
pub(super) const STREAMED: [Vendor; 3] = [Vendor::Chat, Vendor::Responses, Vendor::Anthropic];

/// What a model says: a text, or a call of a tool after a few words.
#[derive(Debug, Clone)]
pub(super) enum Says {
    Text(&'static str),
    Call { id: &'static str, tool: &'static str, arguments: Value },
}

impl Vendor {
    pub(super) fn provider(self, url: &str) -> Value {
        let openai = |api: &str, stream: bool| {
            json!({ "kind": "openai", "apiKey": "sk-of-a-test", "baseUrl": format!("{url}/v1"), "model": "gpt-test",
                "openai": { "api": api, "stream": stream } })
        };
        match self {
            Self::Chat => openai("chat", true),
            Self::ChatWhole => openai("chat", false),
            Self::Responses => openai("responses", true),
            Self::ResponsesWhole => openai("responses", false),
            Self::Anthropic => {
                json!({ "kind": "anthropic", "apiKey": "sk-ant-of-a-test", "baseUrl": url, "model": "claude-test",
                    "anthropic": { "thinking": "budget" } })
            }
        }
    }

    pub(super) const fn streams(self) -> bool {
        !matches!(self, Self::ChatWhole | Self::ResponsesWhole)
    }

    pub(super) fn says(self, says: &Says) -> Answer {
        if self.streams() { streamed(&self.events(says)) } else { whole(&self.body(says)) }
    }

    /// As [`Vendor::says`], up to the middle: a few words or half of a call were said.
    pub(super) fn says_half(self, says: &Says, then: Then) -> Answer {
        let events = self.events(says);
        let end = events.len() - if self == Self::Anthropic { 4 } else { 3 };
        Answer { then, ..streamed(&events[..end]) }
    }

    pub(super) fn fails(self, status: u16, headers: &[(&'static str, &'static str)]) -> Answer {
        let kind = match status {
            400 => "invalid_request_error",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            _ => "api_error",
        };
        let error = json!({ "type": kind, "message": "not now", "param": null, "code": null });
        Answer { status, headers: headers.to_vec(), ..whole(&json!({ "type": "error", "error": error })) }
    }

    fn events(self, says: &Says) -> Vec<String> {
        let events = match self {
            Self::Chat | Self::ChatWhole => chat(says),
            Self::Responses | Self::ResponsesWhole => responses(says),
            Self::Anthropic => anthropic(says),
        };
        events.iter().map(|event| event.as_str().map_or_else(|| event.to_string(), str::to_owned)).collect()
    }

    fn body(self, says: &Says) -> Value {
        if self == Self::ResponsesWhole {
            return json!({ "id": "r1", "model": "gpt-test", "status": "completed", "output": [item(says)], "usage": used() });
        }
        let (message, reason) = match says {
            Says::Text(text) => (json!({ "role": "assistant", "content": text }), "stop"),
            Says::Call { id, tool, arguments } => {
                let function = json!({ "name": tool, "arguments": arguments.to_string() });
                let call = json!({ "id": id, "type": "function", "function": function });
                (json!({ "role": "assistant", "content": null, "tool_calls": [call] }), "tool_calls")
            }
        };
        json!({ "id": "c1", "model": "gpt-test", "usage": { "prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8 },
            "choices": [{ "index": 0, "message": message, "finish_reason": reason }] })
    }
}

fn used() -> Value {
    json!({ "input_tokens": 3, "output_tokens": 5, "total_tokens": 8 })
}

fn chat(says: &Says) -> Vec<Value> {
    let chunk = |delta: Value, reason: Option<&str>| json!({ "id": "c1", "model": "gpt-test", "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }] });
    let mut events = vec![chunk(json!({ "role": "assistant", "content": "" }), None)];
    let reason = match says {
        Says::Text(text) => {
            events.extend(halves(text).map(|half| chunk(json!({ "content": half }), None)));
            "stop"
        }
        Says::Call { id, tool, arguments } => {
            let begins =
                json!({ "index": 0, "id": id, "type": "function", "function": { "name": tool, "arguments": "" } });
            events.push(chunk(json!({ "tool_calls": [begins] }), None));
            let more = |half| json!({ "tool_calls": [{ "index": 0, "function": { "arguments": half } }] });
            events.extend(halves(&arguments.to_string()).map(|half| chunk(more(half), None)));
            "tool_calls"
        }
    };
    events.push(chunk(json!({}), Some(reason)));
    events.push(json!("[DONE]"));
    events
}

fn responses(says: &Says) -> Vec<Value> {
    let response =
        |status: &str| json!({ "id": "r1", "model": "gpt-test", "status": status, "output": [], "usage": used() });
    let mut events = vec![json!({ "type": "response.created", "response": response("in_progress") })];
    match says {
        Says::Text(text) => events.extend(halves(text).map(|half| {
            json!({ "type": "response.output_text.delta", "item_id": "m1", "output_index": 0, "content_index": 0, "delta": half })
        })),
        Says::Call { arguments, .. } => {
            let mut begins = item(says);
            begins["arguments"] = json!("");
            events.push(json!({ "type": "response.output_item.added", "output_index": 0, "item": begins }));
            events.extend(halves(&arguments.to_string()).map(|half| {
                json!({ "type": "response.function_call_arguments.delta", "item_id": "fc1", "output_index": 0, "delta": half })
            }));
        }
    }
    events.push(json!({ "type": "response.output_item.done", "output_index": 0, "item": item(says) }));
    events.push(json!({ "type": "response.completed", "response": response("completed") }));
    events
}

fn item(says: &Says) -> Value {
    match says {
        Says::Text(text) => json!({ "type": "message", "id": "m1", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }] }),
        Says::Call { id, tool, arguments } => {
            json!({ "type": "function_call", "id": "fc1", "call_id": id, "name": tool,
            "arguments": arguments.to_string(), "status": "completed" })
        }
    }
}

/// With a thought before, whose signature has to come back.
fn anthropic(says: &Says) -> Vec<Value> {
    let delta = |at: u32, delta: Value| json!({ "type": "content_block_delta", "index": at, "delta": delta });
    let stop = |at: u32| json!({ "type": "content_block_stop", "index": at });
    let start = |at: u32, block: Value| json!({ "type": "content_block_start", "index": at, "content_block": block });
    let mut events = vec![
        json!({ "type": "message_start", "message": { "id": "msg_1", "model": "claude-test", "usage": { "input_tokens": 3, "output_tokens": 1 } } }),
        start(0, json!({ "type": "thinking", "thinking": "", "signature": "" })),
        delta(0, json!({ "type": "thinking_delta", "thinking": "I had better look." })),
        delta(0, json!({ "type": "signature_delta", "signature": SIGNATURE })),
        stop(0),
    ];
    let reason = match says {
        Says::Text(text) => {
            events.push(start(1, json!({ "type": "text", "text": "" })));
            events.extend(halves(text).map(|half| delta(1, json!({ "type": "text_delta", "text": half }))));
            "end_turn"
        }
        Says::Call { id, tool, arguments } => {
            events.push(start(1, json!({ "type": "tool_use", "id": id, "name": tool, "input": {} })));
            let json = arguments.to_string();
            events.extend(
                halves(&json).map(|half| delta(1, json!({ "type": "input_json_delta", "partial_json": half }))),
            );
            "tool_use"
        }
    };
    events.push(stop(1));
    events
        .push(json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": { "output_tokens": 5 } }));
    events.push(json!({ "type": "message_stop" }));
    events
}

fn halves(text: &str) -> impl Iterator<Item = String> {
    let (first, second) = text.split_at(text.floor_char_boundary(text.len() / 2));
    [first.to_owned(), second.to_owned()].into_iter()
}

fn streamed(events: &[String]) -> Answer {
    let body = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    Answer { status: 200, headers: vec![("content-type", "text/event-stream")], body, then: Then::Ends }
}

fn whole(body: &Value) -> Answer {
    Answer {
        status: 200,
        headers: vec![("content-type", "application/json")],
        body: body.to_string(),
        then: Then::Ends,
    }
}
