//! What interrupts it, and what ends it.

use std::time::Duration;

use orchestrator_testkit::patiently;
use serde_json::{Value, json};

use crate::{Stage, ended, history, runs, session, sessions, spawn, until_said};

async fn has_ended(pid: &str) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    patiently("a process to end", async {
        while runs(pid) {
            ticks.tick().await;
        }
    })
    .await;
}

#[tokio::test]
async fn after_a_kill_it_goes_on_with_its_own_conversation_and_ends_once() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "workspaceSource: main")?;
    let daemon = stage.daemon(&[])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "stream.*"]).await;
    let task = spawn(&mut admin, "coder", "What the team asks:\n@say begun\n@wait").await?;
    until_said(&mut admin, "begun").await;
    let (before, directory) = (session(&mut admin, &task).await?, stage.noted("directory")?);
    let child = stage.noted("child")?;
    let daemon = daemon.kill().await.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe_after(&["task.*", "session.*"], 0).await;
    let events = ended(&mut admin, &task).await;
    let done = events.last().expect("the end");
    let result = done.payload["result"].as_str().unwrap_or_default();
    assert!(result.starts_with("resumed ") && result.contains("You were interrupted."), "{done:?}");
    assert_eq!(events.iter().filter(|event| event.name == "task.completed").count(), 1);
    admin.event_about("session.stopped", &before["id"]).await;
    let after = sessions(&mut admin, &task).await?;
    assert_eq!(after.len(), 1, "{after:?}");
    assert_eq!((&after[0]["id"], &after[0]["status"]), (&before["id"], &json!("completed")), "{after:?}");
    let entries = history(&mut admin, &after[0]).await?;
    assert!(entries.iter().any(|entry| entry["what"] == "resumed"), "{entries:?}");
    assert!(stage.noted("arguments")?.contains("--resume\n"));
    assert_eq!(stage.noted("directory")?, directory, "it works where it did");
    has_ended(&child).await;
    let task = admin.call("task.get", json!({ "taskId": task })).await?;
    assert_eq!((&task["status"], &task["attempt"]), (&json!("completed"), &json!(1)), "{task}");
    Ok(())
}

/// Stops it by one operation while it works, and sees that nothing of it is left.
async fn stopped_by(method: &str, params: fn(&Value, &Value) -> Value) -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "")?;
    let daemon = stage.daemon(&[])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "stream.*", "session.*"]).await;
    let task = spawn(&mut admin, "coder", "What the team asks:\n@say begun\n@hang").await?;
    until_said(&mut admin, "begun").await;
    let (session, child) = (session(&mut admin, &task).await?, stage.noted("child")?);
    assert!(runs(&child), "it has a child: {child}");
    admin.call(method, params(&session["id"], &task)).await?;
    has_ended(&child).await;
    admin.event_about("session.stopped", &session["id"]).await;
    let status = admin.call("session.status", json!({ "sessionId": session["id"] })).await?;
    assert_eq!(status["status"], "terminated", "{method}: {status}");
    Ok(())
}

#[tokio::test]
async fn stopping_its_session_ends_all_of_its_processes() -> anyhow::Result<()> {
    stopped_by("session.stop", |session, _| json!({ "sessionId": session, "reason": "enough" })).await
}

#[tokio::test]
async fn cancelling_its_task_ends_all_of_its_processes() -> anyhow::Result<()> {
    stopped_by("task.cancel", |_, task| json!({ "taskId": task })).await
}

#[tokio::test]
async fn a_daemon_that_stops_ends_its_processes_and_it_goes_on_at_the_next_start() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "")?;
    let daemon = stage.daemon(&[])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "stream.*"]).await;
    let task = spawn(&mut admin, "coder", "What the team asks:\n@say begun\n@hang").await?;
    until_said(&mut admin, "begun").await;
    let (before, child, again) = (session(&mut admin, &task).await?, stage.noted("child")?, daemon.again());
    let (status, log) = daemon.terminate().await;
    assert!(status.success(), "{log}");
    assert!(!runs(&child), "nothing is left of it");
    let daemon = again.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe_after(&["task.*"], 0).await;
    let done = ended(&mut admin, &task).await.pop().expect("the end");
    assert!(done.payload["result"].as_str().is_some_and(|result| result.starts_with("resumed ")), "{done:?}");
    assert_eq!(session(&mut admin, &task).await?["id"], before["id"]);
    Ok(())
}
