use orchestrator_rpc::Code;
use orchestrator_testkit::Daemon;
use serde_json::json;

use super::{Fixture, of, work};

#[tokio::test]
async fn another_organisation_finds_no_workspace() -> anyhow::Result<()> {
    let fixture = Fixture::repository()?;
    let daemon = fixture.daemon(None, &[("first", "echo x > x.txt")]).start().await?;
    let mut socket = daemon.admin().await;
    let session = work(&mut socket, "first").await?;
    let others = daemon.organisation("others").await;
    let mut stranger = others.socket(&daemon).await;
    for verb in ["get", "diff", "merge", "discard"] {
        let refused = of(&mut stranger, verb, &session).await.expect_err("it is somebody else's");
        assert_eq!((refused.code, refused.message), (Code::NotFound, format!("no workspace of session {session}")));
    }
    assert_eq!(stranger.call("session.workspace.list", json!({})).await?["items"], json!([]));
    assert_eq!(of(&mut socket, "merge", &session).await?["changed"], true);
    Ok(())
}

#[tokio::test]
async fn a_copy_that_is_too_large_fails_its_task_and_a_higher_limit_lets_it_pass() -> anyhow::Result<()> {
    let fixture = Fixture::plain()?;
    let builder = || fixture.daemon(Some("copy"), &[("first", "echo fine")]);
    let small = builder().config(json!({ "workspaces": { "copyBytesMax": 3 } })).start().await?;
    let mut socket = small.admin().await;
    socket.subscribe(&["task.released", "task.failed"]).await;
    let task = json!({ "title": "x", "requiredCapabilities": ["first"], "maxAttempts": 1 });
    let task = socket.call("task.create", task).await?;
    let failed = socket.event_about("task.failed", &task["id"]).await;
    assert_eq!(failed.payload["error"], "no workspace: a copy holds at most 3 bytes");

    let large = builder().start().await?;
    work(&mut large.admin().await, "first").await?;
    Ok(())
}

#[tokio::test]
async fn a_source_is_named_in_the_file_and_nowhere_else() -> anyhow::Result<()> {
    let fixture = Fixture::plain()?;
    let daemon = fixture.daemon(None, &[]).start().await?;
    let values = json!({ "workspaces.sources.root": "/" });
    let refused = daemon.admin().await.call("config.set", json!({ "values": values })).await;
    let refused = refused.expect_err("it would be a path from a client");
    assert!(refused.message.contains("is written in the configuration file and nowhere else"), "{refused:?}");
    let unknown =
        json!({ "agents": { "a": { "program": { "command": ["true"] }, "workspace": { "source": "none" } } } });
    let refused = Daemon::builder().config(unknown).refused().await?;
    assert!(refused.output.contains("no `none` in workspaces.sources"), "{}", refused.output);
    Ok(())
}
