//! An agent without a model, which speaks Claude Code's stream of JSON and does what the lines of its task that begin with `@` say:
//! for tests, and for trying a configuration without an account.
//!
//! `@say TEXT`, `@think TEXT`, `@tool NAME TEXT` (asks leave first; a text that is no JSON object is its `command`), `@json JSON` (a structured result), `@wait` (until something more is
//! said, and repeats it), `@hang` (until it is interrupted), `@crash` (once: going on, it finishes), `@noise`, `@limit`, `@fail SUBTYPE`.
//! With `FAKE_AGENT_MEMORY`, a folder, it knows its conversations again.

use std::io::{BufRead as _, StdinLock, Write as _, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

const CONVERSATION: &str = "00000000-0000-4000-8000-00000000000a";

struct Agent {
    input: std::io::Lines<StdinLock<'static>>,
    conversation: String,
    is_resumed: bool,
    said: String,
    answers: u64,
    requests: u64,
    structured: Option<Value>,
}

/// Why it stops before its task is done.
enum Stop {
    Interrupted,
    Crashed,
    Failed(String),
    Limited,
    /// Nobody says anything more.
    Gone,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1).cloned();
    for (name, value) in [("--input-format", "stream-json"), ("--output-format", "stream-json")] {
        if after(name).as_deref() != Some(value) {
            eprintln!("expected {name} {value}");
            return ExitCode::from(2);
        }
    }
    let resumed = after("--resume");
    if let (Some(id), Some(memory)) = (&resumed, memory())
        && !memory.join(id).exists()
    {
        eprintln!("No conversation found with session ID: {id}");
        return ExitCode::from(1);
    }
    let mut agent = Agent {
        input: stdin().lock().lines(),
        is_resumed: resumed.is_some(),
        conversation: resumed.unwrap_or_else(|| CONVERSATION.to_owned()),
        said: String::new(),
        answers: 0,
        requests: 0,
        structured: None,
    };
    if let Some(memory) = memory() {
        std::fs::write(memory.join(&agent.conversation), "").ok();
    }
    let model = after("--model").unwrap_or_else(|| "fake".to_owned());
    agent.print(json!({ "type": "system", "subtype": "init", "model": model, "tools": ["Bash"], "cwd": "/",
        "mcp_servers": [], "permissionMode": after("--permission-mode"), "claude_code_version": "0.0.0-fake" }));
    agent.serve()
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, which has no configuration")]
fn memory() -> Option<PathBuf> {
    std::env::var_os("FAKE_AGENT_MEMORY").map(PathBuf::from)
}

impl Agent {
    /// A turn for each thing that is said, until nobody says anything more.
    fn serve(&mut self) -> ExitCode {
        while let Some(text) = self.hear() {
            let outcome = self.turn(&text);
            match outcome {
                Ok(()) => self.result("success", false, &[]),
                Err(Stop::Crashed) => return ExitCode::from(3),
                Err(Stop::Interrupted) => self.result("error_during_execution", true, &["interrupted"]),
                Err(Stop::Failed(subtype)) => self.result(&subtype, true, &["as the task says"]),
                Err(Stop::Limited) => self.result("success", true, &[]),
                Err(Stop::Gone) => return ExitCode::SUCCESS,
            }
        }
        ExitCode::SUCCESS
    }

    fn turn(&mut self, text: &str) -> Result<(), Stop> {
        if self.is_resumed {
            let told = format!("resumed {}: {text}", self.conversation);
            self.say(&told);
            return Ok(());
        }
        let orders: Vec<String> = text.lines().filter_map(|line| line.strip_prefix('@')).map(str::to_owned).collect();
        if orders.is_empty() {
            self.say(text);
        }
        for order in orders {
            let (what, rest) = order.split_once(' ').unwrap_or((&order, ""));
            self.obey(what, rest)?;
        }
        Ok(())
    }

    fn obey(&mut self, what: &str, rest: &str) -> Result<(), Stop> {
        match what {
            "say" => self.say(rest),
            "think" => {
                self.block(&json!({ "type": "thinking", "thinking": rest, "signature": "c2ln" }), "thinking", rest)
            }
            "tool" => self.tool(rest)?,
            "json" => self.structured = serde_json::from_str(rest).ok(),
            "wait" => {
                let more = self.hear().ok_or(Stop::Gone)?;
                self.say(&format!("you said {more}"));
            }
            "hang" => loop {
                let line = self.next().ok_or(Stop::Gone)?;
                if line["request"]["subtype"] == "interrupt" {
                    return Err(Stop::Interrupted);
                }
            },
            "crash" => return Err(Stop::Crashed),
            "noise" => self.noise(),
            "limit" => {
                let reset = json!({ "status": "rejected", "resetsAt": 4_102_444_800_u64 });
                self.print(json!({ "type": "rate_limit_event", "rate_limit_info": reset }));
                self.answer(&json!({ "type": "text", "text": "You have hit your limit" }), Some("rate_limit"));
                return Err(Stop::Limited);
            }
            "fail" => return Err(Stop::Failed(rest.to_owned())),
            _ => self.say(&format!("what is @{what}?")),
        }
        Ok(())
    }

    fn noise(&mut self) {
        println!("this is no JSON");
        println!("{{\"type\": \"broken");
        println!("[1, 2]");
        self.print(json!({ "type": "of_tomorrow", "payload": [1] }));
        self.print(json!({ "type": "system", "subtype": "of_tomorrow" }));
        self.print(
            json!({ "type": "control_request", "request_id": "hook", "request": { "subtype": "hook_callback" } }),
        );
    }

    /// Asks leave, and does nothing.
    fn tool(&mut self, order: &str) -> Result<(), Stop> {
        let (name, command) = order.split_once(' ').unwrap_or((order, ""));
        self.requests += 1;
        let (call, request) = (format!("toolu_{}", self.requests), format!("ask_{}", self.requests));
        let whole = serde_json::from_str(command).ok().filter(Value::is_object);
        let input = whole.unwrap_or_else(|| json!({ "command": command }));
        self.answer(&json!({ "type": "tool_use", "id": call, "name": name, "input": input }), None);
        let asked = json!({ "subtype": "can_use_tool", "tool_name": name, "input": input, "tool_use_id": call });
        self.print(json!({ "type": "control_request", "request_id": request, "request": asked }));
        let response = loop {
            let line = self.next().ok_or(Stop::Gone)?;
            if line["request"]["subtype"] == "interrupt" {
                return Err(Stop::Interrupted);
            }
            if line["type"] == "control_response" && line["response"]["request_id"] == request {
                break line["response"]["response"].clone();
            }
        };
        let is_allowed = response["behavior"] == "allow" && response["updatedInput"] == input;
        let told = match is_allowed {
            true => format!("{name} did {command}"),
            false => response["message"].as_str().unwrap_or("denied").to_owned(),
        };
        let result = json!({ "type": "tool_result", "tool_use_id": call, "content": told, "is_error": !is_allowed });
        self.print(json!({ "type": "user", "message": { "role": "user", "content": [result] } }));
        self.say(&told);
        Ok(())
    }

    fn say(&mut self, text: &str) {
        self.said = text.to_owned();
        self.block(&json!({ "type": "text", "text": text }), "text", text);
    }

    /// In pieces, then as a whole.
    fn block(&mut self, block: &Value, kind: &str, text: &str) {
        let index = 0;
        for piece in text.split_inclusive(' ') {
            let delta = json!({ "type": format!("{kind}_delta"), kind: piece });
            let event = json!({ "type": "content_block_delta", "index": index, "delta": delta });
            self.print(json!({ "type": "stream_event", "event": event }));
        }
        self.print(json!({ "type": "stream_event", "event": { "type": "content_block_stop", "index": index } }));
        self.answer(block, None);
    }

    fn answer(&mut self, block: &Value, error: Option<&str>) {
        self.answers += 1;
        let usage = json!({ "input_tokens": 10, "output_tokens": 2 });
        let message = json!({ "id": format!("msg_{}", self.answers), "type": "message", "role": "assistant",
            "model": "fake", "content": [block], "stop_reason": null, "usage": usage });
        let mut said = json!({ "type": "assistant", "message": message });
        if let Some(error) = error {
            said["error"] = json!(error);
        }
        self.print(said);
    }

    fn result(&mut self, subtype: &str, is_error: bool, errors: &[&str]) {
        // A subagent read some more.
        let models = json!({ "fake": { "inputTokens": 10 * self.answers + 5, "outputTokens": 2 * self.answers,
            "cacheReadInputTokens": 0, "cacheCreationInputTokens": 0, "costUSD": 0.25 } });
        let mut result = json!({ "type": "result", "subtype": subtype, "is_error": is_error, "num_turns": self.answers,
            "duration_ms": 1, "duration_api_ms": 1, "total_cost_usd": 0.25, "stop_reason": null,
            "usage": { "input_tokens": 1, "output_tokens": 1 }, "modelUsage": models, "permission_denials": [] });
        match subtype {
            "success" => result["result"] = json!(self.said),
            _ => result["errors"] = json!(errors),
        }
        if let Some(structured) = self.structured.take() {
            result["structured_output"] = structured;
        }
        self.print(result);
    }

    /// What somebody says next; the protocol's own requests are answered meanwhile.
    fn hear(&mut self) -> Option<String> {
        loop {
            let line = self.next()?;
            if line["type"] == "user" {
                return line["message"]["content"][0]["text"].as_str().map(str::to_owned);
            }
            if line["request"]["subtype"] == "interrupt" {
                self.result("error_during_execution", true, &["interrupted"]);
            }
        }
    }

    fn next(&mut self) -> Option<Value> {
        let line = self.input.next()?.ok()?;
        let line: Value = serde_json::from_str(&line).ok()?;
        if line["type"] == "control_request" {
            let response = json!({ "subtype": "success", "request_id": line["request_id"], "response": {} });
            self.print(json!({ "type": "control_response", "response": response }));
        }
        Some(line)
    }

    fn print(&self, mut line: Value) {
        line["session_id"] = json!(self.conversation);
        line["uuid"] = json!("00000000-0000-4000-8000-000000000000");
        println!("{line}");
        stdout().flush().ok();
    }
}
