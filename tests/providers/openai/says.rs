//! What models of these tests say, in the shapes of the two protocols.

use serde_json::{Value, json};

use crate::upstream::{Answer, Then};

pub(crate) const KEY: &str = "sk-of-a-test";

/// What a model of these tests says in chat completions; the end of the text is the third event.
const CHAT: [&str; 6] = [
    r#"{"id":"c1","model":"gpt-test","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
    r#"{"id":"c1","model":"gpt-test","choices":[{"index":0,"delta":{"content":"Grü"},"finish_reason":null}]}"#,
    r#"{"id":"c1","model":"gpt-test","choices":[{"index":0,"delta":{"content":"ezi."},"finish_reason":null}]}"#,
    r#"{"id":"c1","model":"gpt-test","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    r#"{"id":"c1","model":"gpt-test","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"#,
    "[DONE]",
];

/// And in Responses.
const RESPONSES: [&str; 6] = [
    r#"{"type":"response.created","response":{"id":"r1","model":"gpt-test","status":"in_progress","output":[]}}"#,
    r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Grü"}"#,
    r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"ezi."}"#,
    r#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"Grüezi."}"#,
    r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","id":"m1","role":"assistant","content":[{"type":"output_text","text":"Grüezi."}]}}"#,
    r#"{"type":"response.completed","response":{"id":"r1","model":"gpt-test","status":"completed","output":[],"usage":{"input_tokens":3,"output_tokens":5,"total_tokens":8}}}"#,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Responses,
}

impl Api {
    /// A provider that speaks so, asked for its answers in pieces or not.
    pub(crate) fn provider(self, url: &str, stream: bool) -> Value {
        let options = json!({ "api": self.by(["chat", "responses"]), "stream": stream });
        json!({ "kind": "openai", "apiKey": KEY, "baseUrl": format!("{url}/v1"), "model": "gpt-test", "openai": options })
    }

    pub(crate) fn streamed(self) -> impl Fn(&str) -> Value {
        move |url| self.provider(url, true)
    }

    pub(crate) fn whole(self) -> impl Fn(&str) -> Value {
        move |url| self.provider(url, false)
    }

    /// The first events of the answer.
    pub(crate) fn says(self, events: usize) -> Answer {
        let body = self.by([CHAT, RESPONSES])[..events].iter().map(|event| format!("data: {event}\n\n")).collect();
        Answer { status: 200, headers: vec![("content-type", "text/event-stream")], body, then: Then::Ends }
    }

    /// The answer in one piece.
    pub(crate) fn says_at_once(self) -> Answer {
        let choice =
            json!({ "index": 0, "message": { "role": "assistant", "content": "Grüezi." }, "finish_reason": "stop" });
        let item = json!({ "type": "message", "id": "m1", "role": "assistant",
            "content": [{ "type": "output_text", "text": "Grüezi." }] });
        found(&self.by([
            json!({ "id": "c1", "model": "gpt-test", "choices": [choice] }),
            json!({ "id": "r1", "model": "gpt-test", "status": "completed", "output": [item] }),
        ]))
    }

    pub(crate) fn path(self) -> &'static str {
        self.by(["/v1/chat/completions", "/v1/responses"])
    }

    pub(crate) fn by<T>(self, [chat, responses]: [T; 2]) -> T {
        match self {
            Self::Chat => chat,
            Self::Responses => responses,
        }
    }
}

pub(crate) fn found(body: &Value) -> Answer {
    Answer {
        status: 200,
        headers: vec![("content-type", "application/json")],
        body: body.to_string(),
        then: Then::Ends,
    }
}

pub(crate) fn fails(status: u16, kind: &str, code: Option<&str>, headers: &[(&'static str, &'static str)]) -> Answer {
    let body = json!({ "error": { "message": "not now", "type": kind, "param": null, "code": code } });
    Answer { status, headers: headers.to_vec(), ..found(&body) }
}
