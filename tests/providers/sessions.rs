//! Whole sessions of agents with tools, with each vendor, and what becomes of them when a vendor fails in the middle.

mod charters;
mod faults;
mod says;
mod whole;

use std::path::PathBuf;

use orchestrator_testkit::{Builder, Daemon, Event, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

use says::Vendor;

const PROMPT: &str = "Count the lines.";

/// An agent in a file, and the directory that it works on.
struct Stage(TempDir);

/// How a session ended.
struct Ended {
    task: Event,
    /// The kinds of its journal's entries, in order.
    kinds: Vec<String>,
    journal: String,
    /// The errors of answers that were thrown away.
    discarded: Vec<String>,
    /// What listeners were told that was not thrown away.
    heard: String,
}

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        std::fs::create_dir_all(stage.source())?;
        std::fs::create_dir_all(stage.0.path().join("agents"))?;
        std::fs::write(stage.source().join("notes.txt"), "one\ntwo\n")?;
        let front =
            "workspaceSource: main\nworkspace: shared\ntools: [fs.*, command.run]\nthinking: low\nmaxTokens: 8000";
        let agent = format!("---\n{front}\n---\nYou do as you are told.\n");
        std::fs::write(stage.0.path().join("agents/coder.md"), agent)?;
        Ok(stage)
    }

    fn source(&self) -> PathBuf {
        self.0.path().join("source")
    }

    /// How often the command that every model of these tests runs once was run.
    fn effects(&self) -> usize {
        std::fs::read_to_string(self.source().join("effects.txt")).unwrap_or_default().lines().count()
    }

    fn daemon(&self, providers: Value, more: Value) -> Builder {
        let names: Vec<&String> = providers.as_object().expect("providers").keys().collect();
        let target = |name: &&String| format!("{name}/{}", providers[name.as_str()]["model"].as_str().unwrap_or("m"));
        let models = json!({
            "providers": providers, "primary": target(&names[0]),
            "fallbacks": names[1..].iter().map(target).collect::<Vec<_>>(),
        });
        let daemon = crate::builder().without_rate_limits().config(json!({
            "models": models,
            "agentFiles": { "directories": [self.0.path().join("agents")] },
            "workspaces": { "sources": { "main": self.source() } },
            "tools": { "allow": ["fs.*", "command.run"] },
            "tasks": { "sweepMs": 20 },
        }));
        daemon.config(more)
    }

    /// A daemon with the one provider `vendor`.
    async fn with(&self, vendor: Vendor, url: &str, more: Value) -> anyhow::Result<Daemon> {
        self.daemon(json!({ "vendor": vendor.provider(url) }), more).start().await
    }
}

/// Gives the task, whose one attempt it is, and waits for its end.
async fn worked(daemon: &Daemon) -> anyhow::Result<Ended> {
    let mut socket = daemon.admin().await;
    socket.subscribe(&["task.*", "session.*", "stream.*"]).await;
    let task = json!({ "title": PROMPT, "requiredCapabilities": ["agent.coder"], "maxAttempts": 1 });
    let task = socket.call("task.create", task).await?["id"].clone();
    let is_end = |event: &Event| {
        event.payload["taskId"] == task && ["task.completed", "task.failed"].contains(&event.name.as_str())
    };
    let events = socket.events_until("the task's end", is_end).await;
    let (mut discarded, mut heard) = (Vec::new(), Vec::new());
    for event in &events {
        let payload = &event.payload;
        match event.name.as_str() {
            "stream.chunk" if payload["chunkType"] == "text" => heard.push((&payload["turn"], &payload["content"])),
            "stream.error" if payload["discarded"] == true => {
                heard.retain(|(turn, _)| *turn != &payload["turn"]);
                discarded.push(payload.to_string());
            }
            _ => {}
        }
    }
    let heard = heard.into_iter().filter_map(|(_, content)| content.as_str()).collect();
    let session = session(&mut socket, &task).await?;
    let page = socket.call("session.history", json!({ "sessionId": session["id"], "limit": 200 })).await?;
    let kinds = page["entries"].as_array().into_iter().flatten().filter_map(|entry| entry["entry"]["kind"].as_str());
    let task = events.into_iter().next_back().expect("it was waited for");
    Ok(Ended { task, kinds: kinds.map(str::to_owned).collect(), journal: page.to_string(), discarded, heard })
}

async fn session(socket: &mut Socket, task: &Value) -> anyhow::Result<Value> {
    let sessions = socket.call("session.list", json!({ "limit": 200 })).await?;
    let all = sessions["sessions"].as_array().into_iter().flatten();
    let mut of_task: Vec<Value> = all.filter(|session| session["taskId"] == *task).cloned().collect();
    anyhow::ensure!(of_task.len() == 1, "one session for one task: {of_task:?}");
    Ok(of_task.remove(0))
}
