//! What agents remember, and what is kept from whom.

use std::path::PathBuf;

use orchestrator_testkit::{Builder, Daemon, Event, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{found, store};

/// An obedient model, and agents in files.
pub(crate) struct Stage(TempDir);

impl Stage {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        std::fs::create_dir_all(stage.agents())?;
        for name in ["one", "two"] {
            std::fs::write(stage.agents().join(format!("{name}.md")), format!("---\nname: {name}\n---\nObey.\n"))?;
        }
        std::fs::write(stage.0.path().join("script.json"), json!({ "obedient": true, "rules": [] }).to_string())?;
        Ok(stage)
    }

    fn agents(&self) -> PathBuf {
        self.0.path().join("agents")
    }

    pub(crate) fn daemon(&self) -> Builder {
        let script = self.0.path().join("script.json");
        Daemon::builder().without_rate_limits().config(json!({
            "models": { "providers": { "stage": { "kind": "scripted", "script": script } }, "primary": "stage/m" },
            "agentFiles": { "directories": [self.agents()] },
            "tools": { "allow": ["memory.*"] },
            "memory": { "learningEnabled": false, "recallTokens": 0 },
        }))
    }
}

/// Has an agent call a tool, and tells what it was answered.
pub(crate) async fn called(socket: &mut Socket, agent: &str, tool: &str, arguments: Value) -> anyhow::Result<Value> {
    let prompt = format!("@call {tool} {arguments}");
    let spawned = socket.call("agent.spawn", json!({ "agent": agent, "prompt": prompt })).await?;
    let task = spawned["taskId"].clone();
    let is_end = |event: &Event| event.payload["taskId"] == task && event.name.starts_with("task.completed");
    socket.events_until("the end of the task", is_end).await;
    let sessions = socket.call("session.list", json!({ "limit": 1 })).await?;
    let id = sessions["sessions"][0]["id"].clone();
    let history = socket.call("session.history", json!({ "sessionId": id, "limit": 100 })).await?;
    let entries = history["entries"].as_array().cloned().unwrap_or_default();
    let returned = entries.iter().find(|entry| entry["entry"]["kind"] == "returned");
    Ok(returned.map(|entry| entry["entry"]["result"].clone()).unwrap_or_default())
}

#[tokio::test]
async fn what_an_agent_stores_for_others_waits_until_somebody_vouches_for_it() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon().start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "memory.*"]).await;
    let shared =
        json!({ "content": "The gate opens at dawn.", "tier": "semantic", "type": "fact", "scope": "organisation" });
    called(&mut admin, "one", "memory_store", shared).await?;
    assert!(found(&mut admin, "gate").await.is_empty());
    let waiting = admin.call("memory.list", json!({ "state": "quarantined" })).await?;
    let id = waiting["items"][0]["memoryId"].clone();
    assert_eq!(waiting["items"][0]["label"]["integrity"], "untrusted", "{waiting}");
    let token = daemon.token("daemon.write").await;
    let mut writer = daemon.socket(&token).await;
    assert!(writer.call("memory.confirm", json!({ "memoryId": id })).await.is_err(), "that takes the right to approve");
    admin.call("memory.confirm", json!({ "memoryId": id })).await?;
    assert_eq!(found(&mut admin, "gate").await, ["The gate opens at dawn."]);
    admin.event_about("memory.confirmed", &id).await;
    Ok(())
}

#[tokio::test]
async fn what_waits_takes_the_place_of_nothing_that_counts() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon().start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let id = store(&mut admin, json!({ "content": "The gate opens at dawn." })).await?["memoryId"].clone();
    let wrong = json!({
        "content": "The gate is open.", "tier": "semantic", "type": "fact", "scope": "organisation", "supersedes": id,
    });
    let refused = called(&mut admin, "one", "memory_store", wrong).await?.to_string();
    assert!(refused.contains("remember it beside that"), "{refused}");
    let page = admin.call("memory.export", json!({})).await?;
    let content = page["files"][0]["content"].as_str().unwrap_or_default().replace("opens at dawn", "is open");
    let files = json!({ "files": [{ "path": "gate.md", "content": content }], "apply": true });
    let told = called(&mut admin, "one", "memory_import", files.clone()).await?.to_string();
    assert!(told.contains("invalid") && told.contains("remember it beside that"), "{told}");
    assert_eq!(found(&mut admin, "gate").await, ["The gate opens at dawn."]);
    let done = admin.call("memory.import", files).await?;
    assert_eq!((&done["counts"]["changed"], &done["applied"]), (&json!(1), &json!(1)), "somebody who is believed may");
    Ok(())
}

#[tokio::test]
async fn an_agent_finds_its_own_and_what_is_everybodys_and_nothing_of_others() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon().start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    store(&mut admin, json!({ "content": "The zeppelin is grey." })).await?;
    store(&mut admin, json!({ "content": "The zeppelin of somebody else.", "scope": "user:somebody" })).await?;
    let own = json!({ "content": "The zeppelin is mine.", "tier": "semantic", "type": "fact" });
    called(&mut admin, "one", "memory_store", own).await?;
    let query = json!({ "query": "zeppelin" });
    let one = called(&mut admin, "one", "memory_query", query.clone()).await?.to_string();
    assert!(one.contains("is grey") && one.contains("is mine") && !one.contains("somebody else"), "{one}");
    let two = called(&mut admin, "two", "memory_query", query).await?.to_string();
    assert!(two.contains("is grey") && !two.contains("is mine") && !two.contains("somebody else"), "{two}");
    Ok(())
}

#[tokio::test]
async fn an_agent_keeps_notes_in_the_scratchpad_of_its_session() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon().start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let note = json!({ "block": "task", "content": "Find the leak." });
    let returned = called(&mut admin, "one", "memory_insert", note).await?;
    assert_ne!(returned["isError"], true, "{returned}");
    let notes = admin.call("memory.list", json!({ "tier": "scratchpad" })).await?;
    let session = notes["items"][0]["sessionId"].clone();
    assert_eq!((&notes["items"][0]["type"], &notes["items"][0]["agentId"]), (&json!("task"), &json!("one")), "{notes}");
    let replace = json!({ "sessionId": session, "block": "task", "old": "leak", "new": "hole" });
    let block = admin.call("memory.replace", replace.clone()).await?;
    assert_eq!(block["content"], "Find the hole.");
    let refused = admin.call("memory.replace", replace).await.unwrap_err();
    assert!(refused.message.contains("this stands there 0 times"), "{refused:?}");
    let rethink = json!({ "sessionId": session, "block": "task", "content": "Rest." });
    assert_eq!(admin.call("memory.rethink", rethink).await?["content"], "Rest.");
    assert_eq!(found(&mut admin, "hole").await, Vec::<String>::new());
    Ok(())
}
