//! Budgets through the socket of the running binary: what is refused, what is spent, and what a kill leaves.

mod charters;
mod degrading;
mod exact;
mod pace;
mod sessions;
mod verbs;

use std::path::Path;

use orchestrator_testkit::{Builder, Daemon, Socket, patiently};
use serde_json::{Value, json};

/// What each answer of the scripted model uses, and is expected to: its question is two tokens long, its answer bounded to five.
const EACH: u64 = 7;

/// A daemon with one scripted model.
fn daemon(directory: &Path, rules: &Value, budget: Value) -> anyhow::Result<Builder> {
    let script = directory.join("script.json");
    std::fs::write(&script, json!({ "rules": rules }).to_string())?;
    let providers = json!({ "stage": { "kind": "scripted", "script": script, "maxConcurrent": 1000 } });
    let models = json!({ "providers": providers, "primary": "stage/m" });
    Ok(Daemon::builder().without_rate_limits().config(json!({ "models": models, "budget": budget })))
}

/// Says yes at once, or never comes to it.
fn rules() -> Value {
    json!([
        { "when": { "says": "wait" }, "delayMs": 600_000, "say": [{ "text": "late" }] },
        { "when": { "says": "slow" }, "pieceDelayMs": 600_000, "pieceChars": 1, "say": [{ "text": "slowly" }] },
        { "say": [{ "text": "yes" }], "usage": { "input": 2, "output": 5 } },
    ])
}

fn asked(text: &str) -> Value {
    json!({ "messages": [{ "role": "user", "content": text }], "maxTokens": 5 })
}

/// Spent and reserved of the organisation today.
async fn today(socket: &mut Socket) -> (u64, u64) {
    let status = socket.call("budget.status", json!({})).await.expect("a status");
    let limits = status["limits"].as_array().cloned().unwrap_or_default();
    let is_wanted = |limit: &&Value| limit["scope"] == "organisation" && limit["limit"]["window"] == "day";
    let day = limits.iter().find(is_wanted).expect("a day is limited");
    let tokens = |field: &str| day[field]["tokens"].as_u64().expect("a number");
    (tokens("spent"), tokens("reserved"))
}

/// Waits until so much is reserved.
async fn until_reserved(socket: &mut Socket, tokens: u64) {
    let reserved = async { while today(socket).await.1 != tokens {} };
    patiently("what is reserved to change", reserved).await;
}

async fn last_spending(socket: &mut Socket) -> Value {
    let page = socket.call("usage.list", json!({ "limit": 1 })).await.expect("a page");
    page["items"][0].clone()
}
