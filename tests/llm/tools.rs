//! What an agent may do, and what it may not.

use orchestrator_rpc::Code;
use serde_json::json;

use crate::{Stage, call, history, session, turn, worked};

#[tokio::test]
async fn what_the_operator_does_not_allow_is_never_done_and_what_he_allows_is() -> anyhow::Result<()> {
    let rules = json!([
        turn(1, json!([call("fs_write", json!({ "path": "out.txt", "content": "x" }))])),
        turn(2, json!([{ "text": "tried" }])),
    ]);
    for (allow, front, refused_by) in [
        (&["fs.read"][..], "workspaceSource: main\nworkspace: shared\ntools: [fs.*]", Some("not in tools.allow")),
        (&["fs.*"][..], "workspaceSource: main\nworkspace: shared\ntools: [fs.read]", Some("not among the tools")),
        (
            &["fs.*"][..],
            "workspaceSource: main\nworkspace: shared\ntools: [fs.*]\npermissionMode: plan",
            Some("not among"),
        ),
        (&["fs.*"][..], "workspaceSource: main\nworkspace: shared\ntools: [fs.*]", None),
    ] {
        let stage = Stage::new()?.agent("coder", front)?;
        let daemon = stage.daemon(rules.clone(), allow)?.start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*"]).await;
        let ended = worked(&mut admin, "coder", "Write it.").await?;
        assert_eq!(ended.payload["result"], "tried");
        assert_eq!(stage.source().join("out.txt").exists(), refused_by.is_none(), "{front}");
        let session = session(&mut admin, &ended.payload["taskId"]).await?;
        let told = json!(history(&mut admin, &session).await?).to_string();
        if let Some(reason) = refused_by {
            assert!(told.contains(reason) && !told.contains("\"kind\":\"calling\""), "{told}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_administrator_tries_tools_within_the_same_list() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon(json!([]), &["fs.read"])?;
    let daemon = daemon.config(json!({ "tools": { "workspaces": { "try": stage.source() } } })).start().await?;
    let mut admin = daemon.admin().await;
    let read = json!({ "tool": "fs.read", "arguments": { "path": "notes.txt" }, "workspace": "try" });
    let called = admin.call("tool.call", read).await?;
    assert!(called["content"].to_string().contains("two"), "{called}");
    assert_eq!(called["label"]["integrity"], "untrusted");
    for (params, code, said) in [
        (
            json!({ "tool": "fs.write", "arguments": { "path": "a", "content": "" }, "workspace": "try" }),
            Code::Forbidden,
            "tools.allow",
        ),
        (json!({ "tool": "fs.read", "arguments": { "path": "../agents" }, "workspace": "try" }), Code::Forbidden, ""),
        (json!({ "tool": "fs.read", "arguments": { "path": "notes.txt" } }), Code::Forbidden, "workspace"),
        (json!({ "tool": "fs.read", "arguments": {}, "workspace": "try" }), Code::InvalidParams, "path"),
        (json!({ "tool": "fs.read", "arguments": {}, "workspace": "other" }), Code::InvalidParams, "workspace"),
        (json!({ "tool": "no.such" }), Code::NotFound, "no tool"),
    ] {
        let refused = admin.call("tool.call", params.clone()).await.expect_err("refused");
        assert!(refused.code == code && format!("{refused:?}").contains(said), "{params}: {refused:?}");
    }
    let listed = admin.call("tool.list", json!({})).await?;
    let allowed: Vec<&str> = listed["tools"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|tool| tool["allowedBy"] == "fs.read")
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert_eq!(allowed, ["fs.read"]);
    assert!(listed["tools"].to_string().contains("task.create"));
    Ok(())
}

#[tokio::test]
async fn what_an_agent_creates_is_its_own_and_nobody_vouches_for_it() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("lead", "tools: [task.*, agent.spawn]")?.agent("hand", "tools: [task.*]")?;
    let rules = json!([
        { "when": { "began": "Lead", "turn": 1 }, "say": [
            call("task_create", json!({ "title": "Later", "requiredCapabilities": ["nobody"] })),
            call("agent_spawn", json!({ "agent": "hand", "prompt": "Lend a hand" })),
        ] },
        { "say": [{ "text": "done" }] },
    ]);
    let daemon = stage.daemon(rules, &["task.*", "agent.spawn"])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let ended = worked(&mut admin, "lead", "Lead").await?;
    assert_eq!(ended.payload["result"], "done");
    let tasks = admin.call("task.list", json!({})).await?;
    let of = |title: &str| {
        let items = tasks["items"].as_array().into_iter().flatten();
        items.clone().find(|task| task["title"] == title).cloned().unwrap_or_default()
    };
    let later = of("Later");
    assert_eq!(later["createdBy"], "agent:lead", "{tasks}");
    assert_eq!(later["label"]["integrity"], "untrusted");
    let tried = json!({ "tool": "task.create", "arguments": { "title": "By hand" } });
    let tried = admin.call("tool.call", tried).await?;
    assert_eq!(tried["structured"]["createdBy"], "user:administrator", "{tried}");
    let hand = of("Lend a hand");
    assert_eq!(hand["label"]["integrity"], "untrusted", "whoever reads strange words spawns for them too: {hand}");
    assert_eq!(hand["metadata"]["daemon.spawn"]["depth"], 1, "{hand}");
    assert_eq!(hand["metadata"]["daemon.spawn"]["parent"]["agentId"], "lead");
    Ok(())
}

#[tokio::test]
async fn an_agent_whose_source_is_not_configured_is_told_and_gets_nothing() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "workspaceSource: elsewhere\ntools: [fs.*]")?;
    let daemon = stage.daemon(json!([{ "say": [{ "text": "x" }] }]), &["fs.*"])?.start().await?;
    let mut admin = daemon.admin().await;
    let listed = admin.call("agent.list", json!({ "status": "invalid" })).await?;
    assert!(listed.to_string().contains("`elsewhere` is none of `workspaces.sources`"), "{listed}");
    admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "x" })).await.expect_err("it cannot work");
    Ok(())
}
