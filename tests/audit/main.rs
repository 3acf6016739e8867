//! Every decision is written down before anything comes of it, and nobody changes that unseen: through the socket of the
//! running binary.

mod log;
mod records;

use std::path::PathBuf;

use orchestrator_testkit::{Builder, Daemon, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An agent whose model makes these calls, one per turn, and a directory it works on.
struct Stage(TempDir);

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        std::fs::create_dir_all(stage.source())?;
        std::fs::create_dir_all(stage.0.path().join("agents"))?;
        let front = "---\ntools: [fs.*]\nworkspace: shared\nworkspaceSource: main\n---\nYou do as you are told.\n";
        std::fs::write(stage.0.path().join("agents/coder.md"), front)?;
        Ok(stage)
    }

    fn source(&self) -> PathBuf {
        self.0.path().join("source")
    }

    fn daemon(&self, calls: &[(&str, Value)], allow: &[&str]) -> anyhow::Result<Builder> {
        let say = |(tool, arguments): &(&str, Value)| json!([{"call": {"tool": tool, "arguments": arguments}}]);
        let turns = calls.iter().zip(1..).map(|(call, turn)| json!({"when": {"turn": turn}, "say": say(call)}));
        let rules: Vec<Value> = turns.chain([json!({"say": [{"text": "done"}]})]).collect();
        let script = self.0.path().join("script.json");
        std::fs::write(&script, json!({"rules": rules}).to_string())?;
        Ok(Daemon::builder().without_rate_limits().config(json!({
            "models": {"providers": {"stage": {"kind": "scripted", "script": script}}, "primary": "stage/scripted"},
            "agentFiles": {"directories": [self.0.path().join("agents")]},
            "workspaces": {"sources": {"main": self.source()}},
            "tools": {"allow": allow},
            "tasks": {"sweepMs": 20},
        })))
    }
}

/// Has the agent do its work, to its end.
async fn worked(socket: &mut Socket) -> anyhow::Result<Value> {
    let spawned = socket.call("agent.spawn", json!({"agent": "coder", "prompt": "Do it."})).await?;
    let waited = socket.call("task.wait", json!({"taskIds": [spawned["taskId"]]})).await?;
    anyhow::ensure!(waited["tasks"][0]["status"] == "completed", "{waited}");
    Ok(spawned["taskId"].clone())
}

/// The newest first, without what the test itself administers.
async fn records(socket: &mut Socket, filter: Value) -> anyhow::Result<Vec<Value>> {
    let found = socket.call("audit.list", filter).await?;
    Ok(found["items"].as_array().cloned().unwrap_or_default())
}
