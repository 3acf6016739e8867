//! What the program asks leave for is decided by the operator's list and the agent's file.

use orchestrator_testkit::Socket;
use serde_json::json;

use crate::{Stage, ended, history, session, spawn, worked};

async fn answer(socket: &mut Socket, agent: &str, order: &str) -> anyhow::Result<String> {
    let done = worked(socket, agent, order).await?;
    Ok(done.payload["result"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn nothing_is_done_that_the_operator_does_not_allow() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "")?;
    let daemon = stage.daemon(&["fs.*", "command.run", "claude.Read"])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "tool.*"]).await;
    let done = worked(&mut admin, "coder", "@tool Bash rm notes.txt").await?;
    assert_eq!(done.payload["result"], "claude.Bash is not in tools.allow", "what it calls so is not ours: {done:?}");
    let session = session(&mut admin, &done.payload["taskId"]).await?;
    let entries = history(&mut admin, &session).await?;
    let decided = entries.iter().find(|entry| entry["kind"] == "decided").cloned().unwrap_or_default();
    assert_eq!((&decided["allowed"], &decided["reason"]), (&json!(false), &done.payload["result"]), "{entries:?}");
    // A tool of its own, and one that only looks like one of ours.
    let unknown = answer(&mut admin, "coder", "@tool mcp__git__push x").await?;
    assert_eq!(unknown, "claude.mcp__git__push is not in tools.allow");
    assert_eq!(answer(&mut admin, "coder", "@tool fs.read x").await?, "claude.fs.read is not in tools.allow");
    let metrics = daemon.admin_http().get("/metrics").await;
    let refusals: Vec<&str> = metrics.body.lines().filter(|line| line.contains("tool_refusals_total{")).collect();
    assert!(refusals.iter().any(|line| line.contains("command.run") && line.ends_with(" 1")), "{refusals:?}");
    assert!(refusals.iter().any(|line| line.contains("unknown") && line.ends_with(" 2")), "{refusals:?}");
    Ok(())
}

#[tokio::test]
async fn what_both_allow_is_done() -> anyhow::Result<()> {
    let stage = Stage::new()?
        .agent("coder", "tools: [Bash, claude.mcp__git__push]")?
        .agent("reader", "tools: [Read]")?
        .agent("planner", "permissionMode: plan")?;
    let daemon = stage.daemon(&["claude.*"])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "tool.*"]).await;
    let done = worked(&mut admin, "coder", "@tool Bash ls").await?;
    assert_eq!(done.payload["result"], "Bash did ls", "{done:?}");
    let session = session(&mut admin, &done.payload["taskId"]).await?;
    let entries = history(&mut admin, &session).await?;
    let decided = entries.iter().find(|entry| entry["kind"] == "decided").cloned().unwrap_or_default();
    assert_eq!((&decided["allowed"], &decided["reason"]), (&json!(true), &json!("tools.allow has claude.*")));
    assert_eq!(answer(&mut admin, "coder", "@tool mcp__git__push x").await?, "mcp__git__push did x");
    let denied = "is not among the tools of this agent, or of who spawned it";
    assert_eq!(answer(&mut admin, "coder", "@tool Edit x").await?, format!("fs.edit {denied}"));
    assert_eq!(answer(&mut admin, "reader", "@tool Bash ls").await?, format!("command.run {denied}"));
    assert_eq!(answer(&mut admin, "planner", "@tool Read x").await?, "Read did x");
    assert_eq!(answer(&mut admin, "planner", "@tool Write x").await?, format!("fs.write {denied}"));
    assert_eq!(
        answer(&mut admin, "planner", "@tool mcp__git__push x").await?,
        format!("claude.mcp__git__push {denied}")
    );
    Ok(())
}

#[tokio::test]
async fn a_charter_refuses_what_both_allow_and_each_decision_leaves_one_record() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("bound", "charter: some")?.agent("free", "")?;
    std::fs::create_dir(stage.path("charters"))?;
    let charter = "safetyHeuristics: { alwaysReject: [command.run] }";
    std::fs::write(stage.path("charters/some.yaml"), charter)?;
    let builder = stage.daemon(&["claude.*"])?;
    let daemon = builder.config(json!({ "charters": { "directory": stage.path("charters") } })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "tool.*"]).await;
    for (agent, decision) in [("bound", "denied"), ("free", "allowed")] {
        let done = worked(&mut admin, agent, "@tool Bash ls").await?;
        let said = done.payload["result"].as_str().unwrap_or_default();
        assert_eq!(said == "Bash did ls", decision == "allowed", "{agent}: {said}");
        let wanted = json!({ "taskId": done.payload["taskId"], "action": "claude.Bash" });
        let records = admin.call("audit.list", wanted).await?["items"].as_array().cloned().unwrap_or_default();
        let [record] = &records[..] else { panic!("{agent}: {records:?}") };
        assert_eq!(record["entry"]["decision"], decision, "{record}");
        assert_eq!(record["entry"]["charters"]["some"].is_string(), agent == "bound", "{record}");
    }
    Ok(())
}

#[tokio::test]
async fn the_program_waits_for_somebody_who_confirms_what_it_wants() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "")?;
    let builder = stage.daemon(&["claude.*"])?.config(json!({ "tools": { "confirm": ["claude.Bash"] } }));
    let daemon = builder.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "approval.*"]).await;
    let mut bob = daemon.socket(&daemon.token("daemon.approve").await).await;
    for (operation, said) in [("tool.approve", "Bash did ls"), ("tool.deny", "said no")] {
        let task = spawn(&mut admin, "coder", "@tool Bash ls").await?;
        let asked = admin.events_until("it is asked", |event| event.name == "approval.requested").await;
        let waiting = &asked.last().expect("it was waited for").payload;
        assert_eq!((&waiting["tool"], &waiting["taskId"]), (&json!("claude.Bash"), &task));
        bob.call(operation, json!({ "approvalId": waiting["approvalId"] })).await?;
        let done = ended(&mut admin, &task).await.pop().expect("it was waited for");
        assert!(done.payload["result"].to_string().contains(said), "{done:?}");
    }
    Ok(())
}
