//! Who may not answer, and what no answer opens.

use orchestrator_rpc::Code;
use serde_json::json;

use crate::{Stage, WRITE, approver, ended, waits};

#[tokio::test]
async fn neither_who_asked_nor_a_writer_nor_another_organisation_says_yes() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    let (task, waiting) = waits(&mut admin, WRITE).await?;
    let params = json!({ "approvalId": waiting["id"] });
    let own = admin.call("tool.approve", params.clone()).await.expect_err("it asked for the task");
    assert!(own.code == Code::Forbidden && own.message.contains("asked for the task"), "{own:?}");
    let writer = daemon.token("daemon.write").await;
    let refused = daemon.socket(&writer).await.call("tool.approve", params.clone()).await.expect_err("a writer");
    assert_eq!(refused.code, Code::Forbidden);
    let other = daemon.organisation("other").await;
    let mut foreign = other.socket(&daemon).await;
    let refused = foreign.call("tool.approve", params.clone()).await.expect_err("theirs it is not");
    assert_eq!(refused.code, Code::NotFound);
    assert_eq!(foreign.call("approval.list", json!({})).await?["items"], json!([]));
    let unknown = format!("approval_{}", "0".repeat(31) + "1");
    for operation in ["approval.get", "tool.approve", "tool.deny"] {
        let theirs = foreign.call(operation, params.clone()).await.expect_err("not theirs");
        let nobodys = foreign.call(operation, json!({ "approvalId": unknown })).await.expect_err("nobody's");
        let id = waiting["id"].as_str().unwrap_or_default();
        let same = theirs.message.replace(id, "ID") == nobodys.message.replace(&unknown, "ID");
        assert!(same && theirs.code == nobodys.code, "{operation}: {theirs:?} {nobodys:?}");
    }

    let mut bob = approver(&daemon, "bob").await?;
    let wrong = json!({ "approvalId": waiting["id"], "digest": format!("sha256:{}", "0".repeat(64)) });
    let refused = bob.call("tool.approve", wrong).await.expect_err("another call");
    assert_eq!(refused.code, Code::Conflict);
    for nothing in [json!({}), json!({ "sessionId": waiting["sessionId"] })] {
        let refused = bob.call("tool.approve", nothing).await.expect_err("which one");
        assert_eq!(refused.field.as_deref(), Some("approvalId"), "{refused:?}");
    }
    assert!(!stage.made().exists());
    // No is anybody's to say who may answer, also of who asked.
    admin.call("tool.deny", params).await?;
    ended(&mut admin, &task).await;
    assert!(!stage.made().exists());
    Ok(())
}

#[tokio::test]
async fn where_the_operator_says_so_who_asked_may_confirm() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let builder = stage.daemon()?.config(json!({ "approvals": { "requesterMayApprove": true } }));
    let daemon = builder.start().await?;
    let mut admin = daemon.admin().await;
    let (task, waiting) = waits(&mut admin, WRITE).await?;
    admin.call("tool.approve", json!({ "approvalId": waiting["id"] })).await?;
    ended(&mut admin, &task).await;
    assert!(stage.made().exists());
    Ok(())
}

#[tokio::test]
async fn who_is_named_by_the_charter_alone_may_answer() -> anyhow::Result<()> {
    let charter = "safetyHeuristics: { escalate: [{ action: fs.write, to: 'user:carol' }] }";
    let stage = Stage::new()?.agent("coder", "charter: careful")?.charter("careful", charter)?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    let (task, waiting) = waits(&mut admin, WRITE).await?;
    let params = json!({ "approvalId": waiting["id"] });
    let refused = approver(&daemon, "bob").await?.call("tool.approve", params.clone()).await.expect_err("not bob");
    assert!(refused.code == Code::Forbidden && refused.message.contains("user:carol"), "{refused:?}");
    approver(&daemon, "carol").await?.call("tool.approve", params).await?;
    ended(&mut admin, &task).await;
    assert!(stage.made().exists());
    Ok(())
}

#[tokio::test]
async fn a_yes_opens_nothing_that_a_charter_rejects_meanwhile() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "charter: careful")?.charter("careful", "name: Careful")?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    let (task, waiting) = waits(&mut admin, WRITE).await?;
    let stage = stage.charter("careful", "safetyHeuristics: { alwaysReject: [fs.write] }")?;
    admin.call("agent.reload", json!({})).await?;
    let mut bob = approver(&daemon, "bob").await?;
    bob.call("tool.approve", json!({ "approvalId": waiting["id"] })).await?;
    ended(&mut admin, &task).await;
    assert!(!stage.made().exists());
    Ok(())
}

#[tokio::test]
async fn layers_above_an_agent_hold_it_whatever_its_own_charter_says() -> anyhow::Result<()> {
    let allows = "safetyHeuristics: { autoApprove: [fs.write] }";
    let rejects = "safetyHeuristics: { alwaysReject: [fs.write] }";
    for (layers, is_made) in [
        (json!({}), true),
        (json!({ "everyone": ["strict"] }), false),
        (json!({ "organisations": { "org_00000000000070008000000000000001": ["strict"] } }), false),
        (json!({ "organisations": { "org_00000000000070008000000000000002": ["strict"] } }), true),
        (json!({ "everyone": ["missing"] }), false),
    ] {
        let stage = Stage::new()?.agent("coder", "charter: own")?.charter("own", allows)?.charter("strict", rejects)?;
        let builder = stage.daemon()?.config(json!({ "tools": { "confirm": [] }, "charters": layers }));
        let daemon = builder.start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*"]).await;
        let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": WRITE })).await?;
        ended(&mut admin, &spawned["taskId"]).await;
        assert_eq!(stage.made().exists(), is_made, "{layers}");
    }
    Ok(())
}

#[tokio::test]
async fn a_call_that_nobody_waits_with_is_refused() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    let params = json!({ "tool": "fs.write", "arguments": { "path": "a", "content": "b" } });
    let refused = admin.call("tool.call", params).await.expect_err("it has to be confirmed");
    assert!(refused.message.contains("cannot wait here"), "{refused:?}");
    Ok(())
}
