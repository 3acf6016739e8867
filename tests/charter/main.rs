//! Charters, through the socket of the running binary.

mod files;
mod handing_on;
mod labels;
mod limits;
mod rejecting;

use std::path::PathBuf;

use orchestrator_testkit::{Builder, Daemon, Event, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An obedient model, agents and charters in files, and a directory they work on.
struct Stage(TempDir);

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        for directory in ["source", "agents", "charters"] {
            std::fs::create_dir(stage.0.path().join(directory))?;
        }
        std::fs::write(stage.source().join("notes.txt"), "one\ntwo\n")?;
        Ok(stage)
    }

    /// An agent that works on the source, by what else its front matter says.
    fn agent(self, name: &str, front: &str) -> anyhow::Result<Self> {
        let text = format!("---\nworkspaceSource: main\nworkspace: shared\n{front}\n---\nYou do as you are told.\n");
        std::fs::write(self.agents().join(format!("{name}.md")), text)?;
        Ok(self)
    }

    fn agents(&self) -> PathBuf {
        self.0.path().join("agents")
    }

    fn charter(self, name: &str, text: &str) -> anyhow::Result<Self> {
        std::fs::write(self.charters().join(format!("{name}.yaml")), text)?;
        Ok(self)
    }

    fn charters(&self) -> PathBuf {
        self.0.path().join("charters")
    }

    fn source(&self) -> PathBuf {
        self.0.path().join("source")
    }

    /// A daemon whose operator allows every tool, and whose model obeys every text.
    fn daemon(&self) -> anyhow::Result<Builder> {
        self.daemon_with(json!({ "obedient": true, "rules": [] }))
    }

    fn daemon_with(&self, script: Value) -> anyhow::Result<Builder> {
        let path = self.0.path().join("script.json");
        std::fs::write(&path, script.to_string())?;
        Ok(Daemon::builder().without_rate_limits().config(json!({
            "models": {
                "providers": { "stage": { "kind": "scripted", "script": path } },
                "primary": "stage/scripted",
            },
            "agentFiles": { "directories": [self.agents()] },
            "charters": { "directory": self.charters() },
            "workspaces": { "sources": { "main": self.source() } },
            "tools": { "allow": ["*"] },
            "tasks": { "sweepMs": 20 },
        })))
    }
}

/// Gives a task to an agent and waits for its end: `task.completed` or `task.failed`.
async fn worked(socket: &mut Socket, agent: &str, prompt: &str) -> anyhow::Result<Event> {
    let spawned = socket.call("agent.spawn", json!({ "agent": agent, "prompt": prompt })).await?;
    Ok(task_ended(socket, &spawned["taskId"]).await)
}

async fn task_ended(socket: &mut Socket, task: &Value) -> Event {
    let is_end = |event: &Event| {
        event.payload["taskId"] == *task && ["task.completed", "task.failed"].contains(&event.name.as_str())
    };
    socket.events_until("the task's end", is_end).await.pop().expect("it was waited for")
}

/// All that the journal of a task's session says, as one text.
async fn journal(socket: &mut Socket, task: &Value) -> anyhow::Result<String> {
    let sessions = socket.call("session.list", json!({ "limit": 200 })).await?;
    let of_task = |session: &&Value| session["taskId"] == *task;
    let found = sessions["sessions"].as_array().into_iter().flatten().find(of_task).cloned().unwrap_or_default();
    let page = socket.call("session.history", json!({ "sessionId": found["id"], "limit": 200 })).await?;
    Ok(page["entries"].to_string())
}
