use orchestrator_rpc::Code;
use serde_json::json;

use crate::{Stage, asking, create, runs};

#[tokio::test]
async fn another_organisation_stops_itself_and_nobody_else() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.start().await?;
    let org = daemon.organisation("theirs").await;
    let (mut ours, mut theirs) = (daemon.admin().await, org.socket(&daemon).await);
    create(&mut ours, "work").await?;
    let worker = stage.pid("worker").await;
    theirs.call("model.chat", asking("hello")).await?;
    let standing = theirs.call("emergency.stop", json!({ "reason": "a private matter" })).await?;
    assert_eq!((&standing["stopped"], standing.get("byOperator")), (&json!(true), None), "{standing}");
    let refused = theirs.call("model.chat", asking("hello")).await.expect_err("they are stopped");
    assert!(refused.code == Code::Forbidden && refused.message.contains("a private matter"), "{refused:?}");
    ours.call("model.chat", asking("hello")).await?;
    assert_eq!(ours.call("emergency.status", json!({})).await?, json!({ "stopped": false }));
    assert!(runs(&worker), "ours works on");
    let page = daemon.admin_http().get("/metrics").await.body;
    assert!(page.contains("emergency_stopped{scope=\"organisations\"} 1"), "{page}");
    ours.call("emergency.release", json!({ "reason": "x" })).await.expect_err("it is not ours to release");
    theirs.call("emergency.release", json!({ "reason": "over" })).await?;
    theirs.call("model.chat", asking("hello")).await?;
    Ok(())
}

#[tokio::test]
async fn the_operator_stops_all_of_them_and_keeps_the_reason_to_himself() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.start().await?;
    let org = daemon.organisation("theirs").await;
    let (mut ours, mut theirs) = (daemon.admin().await, org.socket(&daemon).await);
    ours.call("emergency.stop", json!({ "reason": "an operator's matter" })).await?;
    let refused = theirs.call("model.chat", asking("hello")).await.expect_err("everybody is stopped");
    assert!(refused.message.contains("the operator has stopped everything"), "{refused:?}");
    let standing = theirs.call("emergency.status", json!({})).await?;
    let told = format!("{refused:?}{standing}{}", theirs.call("daemon.status", json!({})).await?);
    assert!(!told.contains("matter") && standing["stopped"] == true, "{told}");
    let release = theirs.call("emergency.release", json!({ "reason": "x" })).await.expect_err("it is not theirs");
    assert_eq!(release.code, Code::Conflict);
    ours.call("emergency.release", json!({ "reason": "over" })).await?;
    theirs.call("model.chat", asking("hello")).await?;
    Ok(())
}
