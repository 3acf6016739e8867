//! Who is told of what happens, through the socket of the running binary.

mod readiness;
mod receiver;
mod routes;
mod sinks;
mod verbs;

use std::path::Path;

use orchestrator_testkit::{Builder, Daemon};
use serde_json::{Value, json};

use receiver::{Receiver, SECRET};

/// What each answer of the scripted model uses.
const EACH: u64 = 7;

/// A daemon with a scripted model whose organisations have money for one answer, that tells `receiver` of `events`.
fn daemon(directory: &Path, receiver: &Receiver, events: &[&str]) -> anyhow::Result<Builder> {
    let script = directory.join("script.json");
    let rules = json!([{ "say": [{ "text": "yes" }], "usage": { "input": 2, "output": 5 } }]);
    std::fs::write(&script, json!({ "rules": rules }).to_string())?;
    let providers = json!({ "stage": { "kind": "scripted", "script": script } });
    let models = json!({ "providers": providers, "primary": "stage/m" });
    let config = json!({ "models": models, "budget": { "daily": EACH }, "notify": notify(receiver, events) });
    Ok(Daemon::builder().without_rate_limits().config(config))
}

fn notify(receiver: &Receiver, events: &[&str]) -> Value {
    let ops = json!({ "kind": "webhook", "url": receiver.url(), "secret": SECRET });
    let bounds = json!({ "backoffFirstMs": 20, "backoffMaxMs": 100, "attemptsMax": 50, "perMinute": 600 });
    json!({
        "destinations": { "ops": ops }, "routes": [{ "events": events, "to": ["ops"] }],
        "allowNetworks": ["127.0.0.0/8"], "bounds": bounds,
    })
}

fn asked() -> Value {
    json!({ "messages": [{ "role": "user", "content": "hello" }], "maxTokens": 5 })
}
