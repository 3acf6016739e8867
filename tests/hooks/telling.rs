use std::process::Stdio;
use std::time::Duration;

use orchestrator_rpc::Code;
use orchestrator_testkit::{patiently, program};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{Stage, named, worked};

/// One line for each event it is told of.
const NOTES: &str = "line=$(cat); echo \"$line\" >> $NOTES/told";

async fn until_noted(stage: &Stage, events: &[&str]) -> Vec<Value> {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    patiently(&format!("{events:?} to be told"), async {
        loop {
            let noted = stage.noted("told");
            let lines: Vec<Value> = noted.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            if events.iter().all(|event| lines.iter().any(|line| line["hook_event_name"] == **event)) {
                return lines;
            }
            ticks.tick().await;
        }
    })
    .await
}

#[tokio::test]
async fn the_life_of_a_session_and_its_task_is_told() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let events = ["SessionStart", "SessionEnd", "PostTask", "TaskCompleted", "TeammateIdle"];
    let hooks = named("notes", stage.script(&events, NOTES));
    let daemon = stage.daemon(&[], hooks)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let done = worked(&mut admin, "Do it.").await?;
    let lines = until_noted(&stage, &events).await;
    let of = |event: &str| lines.iter().find(|line| line["hook_event_name"] == event).cloned().unwrap_or_default();
    assert_eq!(of("TaskCompleted")["task_id"], done.payload["taskId"]);
    assert_eq!((&of("SessionStart")["source"], &of("SessionStart")["agent_id"]), (&json!("startup"), &json!("coder")));
    assert_eq!(of("SessionEnd")["session_id"], of("SessionStart")["session_id"]);
    assert_eq!(of("TeammateIdle")["teammate_name"], "coder");
    Ok(())
}

#[tokio::test]
async fn an_agent_that_spawns_another_is_told_of_and_so_is_its_end() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("tools: [task.create]")?;
    let events = ["SubagentStart", "SubagentStop"];
    let hooks = named("notes", stage.script(&events, NOTES));
    let create = json!({ "title": "a smaller thing", "requiredCapabilities": ["outside"] });
    let daemon = stage.daemon(&[("task_create", create)], hooks)?;
    let daemon = daemon.config(json!({ "tools": { "allow": ["task.create"] } })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    worked(&mut admin, "Delegate.").await?;
    let lines = until_noted(&stage, &["SubagentStart"]).await;
    assert_eq!(
        (&lines[0]["spawned_by"], &lines[0]["task_subject"]),
        (&json!("agent:coder"), &json!("a smaller thing"))
    );
    admin.call("task.cancel", json!({ "taskId": lines[0]["task_id"] })).await?;
    let lines = until_noted(&stage, &events).await;
    let stopped = lines.iter().find(|line| line["hook_event_name"] == "SubagentStop").expect("it was told");
    assert_eq!(stopped["task_id"], lines[0]["task_id"]);
    Ok(())
}

#[tokio::test]
async fn hooks_are_the_operators_to_see_and_come_from_the_file_only() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let hooks = named("notes", stage.script(&["PostTask"], NOTES));
    let daemon = stage.daemon(&[], hooks)?.start().await?;
    let org = daemon.organisation("theirs").await;
    let refused = org.socket(&daemon).await.call("hook.list", json!({})).await.expect_err("they are the operator's");
    assert_eq!(refused.code, Code::Forbidden);
    let mut admin = daemon.admin().await;
    let set = json!({ "values": { "hooks.custom.evil.program.command": ["sh"] } });
    let refused = admin.call("config.set", set).await.expect_err("it names a program");
    assert!(refused.message.contains("configuration file"), "{refused:?}");
    let mut command = Command::new(program("orchestrator")?);
    command.args(["hook", "list"]).env_clear().env("ORCHESTRATOR_DATA_DIR", daemon.data_directory());
    let said = String::from_utf8(command.stdin(Stdio::null()).output().await?.stdout)?;
    assert!(said.contains("notes") && said.contains("program") && said.contains("PostTask"), "{said}");
    let wrong = json!({ "custom": { "x": { "events": ["PreToolUse"] } } });
    let refused = stage.daemon(&[], wrong)?.refused().await?;
    assert!(refused.output.contains("custom.x.program: expected `program` or `http`"), "{}", refused.output);
    Ok(())
}
