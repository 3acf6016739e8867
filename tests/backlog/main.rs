//! The backlog at work, through the socket of the running binary, on SQLite and on PostgreSQL.

mod create;
mod graph;
mod order;
mod pull;
mod races;
mod rest;
mod schedules;
mod sessions;
mod waiting;
mod work;

use orchestrator_testkit::{Backend, Builder, Daemon, Socket};
use serde_json::{Value, json};

/// A daemon that looks at the time often, so that tests need not wait for it.
fn daemon(backend: Backend) -> Builder {
    Daemon::builder().backend(backend).without_rate_limits().config(json!({"tasks": {"sweepMs": 20}}))
}

async fn create(socket: &mut Socket, draft: Value) -> anyhow::Result<Value> {
    Ok(socket.call("task.create", draft).await?)
}

async fn create_many(socket: &mut Socket, drafts: Vec<Value>) -> anyhow::Result<Vec<Value>> {
    Ok(items(&socket.call("task.createMany", json!({"tasks": drafts})).await?))
}

async fn get(socket: &mut Socket, id: &Value) -> anyhow::Result<Value> {
    Ok(socket.call("task.get", json!({"taskId": id})).await?)
}

/// Registers an agent that claims by itself.
async fn worker(socket: &mut Socket, name: &str, max_concurrent: u32) -> anyhow::Result<()> {
    socket.call("agent.register", json!({"agentId": name, "maxConcurrent": max_concurrent})).await?;
    Ok(())
}

async fn claim(socket: &mut Socket, agent: &str, limit: usize) -> anyhow::Result<Vec<Value>> {
    Ok(items(&socket.call("task.claim", json!({"agentId": agent, "limit": limit})).await?))
}

async fn complete(socket: &mut Socket, claim: &Value) -> anyhow::Result<Value> {
    let params = json!({"taskId": claim["task"]["id"], "fence": claim["fence"], "result": "done"});
    Ok(socket.call("task.complete", params).await?)
}

fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().cloned().unwrap_or_default()
}

fn titles(claims: &[Value]) -> Vec<&str> {
    claims.iter().map(|claim| claim["task"]["title"].as_str().unwrap_or_default()).collect()
}
