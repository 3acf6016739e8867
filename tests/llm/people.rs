//! People in the middle of a session.

use serde_json::json;

use crate::{Stage, ended, history, kinds, session};

#[tokio::test]
async fn what_a_person_says_in_the_middle_is_heard() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "tools: []")?;
    let rules = json!([
        { "when": { "says": "also count" }, "say": [{ "text": "I counted too" }] },
        { "delayMs": 4_000, "say": [{ "text": "I only looked" }] },
    ]);
    let daemon = stage.daemon(rules, &[])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "session.*"]).await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "Look." })).await?;
    admin.events_until("the session", |event| event.payload["status"] == "running").await;
    let session = session(&mut admin, &spawned["taskId"]).await?;
    let prompt = json!({ "sessionId": session["id"], "text": "And also count them." });
    admin.call("prompt.submit", prompt).await?;
    let done = ended(&mut admin, &spawned["taskId"]).await;
    assert_eq!(done.payload["result"], "I counted too");
    let entries = history(&mut admin, &session).await?;
    assert!(kinds(&entries).contains(&"input"), "{:?}", kinds(&entries));
    Ok(())
}

#[tokio::test]
async fn a_session_that_is_stopped_ends_at_once_and_its_task_goes_back() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "tools: []")?;
    let daemon = stage.daemon(json!([{ "fault": { "silent": true } }]), &[])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "session.*"]).await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "Look." })).await?;
    admin.events_until("the session", |event| event.payload["status"] == "running").await;
    let session = session(&mut admin, &spawned["taskId"]).await?;
    admin.call("agent.stop", json!({ "agentId": "coder" })).await?;
    let stopped = admin.call("session.status", json!({ "sessionId": session["id"] })).await?;
    assert!(["terminated", "suspended"].contains(&stopped["status"].as_str().unwrap_or_default()), "{stopped}");
    let task = admin.call("task.get", json!({ "taskId": spawned["taskId"] })).await?;
    assert_eq!(task["status"], "pending", "{task}");
    Ok(())
}
