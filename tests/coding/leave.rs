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
async fn a_script_of_a_coding_agent_is_judged_by_what_it_would_run() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("bound", "charter: some")?.agent("free", "")?;
    std::fs::create_dir(stage.path("charters"))?;
    std::fs::write(
        stage.path("charters/some.yaml"),
        "safetyHeuristics: { alwaysReject: [resource_deletion, partners, live] }",
    )?;
    let actions = json!({
        "partners": [{ "tools": ["http.fetch", "command.*"], "hosts": ["partner.example"] }],
        "live": [{ "tools": ["fs.*"], "paths": ["/live"] }],
    });
    let charters = json!({ "directory": stage.path("charters"), "actions": actions });
    let daemon = stage.daemon(&["claude.*"])?.config(json!({ "charters": charters })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    for (order, reason) in [
        ("Bash rm notes.txt", Some("resource_deletion")),
        ("Bash true && env -i r\"\"m notes.txt", Some("resource_deletion")),
        // It may be any of them: the first is told.
        ("Bash $X notes.txt", Some("partners")),
        ("Bash curl partner.example", Some("partners")),
        ("Bash echo x > /dev/tcp/partner.example/80", Some("partners")),
        ("WebFetch {\"url\": \"https://PARTNER.example/x\", \"prompt\": \"sum up\"}", Some("partners")),
        ("Write {\"file_path\": \"/live/x\", \"content\": \"y\"}", Some("live")),
        ("Edit {\"file_path\": \"x/../../live/y\"}", Some("live")),
        ("Bash ls && cat notes.txt | sort", None),
        ("Bash curl -fsS https://other.example/rm", None),
        ("WebFetch {\"url\": \"https://other.example/x\", \"prompt\": \"sum up\"}", None),
    ] {
        let said = answer(&mut admin, "bound", &format!("@tool {order}")).await?;
        let tool = order.split(' ').next().unwrap_or_default();
        match reason {
            Some(reason) => assert!(said.contains(&format!("alwaysReject `{reason}`")), "{order}: {said}"),
            None => assert!(said.starts_with(&format!("{tool} did ")), "{order}: {said}"),
        }
        let free = answer(&mut admin, "free", &format!("@tool {order}")).await?;
        assert!(free.starts_with(&format!("{tool} did ")), "{order}: {free}");
    }
    Ok(())
}

#[tokio::test]
async fn a_file_beneath_the_workspace_is_judged_by_its_place_there() -> anyhow::Result<()> {
    let front = "workspaceSource: main\nworkspace: shared\ncharter: some";
    let stage = Stage::new()?.agent("coder", front)?;
    std::fs::create_dir(stage.path("charters"))?;
    std::fs::write(stage.path("charters/some.yaml"), "safetyHeuristics: { alwaysReject: [rollout] }")?;
    let actions = json!({ "rollout": [{ "tools": ["fs.*"], "paths": ["deploy"] }] });
    let charters = json!({ "directory": stage.path("charters"), "actions": actions });
    let daemon = stage.daemon(&["claude.*"])?.config(json!({ "charters": charters })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let source = stage.path("source").canonicalize()?;
    for (file, is_refused) in [("deploy/live.yaml", true), ("./deploy/x", true), ("notes.txt", false)] {
        let order = json!({ "file_path": source.join(file), "content": "x" });
        let said = answer(&mut admin, "coder", &format!("@tool Write {order}")).await?;
        assert_eq!(said.contains("alwaysReject `rollout`"), is_refused, "{file}: {said}");
        assert_eq!(said.starts_with("Write did "), !is_refused, "{file}: {said}");
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
