//! What an agent says, a line each. What is unknown is passed over.

use orchestrator_transcript::{Block, Content, ImageSource, ToolCall, ToolResult, ToolResultPart, Usage};
use orchestrator_vocab::Label;
use serde_json::Value;

/// Who made what has no form of its own.
const MAKER: &str = "claude-code";

#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// The agent is ready, and this is how it is told to go on later.
    Init { conversation: String, facts: Value },
    /// A piece of what it writes.
    Piece { parent: Option<String>, block: u64, piece: Piece },
    /// What it wrote, block by block. Blocks of one answer have the same id.
    Answer(Box<Answer>),
    /// What came of calls.
    Results { parent: Option<String>, results: Vec<ToolResult> },
    /// A call takes its time.
    Progress { call: String, tool: String, seconds: f64 },
    /// Its own rules denied a call.
    Denied { call: String, reason: String },
    /// Its provider wants to be left alone, until then in seconds since 1970.
    Limited { until: Option<i64> },
    /// It asks leave.
    Asks { request: String, call: String, tool: String, input: Value, why: Option<String> },
    /// It asks for something else.
    Wants { request: String, what: String },
    /// It does not want to know any more.
    Withdrawn { request: String },
    /// A turn is over.
    Ended(Box<Ended>),
}

#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    Thinking(String),
    Arguments(String),
    /// The block is over.
    Stop,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) id: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) usage: Usage,
    pub(crate) stop: Option<String>,
    /// Why its provider did not answer, in one word.
    pub(crate) error: Option<String>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Ended {
    pub(crate) subtype: String,
    pub(crate) is_error: bool,
    pub(crate) text: Option<String>,
    pub(crate) structured: Option<Value>,
    pub(crate) errors: Vec<String>,
    pub(crate) turns: u64,
    pub(crate) cost_usd: Option<f64>,
    /// Of all models, subagents included.
    pub(crate) usage: Option<Usage>,
    pub(crate) models: Value,
    /// Turns that come by themselves.
    pub(crate) queued: u64,
}

impl Heard {
    /// What a line says; `None` if that is of no concern, or no JSON.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = line.trim_start();
        if !line.starts_with('{') {
            return None;
        }
        let said: Value = serde_json::from_str(line).ok()?;
        match text(&said, "type")?.as_str() {
            "system" => system(&said),
            "stream_event" => piece(&said),
            "assistant" => answer(&said),
            "user" => results(&said),
            "tool_progress" => Some(Self::Progress {
                call: text(&said, "tool_use_id")?,
                tool: text(&said, "tool_name").unwrap_or_default(),
                seconds: said["elapsed_time_seconds"].as_f64().unwrap_or_default(),
            }),
            "rate_limit_event" => {
                let info = &said["rate_limit_info"];
                (info["status"] == "rejected").then(|| Self::Limited { until: info["resetsAt"].as_i64() })
            }
            "control_request" => request(&said),
            "control_cancel_request" => Some(Self::Withdrawn { request: text(&said, "request_id")? }),
            "result" => Some(Self::Ended(Box::new(ended(&said)))),
            _ => None,
        }
    }
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}

fn parent(said: &Value) -> Option<String> {
    text(said, "parent_tool_use_id")
}

fn system(said: &Value) -> Option<Heard> {
    match said["subtype"].as_str()? {
        "init" => {
            let named =
                ["model", "claude_code_version", "permissionMode", "cwd", "tools", "mcp_servers", "skills", "agents"];
            let facts = named.iter().filter_map(|name| Some(((*name).to_owned(), said.get(*name)?.clone()))).collect();
            Some(Heard::Init { conversation: text(said, "session_id")?, facts: Value::Object(facts) })
        }
        "permission_denied" => {
            Some(Heard::Denied { call: text(said, "tool_use_id")?, reason: text(said, "message").unwrap_or_default() })
        }
        _ => None,
    }
}

fn piece(said: &Value) -> Option<Heard> {
    let event = &said["event"];
    let block = event["index"].as_u64().unwrap_or_default();
    let piece = match event["type"].as_str()? {
        "content_block_stop" => Piece::Stop,
        "content_block_delta" => {
            let delta = &event["delta"];
            match delta["type"].as_str()? {
                "text_delta" => Piece::Text(text(delta, "text")?),
                "thinking_delta" => Piece::Thinking(text(delta, "thinking")?),
                "input_json_delta" => Piece::Arguments(text(delta, "partial_json")?),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Heard::Piece { parent: parent(said), block, piece })
}

fn answer(said: &Value) -> Option<Heard> {
    let message = &said["message"];
    let blocks = message["content"].as_array()?.iter().map(|block| Block::new(Label::default(), content(block)));
    Some(Heard::Answer(Box::new(Answer {
        id: text(message, "id"),
        parent: parent(said),
        model: text(message, "model"),
        blocks: blocks.collect(),
        usage: usage(&message["usage"]),
        stop: text(message, "stop_reason"),
        error: text(said, "error"),
    })))
}

fn content(block: &Value) -> Content {
    let opaque = || Content::Opaque { provider: MAKER.to_owned(), value: block.clone() };
    let known = || {
        Some(match block["type"].as_str()? {
            "text" => Content::Text { text: text(block, "text")? },
            "thinking" => Content::Thinking { text: text(block, "thinking")?, signature: text(block, "signature") },
            "redacted_thinking" => Content::RedactedThinking { data: text(block, "data")? },
            "tool_use" => Content::ToolCall(ToolCall {
                id: text(block, "id")?,
                name: text(block, "name")?,
                arguments: block.get("input").filter(|input| input.is_object())?.clone(),
                malformed: None,
            }),
            _ => return None,
        })
    };
    known().unwrap_or_else(opaque)
}

fn results(said: &Value) -> Option<Heard> {
    let blocks = said["message"]["content"].as_array()?;
    let result = |block: &Value| {
        (block["type"] == "tool_result").then_some(())?;
        Some(ToolResult {
            call_id: text(block, "tool_use_id")?,
            content: parts(&block["content"]),
            is_error: block["is_error"] == true,
        })
    };
    let results: Vec<ToolResult> = blocks.iter().filter_map(result).collect();
    (!results.is_empty()).then(|| Heard::Results { parent: parent(said), results })
}

fn parts(content: &Value) -> Vec<ToolResultPart> {
    let part = |part: &Value| match part["type"].as_str() {
        Some("text") => ToolResultPart::Text { text: text(part, "text").unwrap_or_default() },
        Some("image") if part["source"]["type"] == "base64" => {
            let of = |field| text(&part["source"], field).unwrap_or_default();
            ToolResultPart::Image { source: ImageSource::Base64 { media_type: of("media_type"), data: of("data") } }
        }
        _ => ToolResultPart::Text { text: part.to_string() },
    };
    match content {
        Value::String(text) => vec![ToolResultPart::Text { text: text.clone() }],
        Value::Array(items) => items.iter().map(part).collect(),
        Value::Null => Vec::new(),
        other => vec![ToolResultPart::Text { text: other.to_string() }],
    }
}

fn request(said: &Value) -> Option<Heard> {
    let (id, request) = (text(said, "request_id")?, &said["request"]);
    let what = text(request, "subtype").unwrap_or_default();
    match (what.as_str(), text(request, "tool_name")) {
        ("can_use_tool", Some(tool)) => Some(Heard::Asks {
            call: text(request, "tool_use_id").unwrap_or_else(|| id.clone()),
            request: id,
            tool,
            input: request.get("input").cloned().unwrap_or_default(),
            why: text(request, "decision_reason").or_else(|| text(request, "description")),
        }),
        _ => Some(Heard::Wants { request: id, what }),
    }
}

fn ended(said: &Value) -> Ended {
    let models = said["modelUsage"].as_object();
    let number = |of: &Value, field: &str| of[field].as_u64().unwrap_or_default();
    let of_model = |model: &Value| {
        let hour = number(model, "cacheCreationEphemeral1hInputTokens");
        Usage {
            input: number(model, "inputTokens"),
            cache_read: number(model, "cacheReadInputTokens"),
            cache_write_5m: number(model, "cacheCreationInputTokens").saturating_sub(hour),
            cache_write_1h: hour,
            output: number(model, "outputTokens"),
            reasoning: number(model, "thinkingTokens"),
        }
    };
    Ended {
        subtype: text(said, "subtype").unwrap_or_default(),
        is_error: said["is_error"] == true,
        text: text(said, "result"),
        structured: said.get("structured_output").filter(|value| !value.is_null()).cloned(),
        errors: said["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|error| error.as_str().map(str::to_owned))
            .collect(),
        turns: number(said, "num_turns"),
        cost_usd: said["total_cost_usd"].as_f64(),
        usage: models.map(|models| models.values().map(of_model).fold(Usage::default(), |sum, usage| sum + usage)),
        models: said.get("modelUsage").cloned().unwrap_or_default(),
        queued: number(said, "queued_turn_count"),
    }
}

/// As the Messages protocol counts: input without what came from a cache or went into one.
fn usage(said: &Value) -> Usage {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let hour = number(&said["cache_creation"]["ephemeral_1h_input_tokens"]);
    Usage {
        input: number(&said["input_tokens"]),
        cache_read: number(&said["cache_read_input_tokens"]),
        cache_write_5m: number(&said["cache_creation_input_tokens"]).saturating_sub(hour),
        cache_write_1h: hour,
        output: number(&said["output_tokens"]),
        reasoning: 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn heard(said: &Value) -> Option<Heard> {
        Heard::parse(&said.to_string())
    }

    #[test]
    fn what_matters_is_understood() {
        let init = json!({ "type": "system", "subtype": "init", "session_id": "s", "model": "m", "new_field": 1 });
        let facts = json!({ "model": "m" });
        assert_eq!(heard(&init), Some(Heard::Init { conversation: "s".into(), facts }));
        let delta = json!({ "type": "text_delta", "text": "hi" });
        let event = json!({ "type": "content_block_delta", "index": 2, "delta": delta });
        let piece = json!({ "type": "stream_event", "event": event, "parent_tool_use_id": null });
        assert_eq!(heard(&piece), Some(Heard::Piece { parent: None, block: 2, piece: Piece::Text("hi".into()) }));
        let info = json!({ "status": "rejected", "resetsAt": 1_700_000_000 });
        let limited = heard(&json!({ "type": "rate_limit_event", "rate_limit_info": info }));
        assert_eq!(limited, Some(Heard::Limited { until: Some(1_700_000_000) }));
        let input = json!({ "command": "ls" });
        let request = json!({ "subtype": "can_use_tool", "tool_name": "Bash", "input": input, "tool_use_id": "t" });
        let asks = heard(&json!({ "type": "control_request", "request_id": "r", "request": request }));
        let expected = Heard::Asks { request: "r".into(), call: "t".into(), tool: "Bash".into(), input, why: None };
        assert_eq!(asks, Some(expected));
        let other = json!({ "type": "control_request", "request_id": "r", "request": { "subtype": "hook_callback" } });
        assert_eq!(heard(&other), Some(Heard::Wants { request: "r".into(), what: "hook_callback".into() }));
    }

    #[test]
    fn usage_is_that_of_all_models() {
        let model = |output: u64| {
            json!({ "inputTokens": 1, "outputTokens": output, "cacheReadInputTokens": 2,
            "cacheCreationInputTokens": 5, "cacheCreationEphemeral1hInputTokens": 3, "costUSD": 0.1 })
        };
        let said = json!({ "type": "result", "subtype": "success", "is_error": false, "result": "done",
            "total_cost_usd": 0.2, "num_turns": 2, "usage": { "output_tokens": 1 },
            "modelUsage": { "a": model(7), "b": model(8) } });
        let Some(Heard::Ended(ended)) = heard(&said) else { panic!("a result") };
        let expected =
            Usage { input: 2, cache_read: 4, cache_write_5m: 4, cache_write_1h: 6, output: 15, reasoning: 0 };
        assert_eq!((ended.usage, ended.text.as_deref(), ended.cost_usd), (Some(expected), Some("done"), Some(0.2)));
    }

    #[test]
    fn what_has_no_form_of_its_own_is_kept() {
        let unknown = json!({ "type": "server_tool_use", "id": "x" });
        let content = json!([{ "type": "text", "text": "a" }, unknown]);
        let said = json!({ "type": "assistant", "message": { "id": "m", "content": content, "usage": {} } });
        let Some(Heard::Answer(answer)) = heard(&said) else { panic!("an answer") };
        assert_eq!(answer.blocks[1].content, Content::Opaque { provider: MAKER.into(), value: unknown });
    }

    proptest! {
        #[test]
        fn no_line_makes_parsing_panic(
            kind in "system|assistant|user|result|stream_event|control_request|rate_limit_event|x",
            rest in "[\\PC]{0,80}",
        ) {
            let _ = Heard::parse(&rest);
            let _ = Heard::parse(&format!("{{\"type\":\"{kind}\",\"message\":{rest}}}"));
            let _ = Heard::parse(&json!({ "type": kind, "message": rest, "request": rest, "event": [rest] }).to_string());
        }
    }
}
