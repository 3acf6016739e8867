//! Calls that a person has to confirm, through the socket of the running binary.

mod answering;
mod refusing;
mod surviving;

use std::path::PathBuf;

use orchestrator_testkit::{Builder, Daemon, Event, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An obedient model, an agent, and a directory it works on.
struct Stage(TempDir);

/// Writes a file.
const WRITE: &str = "@call fs_write {\"path\": \"made.txt\", \"content\": \"made\"}";

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        for directory in ["source", "agents", "charters"] {
            std::fs::create_dir(stage.0.path().join(directory))?;
        }
        stage.agent("coder", "")
    }

    /// An agent that works on the source, by what else its front matter says.
    fn agent(self, name: &str, front: &str) -> anyhow::Result<Self> {
        let text = format!("---\nworkspaceSource: main\nworkspace: shared\n{front}\n---\nYou do as you are told.\n");
        std::fs::write(self.0.path().join("agents").join(format!("{name}.md")), text)?;
        Ok(self)
    }

    fn charter(self, name: &str, text: &str) -> anyhow::Result<Self> {
        std::fs::write(self.0.path().join("charters").join(format!("{name}.yaml")), text)?;
        Ok(self)
    }

    fn made(&self) -> PathBuf {
        self.0.path().join("source").join("made.txt")
    }

    /// A daemon whose operator allows every tool, and wants calls that write files to be confirmed.
    fn daemon(&self) -> anyhow::Result<Builder> {
        let script = self.0.path().join("script.json");
        std::fs::write(&script, json!({ "obedient": true, "rules": [] }).to_string())?;
        Ok(Daemon::builder().without_rate_limits().config(json!({
            "models": {
                "providers": { "stage": { "kind": "scripted", "script": script } },
                "primary": "stage/scripted",
            },
            "agentFiles": { "directories": [self.0.path().join("agents")] },
            "charters": { "directory": self.0.path().join("charters") },
            "workspaces": { "sources": { "main": self.0.path().join("source") } },
            "tools": { "allow": ["*"], "confirm": ["fs.write"] },
            "tasks": { "sweepMs": 20 },
        })))
    }
}

/// Somebody who may answer, and did not ask.
async fn approver(daemon: &Daemon, name: &str) -> anyhow::Result<Socket> {
    let params = json!({ "kind": "apiKey", "subject": name, "scopes": ["daemon.read", "daemon.approve"] });
    let issued = daemon.admin_http().call("auth.token.issue", params).await?;
    Ok(daemon.socket(issued["token"].as_str().unwrap_or_default()).await)
}

/// Gives the agent a task, and waits until a call of it waits: the task and what waits.
async fn waits(socket: &mut Socket, prompt: &str) -> anyhow::Result<(Value, Value)> {
    socket.subscribe(&["task.*", "session.*", "approval.*"]).await;
    let spawned = socket.call("agent.spawn", json!({ "agent": "coder", "prompt": prompt })).await?;
    let task = spawned["taskId"].clone();
    let waiting = |event: &Event| event.name == "session.waiting" && event.payload["taskId"] == task;
    socket.events_until("the session waits", waiting).await;
    let page = socket.call("approval.list", json!({ "status": "pending" })).await?;
    let found = page["items"].as_array().into_iter().flatten().find(|one| one["taskId"] == task).cloned();
    Ok((task.clone(), found.ok_or_else(|| anyhow::anyhow!("nothing waits: {page}"))?))
}

/// How the task ended.
async fn ended(socket: &mut Socket, task: &Value) -> Event {
    let is_end = |event: &Event| {
        event.payload["taskId"] == *task && ["task.completed", "task.failed"].contains(&event.name.as_str())
    };
    socket.events_until("the task's end", is_end).await.pop().expect("it was waited for")
}

/// What was decided for the task, the oldest first: what, and how.
async fn decided(socket: &mut Socket, task: &Value) -> anyhow::Result<Vec<(String, String)>> {
    let page = socket.call("audit.list", json!({ "taskId": task })).await?;
    let text = |record: &Value, field: &str| record["entry"][field].as_str().unwrap_or_default().to_owned();
    let records = page["items"].as_array().cloned().unwrap_or_default();
    Ok(records.iter().rev().map(|record| (text(record, "action"), text(record, "decision"))).collect())
}
