//! What is answered, and what comes of it.

use serde_json::{Value, json};

use crate::{Stage, WRITE, approver, decided, ended, waits};

#[tokio::test]
async fn a_call_waits_for_a_person_without_a_worker_and_is_made_once_they_say_yes() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    let (task, waiting) = waits(&mut admin, WRITE).await?;
    assert!(!stage.made().exists());
    assert_eq!((&waiting["tool"], &waiting["agentId"]), (&json!("fs.write"), &json!("coder")));
    assert_eq!(waiting["arguments"], r#"{"content":"made","path":"made.txt"}"#);
    assert_eq!(waiting["rules"], json!(["tools.confirm has fs.write"]));
    let held = admin.call("task.get", json!({ "taskId": task })).await?;
    assert_eq!(held["status"], "awaiting_approval", "{held}");
    let session = admin.call("session.status", json!({ "sessionId": waiting["sessionId"] })).await?;
    assert_eq!(session["status"], "suspended", "{session}");
    let waiting_now = async || {
        let page = daemon.admin_http().get("/metrics").await.body;
        page.lines().find_map(|line| line.strip_prefix("approvals_waiting ")).map(str::to_owned)
    };
    assert_eq!(waiting_now().await.as_deref(), Some("1"));

    let mut bob = approver(&daemon, "bob").await?;
    let params = json!({ "approvalId": waiting["id"], "digest": waiting["digest"], "note": "go on" });
    let approved = bob.call("tool.approve", params).await?;
    assert_eq!((&approved["status"], &approved["decidedBy"]), (&json!("approved"), &json!("user:bob")));
    assert_eq!(waiting_now().await.as_deref(), Some("0"));
    assert_eq!(ended(&mut admin, &task).await.name, "task.completed");
    assert_eq!(std::fs::read_to_string(stage.made())?, "made");
    let used = admin.call("approval.get", json!({ "approvalId": waiting["id"] })).await?;
    assert_eq!((&used["status"], &used["note"]), (&json!("used"), &json!("go on")));
    let expected = [("fs.write", "held"), ("tool.approve", "allowed"), ("fs.write", "allowed")];
    assert_eq!(decided(&mut admin, &task).await?, expected.map(|(what, how)| (what.into(), how.into())));
    let replay = admin.call("session.replay", json!({ "sessionId": waiting["sessionId"] })).await?;
    assert_eq!(replay["divergences"], json!([]), "{replay}");
    let late = bob.call("tool.deny", json!({ "approvalId": waiting["id"] })).await.expect_err("it was used");
    assert!(late.message.contains("is used already"), "{late:?}");
    Ok(())
}

#[tokio::test]
async fn without_the_list_nobody_is_asked() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.config(json!({ "tools": { "confirm": [] } })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": WRITE })).await?;
    ended(&mut admin, &spawned["taskId"]).await;
    assert!(stage.made().exists());
    assert_eq!(admin.call("approval.list", json!({})).await?["items"], json!([]));
    Ok(())
}

#[tokio::test]
async fn a_no_is_told_to_the_agent_and_leaves_one_denial() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    let (task, waiting) = waits(&mut admin, WRITE).await?;
    let mut bob = approver(&daemon, "bob").await?;
    let by_call = json!({
        "sessionId": waiting["sessionId"], "requestId": waiting["requestId"], "reason": "not on a Friday",
    });
    assert_eq!(bob.call("tool.deny", by_call).await?["status"], "denied");
    ended(&mut admin, &task).await;
    assert!(!stage.made().exists());
    let page = admin.call("session.history", json!({ "sessionId": waiting["sessionId"], "limit": 200 })).await?;
    assert!(page["entries"].to_string().contains("user:bob said no: not on a Friday"), "{page}");
    let expected = [("fs.write", "held"), ("fs.write", "denied")];
    assert_eq!(decided(&mut admin, &task).await?, expected.map(|(what, how)| (what.into(), how.into())));
    Ok(())
}

#[tokio::test]
async fn nobody_s_answer_is_a_no() -> anyhow::Result<()> {
    let charter = "safetyHeuristics: { escalate: [{ action: fs.write, timeoutMs: 1000 }] }";
    let stage = Stage::new()?.agent("coder", "charter: careful")?.charter("careful", charter)?;
    let daemon = stage.daemon()?.config(json!({ "tools": { "confirm": [] } })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "approval.*"]).await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": WRITE })).await?;
    let task = &spawned["taskId"];
    ended(&mut admin, task).await;
    assert!(!stage.made().exists());
    let page = admin.call("approval.list", json!({})).await?;
    assert_eq!(page["items"][0]["status"], "expired", "{page}");
    assert!(page["items"][0]["rules"].to_string().contains("escalate `fs.write`"), "{page}");
    let expected = [("fs.write", "held"), ("fs.write", "denied")];
    assert_eq!(decided(&mut admin, task).await?, expected.map(|(what, how)| (what.into(), how.into())));
    Ok(())
}

#[tokio::test]
async fn what_is_always_confirmed_is_this_call_and_no_other() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    let (task, waiting) = waits(&mut admin, WRITE).await?;
    let mut bob = approver(&daemon, "bob").await?;
    bob.call("tool.approve", json!({ "approvalId": waiting["id"], "always": true })).await?;
    ended(&mut admin, &task).await;
    std::fs::remove_file(stage.made())?;

    let again = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": WRITE })).await?;
    ended(&mut admin, &again["taskId"]).await;
    assert!(stage.made().exists());
    let other = WRITE.replace("\"made\"}", "\"other\"}");
    let (task, waiting) = waits(&mut admin, &other).await?;
    bob.call("tool.deny", json!({ "approvalId": waiting["id"] })).await?;
    ended(&mut admin, &task).await;

    let grants = admin.call("grant.list", json!({})).await?;
    let grant = grants["items"][0].clone();
    assert_eq!((&grant["tool"], &grant["grantedBy"]), (&json!("fs.write"), &json!("user:bob")));
    admin.call("grant.revoke", json!({ "grantId": grant["id"] })).await?;
    let (task, waiting) = waits(&mut admin, WRITE).await?;
    bob.call("tool.deny", json!({ "approvalId": waiting["id"] })).await?;
    ended(&mut admin, &task).await;
    Ok(())
}

#[tokio::test]
async fn several_calls_of_one_answer_wait_side_by_side() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    let two = format!("{WRITE}\n{}", WRITE.replace("made.txt", "second.txt"));
    let (task, _) = waits(&mut admin, &two).await?;
    let page = admin.call("approval.list", json!({ "status": "pending" })).await?;
    let ids: Vec<Value> = page["items"].as_array().into_iter().flatten().map(|one| one["id"].clone()).collect();
    assert_eq!(ids.len(), 2, "{page}");
    let mut bob = approver(&daemon, "bob").await?;
    bob.call("tool.deny", json!({ "approvalId": ids[0] })).await?;
    bob.call("tool.approve", json!({ "approvalId": ids[1] })).await?;
    ended(&mut admin, &task).await;
    assert!(stage.made().exists());
    assert!(!stage.made().with_file_name("second.txt").exists());
    Ok(())
}
