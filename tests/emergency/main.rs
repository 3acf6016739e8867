//! The emergency stop through the socket of the running binary: what it ends, what it refuses, for how long, and whom not.

mod daemons;
mod organisations;
mod refusing;
mod stopping;

use std::path::{Path, PathBuf};
use std::time::Duration;

use orchestrator_testkit::{Builder, Daemon, Event, Socket, patiently, program};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Says who it is and becomes the program behind.
const NOTED: &str = "echo $$ > \"$0\"; exec \"$@\"";
/// The first time it says who it is and hangs, with a child of its own; the second time it is done.
const WORKER: &str = "if [ -e \"$NOTES/worker\" ]; then echo done; else sleep 600 & echo $! > \"$NOTES/child\"; \
                      echo $$ > \"$NOTES/worker\"; wait; fi";

/// Everything that can run: an agent program, an agent that is a language model, the command line of a coding agent, a server of
/// tools, and a directory in which each notes its process.
struct Stage(TempDir);

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        for directory in ["agents", "source", "notes"] {
            std::fs::create_dir(stage.path(directory))?;
        }
        let files = "workspace: shared\nworkspaceSource: main";
        let agent = |name: &str, front: &str| {
            std::fs::write(stage.path("agents").join(name), format!("---\n{front}\n---\nYou do as you are told.\n"))
        };
        agent("thinker.md", &format!("tools: [command.run]\n{files}"))?;
        agent("coder.md", "runtime: claude-code")?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The process that noted itself under this name.
    async fn pid(&self, name: &str) -> String {
        let (path, mut ticks) = (self.path("notes").join(name), tokio::time::interval(Duration::from_millis(5)));
        patiently(&format!("{name} to run"), async {
            loop {
                let noted = std::fs::read_to_string(&path).unwrap_or_default();
                if noted.ends_with('\n') {
                    return noted.trim().to_owned();
                }
                ticks.tick().await;
            }
        })
        .await
    }

    fn sleeping(&self, name: &str) -> Value {
        json!({ "argv": ["sh", "-c", NOTED, self.path("notes").join(name), "sleep", "600"] })
    }

    fn daemon(&self) -> anyhow::Result<Builder> {
        let call = json!([{ "call": { "tool": "command_run", "arguments": self.sleeping("tool") } }]);
        let rules = json!([
            { "when": { "says": "take your time" }, "delayMs": 600_000, "say": [{ "text": "at last" }] },
            { "when": { "turn": 1, "tool": "command_run" }, "say": call },
            { "say": [{ "text": "done" }] },
        ]);
        std::fs::write(self.path("script.json"), json!({ "rules": rules }).to_string())?;
        let notes = self.path("notes");
        let variables = json!({ "NOTES": notes, "FAKE_AGENT_MEMORY": notes, "PATH": "/usr/bin:/bin" });
        let noted = |name: &str, program: PathBuf| json!(["/bin/sh", "-c", NOTED, notes.join(name), program]);
        let worker = json!({ "command": ["sh", "-c", WORKER], "environment": { "set": variables }, "graceMs": 60_000 });
        Ok(Daemon::builder().without_rate_limits().config(json!({
            "models": {
                "providers": { "stage": { "kind": "scripted", "script": self.path("script.json") } },
                "primary": "stage/scripted",
            },
            "agents": { "worker": { "capabilities": ["work"], "program": worker } },
            "agentFiles": { "directories": [self.path("agents")] },
            "codingAgents": { "claude-code": {
                "command": noted("coder", program("examples/fake_agent")?),
                "environment": { "set": variables }, "graceMs": 60_000,
            } },
            "mcp": { "servers": { "fake": { "command": noted("server", program("examples/fake_server")?) } } },
            "workspaces": { "sources": { "main": self.path("source") } },
            "tools": { "allow": ["command.run", "fs.read", "mcp.fake.*"], "workspaces": { "try": self.path("source") } },
            "tasks": { "sweepMs": 20 },
            // Where commands note their processes.
            "sandbox": { "writable": [notes] },
        })))
    }
}

async fn spawn(socket: &mut Socket, agent: &str, prompt: &str) -> anyhow::Result<Value> {
    Ok(socket.call("agent.spawn", json!({ "agent": agent, "prompt": prompt })).await?["taskId"].clone())
}

async fn create(socket: &mut Socket, capability: &str) -> anyhow::Result<Value> {
    let draft = json!({ "title": "work", "requiredCapabilities": [capability] });
    Ok(socket.call("task.create", draft).await?["id"].clone())
}

async fn task(socket: &mut Socket, task: &Value) -> anyhow::Result<Value> {
    Ok(socket.call("task.get", json!({ "taskId": task })).await?)
}

/// The sessions that worked on a task.
async fn sessions(socket: &mut Socket, task: &Value) -> anyhow::Result<Vec<Value>> {
    let sessions = socket.call("session.list", json!({ "limit": 200 })).await?;
    let all = sessions["sessions"].as_array().into_iter().flatten();
    Ok(all.filter(|session| session["taskId"] == *task).cloned().collect())
}

async fn completed(socket: &mut Socket, task: &Value) -> Event {
    let is_end = |event: &Event| {
        event.payload["taskId"] == *task && ["task.completed", "task.failed"].contains(&event.name.as_str())
    };
    socket.events_until("the task's end", is_end).await.pop().expect("it was waited for")
}

fn asking(words: &str) -> Value {
    json!({ "messages": [{ "role": "user", "content": words }] })
}

/// Whether it runs. Ended processes may lie as zombies in the test's container until somebody waits for them.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

async fn have_ended(pids: &[String]) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    patiently("processes to end", async {
        while pids.iter().any(|pid| runs(pid)) {
            ticks.tick().await;
        }
    })
    .await;
}
