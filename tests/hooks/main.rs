//! Hooks through the socket of the running binary: what they stop, change, add and hear of.

mod http;
mod prompts;
mod telling;
mod tools;

use std::path::PathBuf;

use orchestrator_testkit::{Builder, Daemon, Event, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A scripted model, an agent, a directory it works on, and hooks that are scripts.
struct Stage(TempDir);

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        for directory in ["agents", "source", "notes", "charters"] {
            std::fs::create_dir(stage.path(directory))?;
        }
        stage.agent("tools: [command.run, fs.*]\nworkspace: shared\nworkspaceSource: main")
    }

    fn agent(self, front: &str) -> anyhow::Result<Self> {
        std::fs::write(self.path("agents/coder.md"), format!("---\n{front}\n---\nYou do as you are told.\n"))?;
        Ok(self)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What hooks noted under this name.
    fn noted(&self, name: &str) -> String {
        std::fs::read_to_string(self.path("notes").join(name)).unwrap_or_default()
    }

    /// A hook that runs this script, in which `$NOTES` is a directory.
    fn script(&self, events: &[&str], script: &str) -> Value {
        json!({ "events": events, "timeoutMs": 20_000, "program": {
            "command": ["sh", "-c", script], "environment": { "set": { "NOTES": self.path("notes") } },
        } })
    }

    /// A daemon whose agent makes these calls, one per turn, and says at last what it was told.
    fn daemon(&self, calls: &[(&str, Value)], hooks: Value) -> anyhow::Result<Builder> {
        let say = |(tool, arguments): &(&str, Value)| json!([{ "call": { "tool": tool, "arguments": arguments } }]);
        let turns = calls.iter().zip(1..).map(|(call, turn)| json!({ "when": { "turn": turn }, "say": say(call) }));
        let heard =
            json!({ "when": { "result": "[a hook of the operator says]" }, "say": [{ "text": "a hook spoke" }] });
        let rules: Vec<Value> = turns.chain([heard, json!({ "say": [{ "text": "done" }] })]).collect();
        std::fs::write(self.path("script.json"), json!({ "rules": rules }).to_string())?;
        Ok(Daemon::builder().without_rate_limits().config(json!({
            "models": {
                "providers": { "stage": { "kind": "scripted", "script": self.path("script.json") } },
                "primary": "stage/scripted",
            },
            "agentFiles": { "directories": [self.path("agents")] },
            "workspaces": { "sources": { "main": self.path("source") } },
            "tools": { "allow": ["command.run", "fs.*"], "workspaces": { "try": self.path("source") } },
            "tasks": { "sweepMs": 20, "backoff": { "initialMs": 1, "capMs": 1 } },
            "hooks": hooks,
        })))
    }
}

fn named(name: &str, hook: Value) -> Value {
    json!({ "custom": { name: hook } })
}

fn run(argv: &[&str]) -> Value {
    json!({ "tool": "command.run", "workspace": "try", "arguments": { "argv": argv } })
}

/// Gives the agent a task and waits for its end: `task.completed` or `task.failed`.
async fn worked(socket: &mut Socket, prompt: &str) -> anyhow::Result<Event> {
    let spawned = socket.call("agent.spawn", json!({ "agent": "coder", "prompt": prompt })).await?;
    let is_end = |event: &Event| {
        event.payload["taskId"] == spawned["taskId"] && ["task.completed", "task.failed"].contains(&event.name.as_str())
    };
    Ok(socket.events_until("the task's end", is_end).await.pop().expect("it was waited for"))
}

/// What is in the audit log about this action, the newest first.
async fn records(socket: &mut Socket, action: &str, decision: &str) -> anyhow::Result<Vec<Value>> {
    let found = socket.call("audit.list", json!({ "action": action, "decision": decision })).await?;
    Ok(found["items"].as_array().cloned().unwrap_or_default())
}
