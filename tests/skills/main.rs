//! Skills, through the socket of the running binary.

mod narrowing;
mod operations;
mod pins;
mod using;

use std::path::PathBuf;
use std::process::Stdio;

use orchestrator_testkit::{Builder, Daemon, Event, Ran, Socket, patiently, program};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A scripted model, an agent, a directory it works on, and skills.
struct Stage(TempDir);

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        for directory in ["source", "agents", "skills", "more"] {
            std::fs::create_dir(stage.path(directory))?;
        }
        std::fs::write(stage.path("source/notes.txt"), "one\ntwo\n")?;
        stage.agent("coder", "")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// An agent that works on the source, by what else its front matter says.
    fn agent(self, name: &str, front: &str) -> anyhow::Result<Self> {
        let text = format!("---\nworkspaceSource: main\nworkspace: shared\n{front}\n---\nYou do as you are told.\n");
        std::fs::write(self.path("agents").join(format!("{name}.md")), text)?;
        Ok(self)
    }

    /// A skill, by what else its front matter says.
    fn skill(&self, name: &str, front: &str, body: &str) -> anyhow::Result<()> {
        let text = format!("---\nname: {name}\ndescription: What {name} is for.\n{front}---\n{body}\n");
        self.file(&format!("skills/{name}/SKILL.md"), &text)
    }

    fn file(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        Ok(std::fs::write(path, text)?)
    }

    /// A daemon whose model follows these rules, and whose operator allows every tool.
    fn daemon(&self, rules: Value) -> anyhow::Result<Builder> {
        let script = self.path("script.json");
        std::fs::write(&script, json!({ "rules": rules }).to_string())?;
        Ok(Daemon::builder().without_rate_limits().config(json!({
            "models": {
                "providers": { "stage": { "kind": "scripted", "script": script } },
                "primary": "stage/scripted",
            },
            "agentFiles": { "directories": [self.path("agents")] },
            "workspaces": { "sources": { "main": self.path("source") } },
            "skills": { "directories": [self.path("skills"), self.path("more")] },
            "tools": { "allow": ["*"] },
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

/// The session that worked on a task, and its entries.
async fn journal(socket: &mut Socket, task: &Value) -> anyhow::Result<(Value, Vec<Value>)> {
    let sessions = socket.call("session.list", json!({ "limit": 200 })).await?;
    let of_task = |session: &&Value| session["taskId"] == *task;
    let found = sessions["sessions"].as_array().into_iter().flatten().find(of_task).cloned();
    let session = found.ok_or_else(|| anyhow::anyhow!("no session for {task}: {sessions}"))?;
    let page = socket.call("session.history", json!({ "sessionId": session["id"], "limit": 200 })).await?;
    Ok((session, page["entries"].as_array().cloned().unwrap_or_default()))
}

/// What calls of tools came to, in order, as text.
fn results(entries: &[Value]) -> Vec<String> {
    let returned = entries.iter().filter(|entry| entry["entry"]["kind"] == "returned");
    returned.map(|entry| entry["entry"]["result"]["content"].to_string()).collect()
}

/// The command line, as its operator uses it.
async fn cli(daemon: &Daemon, arguments: &[&str]) -> Ran {
    let mut command = tokio::process::Command::new(program("orchestrator").expect("built by `cargo xtask test`"));
    command.args(arguments).env_clear().env("ORCHESTRATOR_DATA_DIR", daemon.data_directory());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = patiently(&format!("orchestrator {arguments:?}"), command.output()).await;
    output.expect("it can be started").into()
}
