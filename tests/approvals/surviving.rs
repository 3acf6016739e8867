//! What waits outlives the daemon, and goes with its session.

use orchestrator_testkit::{Backend, Event};
use serde_json::json;

use crate::{Stage, WRITE, approver, ended, waits};

async fn a_daemon_that_is_killed_finds_what_waits_again(backend: Backend) -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.backend(backend).start().await?;
    let mut admin = daemon.admin().await;
    let (task, waiting) = waits(&mut admin, WRITE).await?;
    let daemon = daemon.kill().await.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let found = admin.call("approval.get", json!({ "approvalId": waiting["id"] })).await?;
    assert_eq!((&found["status"], &found["digest"]), (&json!("pending"), &waiting["digest"]));
    let mut bob = approver(&daemon, "bob").await?;
    bob.call("tool.approve", json!({ "approvalId": waiting["id"] })).await?;
    ended(&mut admin, &task).await;
    assert_eq!(std::fs::read_to_string(stage.made())?, "made");
    let done = admin.call("task.get", json!({ "taskId": task })).await?;
    assert_eq!(done["attempt"], 1, "{done}");
    Ok(())
}

#[tokio::test]
async fn a_daemon_that_is_killed_finds_what_waits_again_on_sqlite() -> anyhow::Result<()> {
    a_daemon_that_is_killed_finds_what_waits_again(Backend::Sqlite).await
}

#[tokio::test]
async fn a_daemon_that_is_killed_finds_what_waits_again_on_postgres() -> anyhow::Result<()> {
    a_daemon_that_is_killed_finds_what_waits_again(Backend::Postgres).await
}

#[tokio::test]
async fn an_answer_is_not_lost_if_the_daemon_is_killed_right_after_it() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    let (task, waiting) = waits(&mut admin, WRITE).await?;
    let mut bob = approver(&daemon, "bob").await?;
    bob.call("tool.approve", json!({ "approvalId": waiting["id"] })).await?;
    let daemon = daemon.kill().await.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe_after(&["task.*"], 0).await;
    ended(&mut admin, &task).await;
    let found = admin.call("approval.get", json!({ "approvalId": waiting["id"] })).await?;
    // Killed between using it up and making the call, nobody knows whether it was made: it is not made twice.
    assert!(stage.made().exists() || found["status"] == "used", "{found}");
    Ok(())
}

#[tokio::test]
async fn what_an_ended_session_asked_for_is_taken_back() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    let (_, waiting) = waits(&mut admin, WRITE).await?;
    admin.call("session.stop", json!({ "sessionId": waiting["sessionId"] })).await?;
    let is_decided = |event: &Event| event.name == "approval.decided";
    let event = admin.events_until("it is taken back", is_decided).await.pop().expect("it was waited for");
    assert_eq!((&event.payload["approvalId"], &event.payload["status"]), (&waiting["id"], &json!("withdrawn")));
    Ok(())
}
