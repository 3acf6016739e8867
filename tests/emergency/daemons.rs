use orchestrator_testkit::{Backend, patiently};
use serde_json::json;

use crate::{Stage, asking, completed, create, have_ended};

#[tokio::test]
async fn a_second_daemon_of_the_database_obeys_too_and_goes_on_when_either_releases() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    // Only the second one has agents.
    let builder = stage.daemon()?.backend(Backend::Postgres);
    let alone = json!({ "agents": null, "agentFiles": null, "mcp": null, "codingAgents": null });
    let first = builder.clone().config(alone).start().await?;
    let second = builder.database_of(&first).start().await?;
    let (mut here, mut there) = (first.admin().await, second.admin().await);
    here.subscribe(&["task.*"]).await;
    let work = create(&mut here, "work").await?;
    let pids = [stage.pid("worker").await, stage.pid("child").await, stage.pid("server").await];
    here.call("emergency.stop", json!({ "reason": "a drill" })).await?;
    have_ended(&pids).await;
    let refused = there.call("model.chat", asking("hello")).await.expect_err("it obeys");
    assert!(refused.message.contains("a drill"), "{refused:?}");
    there.call("emergency.release", json!({ "reason": "over" })).await?;
    let done = completed(&mut here, &work).await;
    assert_eq!((done.name.as_str(), &done.payload["result"]), ("task.completed", &json!("done")));
    // Its own memory of it is as old as the news from the other.
    patiently("the first to hear of it", async { while here.call("model.chat", asking("hello")).await.is_err() {} })
        .await;
    Ok(())
}
