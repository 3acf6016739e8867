use orchestrator_rpc::Code;
use serde_json::json;

use super::{Fixture, of, work};

#[tokio::test]
async fn outside_of_a_repository_sessions_work_on_copies() -> anyhow::Result<()> {
    let fixture = Fixture::plain()?;
    let agents = [("first", "echo first > plan.txt"), ("second", "echo second > plan.txt; echo new > new.txt")];
    let daemon = fixture.daemon(None, &agents).start().await?;
    let mut socket = daemon.admin().await;
    let (first, second) = (work(&mut socket, "first").await?, work(&mut socket, "second").await?);
    assert_eq!(of(&mut socket, "get", &first).await?["mode"], "copy");
    assert_eq!(of(&mut socket, "merge", &first).await?["changed"], true);
    assert_eq!(std::fs::read_to_string(fixture.source().join("plan.txt"))?, "first\n");
    let diff = of(&mut socket, "diff", &second).await?;
    assert_eq!(diff["alsoChanged"], json!(["plan.txt"]));
    let refused = of(&mut socket, "merge", &second).await.expect_err("the source has changed");
    assert_eq!((refused.code, refused.data), (Code::Conflict, Some(json!({ "paths": ["plan.txt"] }))));
    assert!(!fixture.source().join("new.txt").exists());
    Ok(())
}

#[tokio::test]
async fn a_shared_session_works_on_the_source_itself() -> anyhow::Result<()> {
    let fixture = Fixture::plain()?;
    let daemon = fixture.daemon(Some("shared"), &[("first", "echo first > plan.txt")]).start().await?;
    let mut socket = daemon.admin().await;
    work(&mut socket, "first").await?;
    assert_eq!(std::fs::read_to_string(fixture.source().join("plan.txt"))?, "first\n");
    Ok(())
}

#[tokio::test]
async fn what_a_kill_left_half_made_is_removed_and_the_task_is_done() -> anyhow::Result<()> {
    let fixture = Fixture::plain()?;
    for number in 0..3_000 {
        std::fs::write(fixture.source().join(format!("{number}.txt")), "some text\n".repeat(400))?;
    }
    let short = json!({ "tasks": { "leaseMs": 1_000 }, "sessions": { "heartbeatMs": 300 } });
    let daemon = fixture.daemon(Some("copy"), &[("first", "echo done")]).config(short).start().await?;
    let mut socket = daemon.admin().await;
    let task = socket.call("task.create", json!({ "title": "x", "requiredCapabilities": ["first"] })).await?;
    let cut_off = loop {
        let list = socket.call("session.workspace.list", json!({})).await?;
        if let Some(workspace) = list["items"].as_array().and_then(|items| items.first()) {
            break workspace.clone();
        }
    };
    let daemon = daemon.kill().await.start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe_after(&["task.completed", "workspace.discarded"], 0).await;
    socket.event_about("workspace.discarded", &cut_off["sessionId"]).await;
    assert!(!super::path(&cut_off).exists());
    let completed = daemon.admin().await.call("task.get", json!({ "taskId": task["id"] })).await?;
    if completed["status"] != "completed" {
        socket.event_about("task.completed", &task["id"]).await;
    }
    Ok(())
}
