//! A server of the Model Context Protocol on standard streams that misbehaves as it is told to: for tests.
//!
//! `fake_server [--silent] [WORDS]`. WORDS is a file with the description of `echo`; `change` writes another one into it. Its tools:
//! `echo TEXT` says it again, `change TEXT`, `die` (in the middle of the call), `hang` (never answers), `progress` (tells of two
//! steps), `fail` (an error of the tool), `refuse` (an error of the protocol), `variable NAME` (one of its own variables). With
//! `--silent` it reads and says nothing.

use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::path::PathBuf;

use serde_json::{Value, json};

const WORDS: &str = "Says it again";

struct Server {
    words: Option<PathBuf>,
    is_silent: bool,
}

fn main() {
    let mut server = Server { words: None, is_silent: false };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--silent" => server.is_silent = true,
            path => server.words = Some(path.into()),
        }
    }
    eprintln!("a fake server is there");
    for line in stdin().lock().lines() {
        let Ok(line) = line else { return };
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        if !server.is_silent {
            server.hear(&message);
        }
    }
}

impl Server {
    fn hear(&self, message: &Value) {
        let id = &message["id"];
        if id.is_null() {
            return;
        }
        let result = match message["method"].as_str().unwrap_or_default() {
            "initialize" => json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": { "tools": { "listChanged": true } },
                "serverInfo": { "name": "fake", "version": "1" },
            }),
            "tools/list" => json!({ "tools": self.tools() }),
            "tools/call" => return self.call(id, &message["params"]),
            _ => json!({}),
        };
        say(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
    }

    fn tools(&self) -> Vec<Value> {
        let words = self.words.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let echo = words.unwrap_or_else(|| WORDS.to_owned());
        let text = json!({ "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] });
        let tool = |name: &str, description: &str, schema: &Value| json!({ "name": name, "description": description, "inputSchema": schema });
        let mut tools = vec![tool("echo", &echo, &text), tool("change", "Changes echo", &text)];
        tools.push(tool("variable", "Tells a variable", &text));
        let others = ["die", "hang", "progress", "fail", "refuse"];
        tools.extend(others.map(|name| tool(name, "Misbehaves", &json!({ "type": "object" }))));
        tools
    }

    fn call(&self, id: &Value, params: &Value) {
        let text = params["arguments"]["text"].as_str().unwrap_or_default();
        match params["name"].as_str().unwrap_or_default() {
            "echo" => answer(id, text, false),
            "variable" => answer(id, &variable(text), false),
            "change" => {
                if let Some(path) = &self.words {
                    std::fs::write(path, text).expect("the file can be written");
                }
                say(&json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }));
                answer(id, "changed", false);
            }
            "progress" => {
                for step in 1..=2 {
                    let token = &params["_meta"]["progressToken"];
                    let told = json!({ "progressToken": token, "progress": step, "total": 2, "message": "a step" });
                    say(&json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": told }));
                }
                answer(id, "done", false);
            }
            "die" => {
                eprintln!("dying as told");
                std::process::exit(3);
            }
            "hang" => {}
            "fail" => answer(id, "it failed", true),
            _ => say(&json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32603, "message": "refused as told" } })),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what it was given is what is to be told")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| "(not set)".to_owned())
}

fn answer(id: &Value, text: &str, is_error: bool) {
    let result = json!({ "content": [{ "type": "text", "text": text }], "isError": is_error });
    say(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
}

fn say(message: &Value) {
    let mut out = stdout().lock();
    // Nobody may be there any more.
    let _ = writeln!(out, "{message}").and_then(|()| out.flush());
}
