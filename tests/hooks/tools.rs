use orchestrator_rpc::Code;
use serde_json::{Value, json};

use crate::{Stage, named, records, run, worked};

/// Blocks what deploys.
const NO_DEPLOYS: &str = "case \"$(cat)\" in *deploy*) echo 'not on a Friday' >&2; exit 2;; esac";

#[tokio::test]
async fn a_program_blocks_a_command_with_its_words_and_lets_others_pass() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let hooks = named("fridays", stage.script(&["PreCommand"], NO_DEPLOYS));
    let daemon = stage.daemon(&[], hooks)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["hook.*"]).await;
    let refused = admin.call("tool.call", run(&["echo", "deploy"])).await.expect_err("it is blocked");
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (Code::Forbidden, "blocked by the hook fridays: not on a Friday")
    );
    let event = admin.next_event().await;
    assert_eq!((event.name.as_str(), &event.payload["tool"]), ("hook.blocked", &json!("command.run")), "{event:?}");
    admin.call("tool.call", run(&["echo", "hello"])).await?;
    let denied = records(&mut admin, "command.run", "denied").await?;
    assert_eq!(denied.len(), 1, "one record: {denied:?}");
    assert!(denied[0]["entry"]["reason"].as_str().is_some_and(|reason| reason.contains("not on a Friday")));
    assert_eq!(records(&mut admin, "command.run", "allowed").await?.len(), 1);
    let listed = admin.call("hook.list", json!({})).await?["hooks"][0].clone();
    assert_eq!(
        (&listed["name"], &listed["kind"], &listed["runs"], &listed["blocked"]),
        (&json!("fridays"), &json!("program"), &json!(2), &json!(1))
    );
    let page = daemon.admin_http().get("/metrics").await.body;
    assert!(page.contains("hook_runs_total{hook=\"fridays\",outcome=\"blocked\"} 1"), "{page}");
    Ok(())
}

#[tokio::test]
async fn without_the_hook_the_same_command_runs() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon(&[], json!({}))?.start().await?;
    daemon.admin().await.call("tool.call", run(&["echo", "deploy"])).await?;
    Ok(())
}

#[tokio::test]
async fn an_agent_is_told_why_and_goes_on() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let hooks = named("fridays", stage.script(&["PreToolUse"], NO_DEPLOYS));
    let calls = [("command_run", json!({ "argv": ["sh", "-c", "touch deploy"] }))];
    let daemon = stage.daemon(&calls, hooks)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let done = worked(&mut admin, "Do it.").await?;
    assert_eq!(done.payload["result"], "done", "{done:?}");
    assert!(!stage.path("source/deploy").exists());
    let session = admin.call("session.list", json!({})).await?["sessions"][0]["id"].clone();
    let history = admin.call("session.history", json!({ "sessionId": session })).await?.to_string();
    assert!(history.contains("not allowed: blocked by the hook fridays: not on a Friday"), "{history}");
    Ok(())
}

/// Puts another path into the call.
fn redirecting(to: &str) -> String {
    let answer = json!({ "hookSpecificOutput": { "hookEventName": "PreToolUse", "permissionDecision": "allow",
        "updatedInput": { "path": to, "content": "by a hook" } } });
    format!("printf '%s' '{answer}'")
}

/// What a hook makes of a call is judged by the charter of the agent, also though the hook allows it.
async fn written_to(path: &str) -> anyhow::Result<(Stage, String)> {
    let front = "tools: [fs.*]\nworkspace: shared\nworkspaceSource: main\ncharter: careful";
    let stage = Stage::new()?.agent(front)?;
    let charter = "safetyHeuristics: { alwaysReject: [touch_secrets] }\n";
    std::fs::write(stage.path("charters/careful.yaml"), charter)?;
    let hooks = named("redirect", stage.script(&["PreEdit"], &redirecting(path)));
    let calls = [("fs_write", json!({ "path": "asked.txt", "content": "as asked" }))];
    let charters = json!({ "directory": stage.path("charters"), "actions": { "touch_secrets": [{ "tools": ["fs.write"], "paths": ["secret"] }] } });
    let daemon = stage.daemon(&calls, hooks)?.config(json!({ "charters": charters })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    worked(&mut admin, "Write.").await?;
    let all = admin.call("audit.list", json!({ "action": "fs.write" })).await?;
    let items = all["items"].as_array().cloned().unwrap_or_default();
    assert_eq!(items.len(), 1, "{all}");
    assert!(items[0]["entry"]["arguments"].as_str().is_some_and(|shown| shown.contains(path)), "{all}");
    let entry = &items[0]["entry"];
    Ok((stage, format!("{}: {}", entry["decision"].as_str().unwrap_or_default(), entry["reason"])))
}

#[tokio::test]
async fn what_a_hook_changed_is_judged_again_and_refused_by_the_charter() -> anyhow::Result<()> {
    let (stage, decided) = written_to("secret/a.txt").await?;
    assert!(decided.starts_with("denied: ") && decided.contains("touch_secrets"), "{decided}");
    assert!(!stage.path("source/secret").exists() && !stage.path("source/asked.txt").exists());
    Ok(())
}

#[tokio::test]
async fn what_a_hook_changed_to_something_that_is_allowed_is_what_runs() -> anyhow::Result<()> {
    let (stage, decided) = written_to("open/a.txt").await?;
    assert!(decided.starts_with("allowed: "), "{decided}");
    assert_eq!(std::fs::read_to_string(stage.path("source/open/a.txt"))?, "by a hook");
    assert!(!stage.path("source/asked.txt").exists());
    Ok(())
}

async fn refused_by(hook: Value) -> anyhow::Result<String> {
    let stage = Stage::new()?;
    let daemon = stage.daemon(&[], named("one", hook))?.start().await?;
    let refused = daemon.admin().await.call("tool.call", run(&["touch", "made"])).await.expect_err("it is denied");
    assert!(!stage.path("source/made").exists());
    Ok(refused.message)
}

#[tokio::test]
async fn a_hook_that_fails_is_not_there_or_takes_too_long_denies() -> anyhow::Result<()> {
    let hook = |command: Value, timeout: u64| json!({ "events": ["PreToolUse"], "timeoutMs": timeout, "program": { "command": command } });
    for (hook, why) in [
        (hook(json!(["sh", "-c", "echo broken >&2; exit 7"]), 20_000), "its program ended with 7: broken"),
        (hook(json!(["/no/such/program"]), 20_000), "it failed"),
        (hook(json!(["sleep", "600"]), 100), "it took longer than 100 ms"),
    ] {
        let said = refused_by(hook).await?;
        assert!(said.contains(why), "{said}");
    }
    Ok(())
}

/// Wants a person to confirm it.
fn asking() -> Value {
    let answer =
        json!({ "hookSpecificOutput": { "permissionDecision": "ask", "permissionDecisionReason": "is it meant?" } });
    json!({ "events": ["PreToolUse"], "program": { "command": ["echo", answer.to_string()] } })
}

#[tokio::test]
async fn where_nobody_can_wait_a_hook_that_asks_refuses() -> anyhow::Result<()> {
    let said = refused_by(asking()).await?;
    assert!(said.contains("the hook one wants it confirmed: is it meant?"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_session_waits_for_a_person_if_a_hook_asks_and_goes_on_once_they_say_yes() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let calls = [("command_run", json!({ "argv": ["touch", "made"] }))];
    let daemon = stage.daemon(&calls, named("one", asking()))?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "session.*"]).await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "Do it." })).await?;
    admin.events_until("the session waits", |event| event.name == "session.waiting").await;
    assert!(!stage.path("source/made").exists());
    let waiting = admin.call("approval.list", json!({ "status": "pending" })).await?["items"][0].clone();
    assert_eq!(waiting["rules"], json!(["the hook one wants it confirmed: is it meant?"]), "{waiting}");
    let key = json!({ "kind": "apiKey", "subject": "bob", "scopes": ["daemon.read", "daemon.approve"] });
    let issued = admin.call("auth.token.issue", key).await?;
    let mut bob = daemon.socket(issued["token"].as_str().unwrap_or_default()).await;
    bob.call("tool.approve", json!({ "approvalId": waiting["id"], "digest": waiting["digest"] })).await?;
    admin
        .events_until("the end", |event| event.name == "task.completed" && event.payload["taskId"] == spawned["taskId"])
        .await;
    assert!(stage.path("source/made").exists());
    Ok(())
}

#[tokio::test]
async fn what_a_hook_adds_afterwards_is_heard_by_the_model() -> anyhow::Result<()> {
    let calls = [("command_run", json!({ "argv": ["echo", "hello"] }))];
    let script = "cat > $NOTES/told; echo '{\"hookSpecificOutput\": {\"additionalContext\": \"mind the gap\"}}'";
    for (events, expected) in [(["PostToolUse"], "a hook spoke"), (["PostToolUseFailure"], "done")] {
        let stage = Stage::new()?;
        let hooks = named("after", stage.script(&events, script));
        let daemon = stage.daemon(&calls, hooks)?.start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*"]).await;
        let done = worked(&mut admin, "Say hello.").await?;
        assert_eq!(done.payload["result"], expected, "{events:?}: {done:?}");
        let told = stage.noted("told");
        let has = |text: &str| told.contains(text);
        assert_eq!(
            has("\"tool_name\":\"command.run\"") && has("\"tool_response\"") && has("hello"),
            expected == "a hook spoke"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_guards_that_come_along_are_off_until_they_are_named() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let everything = run(&["echo", "rm", "-rf", "/"]);
    let shell = run(&["sh", "-c", "exit 0; rm -rf /"]);
    let daemon = stage.daemon(&[], json!({ "builtin": ["dangerousCommands", "secrets"] }))?.start().await?;
    let mut admin = daemon.admin().await;
    let refused = admin.call("tool.call", shell.clone()).await.expect_err("it is dangerous");
    assert!(
        refused.message.contains("dangerousCommands") && refused.message.contains("removes everything"),
        "{refused:?}"
    );
    admin.call("tool.call", everything).await?;
    let key = "sk-ant-api03-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-aaaaaaaaAA";
    let refused = admin.call("tool.call", run(&["echo", key])).await.expect_err("it is a secret");
    assert!(refused.message.contains("the hook secrets"), "{refused:?}");
    let stage = Stage::new()?;
    let daemon = stage.daemon(&[], json!({}))?.start().await?;
    let mut admin = daemon.admin().await;
    admin.call("tool.call", shell).await?;
    admin.call("tool.call", run(&["echo", key])).await?;
    Ok(())
}
