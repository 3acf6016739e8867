//! Where sessions work on files: worktrees and copies through the socket of the running binary.

mod control;
mod copies;
mod worktrees;

use std::path::{Path, PathBuf};
use std::process::Command;

use orchestrator_testkit::{Builder, Daemon, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A source with one commit, and a daemon whose agents work on it.
struct Fixture {
    directory: TempDir,
}

impl Fixture {
    fn plain() -> anyhow::Result<Self> {
        let fixture = Self { directory: tempfile::tempdir()? };
        std::fs::create_dir(fixture.source())?;
        std::fs::write(fixture.source().join("plan.txt"), "one\ntwo\nthree\n")?;
        Ok(fixture)
    }

    fn repository() -> anyhow::Result<Self> {
        let fixture = Self::plain()?;
        for args in [&["init", "-q", "-b", "main"][..], &["add", "-A"], &["commit", "-qm", "first"]] {
            fixture.git(args)?;
        }
        Ok(fixture)
    }

    fn source(&self) -> PathBuf {
        self.directory.path().join("source")
    }

    fn git(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("git")
            .args(["-c", "user.name=Alice", "-c", "user.email=alice@example.org"])
            .args(args)
            .current_dir(self.source())
            .output()?;
        anyhow::ensure!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// Agents by name and script; each works on the source in this mode.
    fn daemon(&self, mode: Option<&str>, agents: &[(&str, &str)]) -> Builder {
        let agent = |(name, script): &(&str, &str)| {
            let program = json!({
                "command": ["sh", "-euc", script], "graceMs": 200,
                "environment": { "inherit": ["PATH"] },
            });
            let workspace = json!({ "source": "main", "mode": mode });
            ((*name).to_owned(), json!({ "program": program, "capabilities": [name], "workspace": workspace }))
        };
        let agents: serde_json::Map<String, Value> = agents.iter().map(agent).collect();
        Daemon::builder()
            .without_rate_limits()
            .config(json!({ "agents": agents, "workspaces": { "sources": { "main": self.source() } } }))
    }
}

/// Has an agent do its work to the end, and tells its session.
async fn work(socket: &mut Socket, agent: &str) -> anyhow::Result<String> {
    socket.subscribe(&["session.stopped"]).await;
    let session = begin(socket, agent).await?;
    socket.event_about("session.stopped", &json!(session)).await;
    Ok(session)
}

async fn begin(socket: &mut Socket, agent: &str) -> anyhow::Result<String> {
    let params = json!({
        "sessionType": "process",
        "requiredCapabilities": [agent],
        "task": { "type": "general", "description": agent, "priority": "medium" },
    });
    let created = socket.call("session.create", params).await?;
    Ok(created["id"].as_str().expect("a session has an id").to_owned())
}

async fn of(socket: &mut Socket, verb: &str, session: &str) -> Result<Value, orchestrator_rpc::Error> {
    socket.call(&format!("session.workspace.{verb}"), json!({ "sessionId": session })).await
}

fn path(workspace: &Value) -> &Path {
    Path::new(workspace["path"].as_str().expect("a workspace has a path"))
}
