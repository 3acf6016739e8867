//! Language models through the socket: scripted ones, with scripted faults.

mod chat;
mod embedding;
mod faults;
mod operator;
mod retirement;
mod streams;

use std::path::Path;

use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

/// Writes scripts into a directory that lives as long as the test.
fn scripts(directory: &Path, rules: &[(&str, Value)]) -> Value {
    let provider = |(name, script): &(&str, Value)| {
        let path = directory.join(format!("{name}.json"));
        std::fs::write(&path, script.to_string()).expect("a writable directory");
        ((*name).to_owned(), json!({ "kind": "scripted", "script": path }))
    };
    Value::Object(rules.iter().map(provider).collect())
}

/// Says its name.
fn well(name: &str) -> Value {
    json!({ "rules": [{ "say": [{ "text": format!("{name} says hello") }] }] })
}

/// Fails so often, then is well.
fn sick(name: &str, times: u32, fault: &Value) -> Value {
    json!({ "rules": [{ "times": times, "fault": fault }, { "say": [{ "text": format!("{name} says hello") }] }] })
}

/// A daemon with two providers, the first of them primary. Limits are short, so that nobody waits.
async fn daemon(directory: &Path, providers: &[(&str, Value)], limits: Value) -> anyhow::Result<Daemon> {
    let mut names = providers.iter().map(|(name, _)| format!("{name}/m"));
    let models = json!({
        "providers": scripts(directory, providers),
        "primary": names.next(),
        "fallbacks": names.collect::<Vec<_>>(),
        "limits": limits,
    });
    Daemon::builder().without_rate_limits().config(json!({ "models": models })).start().await
}

fn hello() -> Value {
    json!({ "messages": [{ "role": "user", "content": "hello" }] })
}

async fn ask(socket: &mut Socket) -> Result<Value, orchestrator_rpc::Error> {
    socket.call("model.chat", hello()).await
}

fn text(answer: &Value) -> &str {
    answer["message"]["content"][0]["text"].as_str().unwrap_or_default()
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
