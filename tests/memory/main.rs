//! What is remembered, found and forgotten, through the socket of the running binary.

mod agents;
mod embedding;
mod erasing;
mod everywhere;
mod finding;
mod learning;
mod limits;
mod markdown;
mod reverting;
mod sessions;
mod summaries;

use orchestrator_rpc::Error;
use orchestrator_testkit::{Backend, Builder, Daemon, Ran, Socket, patiently, program};
use serde_json::{Value, json};

const BACKENDS: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

fn daemon(backend: Backend) -> Builder {
    Daemon::builder().backend(backend).without_rate_limits()
}

/// A fact that everybody of the organisation is to know.
async fn fact(socket: &mut Socket, text: &str) -> Value {
    store(socket, json!({ "content": text })).await.expect("a memory")["memoryId"].clone()
}

/// A fact, unless these parameters say otherwise.
async fn store(socket: &mut Socket, more: Value) -> Result<Value, Error> {
    let mut params = json!({ "tier": "semantic", "type": "fact" });
    if let (Value::Object(all), Value::Object(more)) = (&mut params, more) {
        all.extend(more);
    }
    socket.call("memory.store", params).await
}

/// What answers a question, the best first.
async fn found(socket: &mut Socket, question: &str) -> Vec<String> {
    let answer = socket.call("memory.query", json!({ "query": question })).await.expect("an answer");
    texts(&answer)
}

/// Waits until everything has its vector; by whom.
async fn embedded(socket: &mut Socket) -> anyhow::Result<String> {
    let all = async {
        loop {
            let stats = socket.call("memory.stats", json!({})).await?;
            if stats["unembedded"] == 0 {
                return Ok(stats["embedder"].as_str().unwrap_or_default().to_owned());
            }
        }
    };
    patiently("vectors", all).await
}

fn texts(answer: &Value) -> Vec<String> {
    let hits = answer["memories"].as_array().into_iter().flatten();
    hits.map(|hit| hit["memory"]["content"].as_str().unwrap_or_default().to_owned()).collect()
}

/// `orchestrator` with these arguments, as an administrator.
async fn cli(daemon: &Daemon, args: &[&str]) -> anyhow::Result<Ran> {
    let output = tokio::process::Command::new(program("orchestrator")?)
        .args(["--url", daemon.url(), "--token", daemon.admin_token()])
        .args(args)
        .output()
        .await?;
    Ok(output.into())
}
