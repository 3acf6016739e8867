//! Agents that the command line of a coding agent runs, through the socket of the running binary. The command line is the example
//! of `orchestrator-runtime-claude`: it speaks the protocol, needs no account, and does what its task says.

mod going_on;
mod labels;
mod leave;
mod working;

use std::path::{Path, PathBuf};

use orchestrator_testkit::{Builder, Daemon, Event, Socket, program};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Tells what it was started with, starts something of its own that outlives it, and becomes the agent.
const WRAPPER: &str = "printf '%s\\n' \"$@\" > $NOTES/arguments; env > $NOTES/environment; pwd > $NOTES/directory; \
                       sleep 600 >/dev/null 2>&1 & echo $! > $NOTES/child; exec \"$0\" \"$@\"";

/// Agents in files, a directory they work on, and what the command line notes down.
struct Stage(TempDir);

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        for directory in ["agents", "source", "notes"] {
            std::fs::create_dir(stage.path(directory))?;
        }
        std::fs::write(stage.path("source/notes.txt"), "one\ntwo\n")?;
        Ok(stage)
    }

    /// An agent that is run by `claude-code`, by the rest of its front matter.
    fn agent(self, name: &str, front: &str) -> anyhow::Result<Self> {
        let text = format!("---\nruntime: claude-code\n{front}\n---\nYou write code.\n");
        std::fs::write(self.path("agents").join(format!("{name}.md")), text)?;
        Ok(self)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn noted(&self, name: &str) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.path("notes").join(name))?)
    }

    /// Without a command line.
    fn unconfigured(&self, allow: &[&str]) -> Builder {
        Daemon::builder().without_rate_limits().config(json!({
            "agentFiles": { "directories": [self.path("agents")] },
            "workspaces": { "sources": { "main": self.path("source") } },
            "tools": { "allow": allow },
            "tasks": { "sweepMs": 20 },
        }))
    }

    fn daemon(&self, allow: &[&str]) -> anyhow::Result<Builder> {
        Ok(self.unconfigured(allow).config(json!({ "codingAgents": { "claude-code": self.command_line()? } })))
    }

    fn command_line(&self) -> anyhow::Result<Value> {
        let agent = program("examples/fake_agent")?;
        let notes = self.path("notes");
        Ok(json!({
            "command": ["/bin/sh", "-c", WRAPPER, agent],
            "environment": { "set": { "NOTES": notes, "FAKE_AGENT_MEMORY": notes, "PATH": "/usr/bin:/bin" } },
            "disallowedTools": ["Telepathy"],
            "systemPrompt": "You are one of many.",
            "turnsMax": 9,
            "graceMs": 2_000,
        }))
    }
}

async fn spawn(socket: &mut Socket, agent: &str, prompt: &str) -> anyhow::Result<Value> {
    Ok(socket.call("agent.spawn", json!({ "agent": agent, "prompt": prompt })).await?["taskId"].clone())
}

/// Gives a task to an agent and waits for its end: `task.completed` or `task.failed`.
async fn worked(socket: &mut Socket, agent: &str, prompt: &str) -> anyhow::Result<Event> {
    let task = spawn(socket, agent, prompt).await?;
    Ok(ended(socket, &task).await.pop().expect("it was waited for"))
}

/// Everything until then.
async fn ended(socket: &mut Socket, task: &Value) -> Vec<Event> {
    let is_end = |event: &Event| {
        event.payload["taskId"] == *task && ["task.completed", "task.failed"].contains(&event.name.as_str())
    };
    socket.events_until("the task's end", is_end).await
}

async fn until_said(socket: &mut Socket, text: &str) {
    let says = |event: &Event| event.name == "stream.chunk" && event.payload["content"] == text;
    socket.events_until(text, says).await;
}

/// The sessions that worked on a task.
async fn sessions(socket: &mut Socket, task: &Value) -> anyhow::Result<Vec<Value>> {
    let sessions = socket.call("session.list", json!({ "limit": 200 })).await?;
    let all = sessions["sessions"].as_array().into_iter().flatten();
    Ok(all.filter(|session| session["taskId"] == *task).cloned().collect())
}

async fn session(socket: &mut Socket, task: &Value) -> anyhow::Result<Value> {
    let found = sessions(socket, task).await?.pop();
    found.ok_or_else(|| anyhow::anyhow!("no session for {task}"))
}

async fn history(socket: &mut Socket, session: &Value) -> anyhow::Result<Vec<Value>> {
    let page = socket.call("session.history", json!({ "sessionId": session["id"], "limit": 200 })).await?;
    Ok(page["entries"].as_array().into_iter().flatten().map(|entry| entry["entry"].clone()).collect())
}

/// Whether it runs. Ended processes may lie as zombies in the test's container until somebody waits for them.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}
