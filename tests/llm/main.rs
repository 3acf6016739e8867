//! Agents that are language models with tools, through the socket of the running binary.

mod fetching;
mod going_on;
mod people;
mod tools;
mod web;
mod working;

use std::path::PathBuf;

use orchestrator_testkit::{Builder, Daemon, Event, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A scripted model, agents in files, and a directory they work on.
struct Stage(TempDir);

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        std::fs::create_dir_all(stage.source())?;
        std::fs::write(stage.source().join("notes.txt"), "one\ntwo\n")?;
        Ok(stage)
    }

    /// An agent by its front matter.
    fn agent(self, name: &str, front: &str) -> anyhow::Result<Self> {
        let directory = self.0.path().join("agents");
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join(format!("{name}.md")), format!("---\n{front}\n---\nYou do as you are told.\n"))?;
        Ok(self)
    }

    fn source(&self) -> PathBuf {
        self.0.path().join("source")
    }

    /// A daemon whose model follows these rules, and whose operator allows these tools.
    fn daemon(&self, rules: Value, allow: &[&str]) -> anyhow::Result<Builder> {
        let script = self.0.path().join("script.json");
        std::fs::write(&script, json!({ "rules": rules }).to_string())?;
        Ok(Daemon::builder().without_rate_limits().config(json!({
            "models": {
                "providers": { "stage": { "kind": "scripted", "script": script } },
                "primary": "stage/scripted",
            },
            "agentFiles": { "directories": [self.0.path().join("agents")] },
            "workspaces": { "sources": { "main": self.source() } },
            "tools": { "allow": allow },
            "tasks": { "sweepMs": 20 },
        })))
    }
}

/// The answer of one turn.
fn turn(number: u32, say: Value) -> Value {
    json!({ "when": { "turn": number }, "say": say })
}

fn call(tool: &str, arguments: Value) -> Value {
    json!({ "call": { "tool": tool, "arguments": arguments } })
}

/// Gives a task to an agent and waits for its end: `task.completed` or `task.failed`.
async fn worked(socket: &mut Socket, agent: &str, prompt: &str) -> anyhow::Result<Event> {
    let spawned = socket.call("agent.spawn", json!({ "agent": agent, "prompt": prompt })).await?;
    Ok(ended(socket, &spawned["taskId"]).await)
}

async fn ended(socket: &mut Socket, task: &Value) -> Event {
    let is_end = |event: &Event| {
        event.payload["taskId"] == *task && ["task.completed", "task.failed"].contains(&event.name.as_str())
    };
    socket.events_until("the task's end", is_end).await.pop().expect("it was waited for")
}

/// The session that worked on a task.
async fn session(socket: &mut Socket, task: &Value) -> anyhow::Result<Value> {
    let sessions = socket.call("session.list", json!({ "limit": 200 })).await?;
    let of_task = |session: &&Value| session["taskId"] == *task;
    let found = sessions["sessions"].as_array().into_iter().flatten().find(of_task).cloned();
    found.ok_or_else(|| anyhow::anyhow!("no session for {task}: {sessions}"))
}

async fn history(socket: &mut Socket, session: &Value) -> anyhow::Result<Vec<Value>> {
    let page = socket.call("session.history", json!({ "sessionId": session["id"], "limit": 200 })).await?;
    Ok(page["entries"].as_array().cloned().unwrap_or_default())
}

/// The kinds of the entries, in order.
fn kinds(entries: &[Value]) -> Vec<&str> {
    entries.iter().filter_map(|entry| entry["entry"]["kind"].as_str()).collect()
}
