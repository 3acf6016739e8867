//! What a skill says of tools holds from when it is followed.

use orchestrator_testkit::Event;
use serde_json::{Value, json};

use crate::{Stage, call, ended, journal, results, turn, worked};

fn write(path: &str) -> Value {
    call("fs_write", json!({ "path": path, "content": "x" }))
}

#[tokio::test]
async fn the_same_call_passes_before_a_skill_is_followed_and_is_refused_after() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    stage.skill("review", "allowed-tools: Read Bash(wc:*)\n", "Read, and change nothing.")?;
    let rules = json!([
        turn(1, json!([write("before.txt")])),
        turn(2, json!([call("skill_use", json!({ "name": "review" }))])),
        turn(3, json!([write("after.txt")])),
        turn(4, json!([call("fs_read", json!({ "path": "notes.txt" }))])),
        turn(5, json!([call("command_run", json!({ "argv": ["wc", "-l", "notes.txt"] }))])),
        turn(6, json!([call("command_run", json!({ "argv": ["sh", "-c", "wc -l notes.txt; touch made.txt"] }))])),
        turn(7, json!([{ "text": "done" }])),
    ]);
    let daemon = stage.daemon(rules)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let end = worked(&mut admin, "coder", "Review.").await?;
    assert_eq!(end.payload["result"], "done");
    assert!(stage.path("source/before.txt").exists());
    assert!(!stage.path("source/after.txt").exists() && !stage.path("source/made.txt").exists());
    let (session, entries) = journal(&mut admin, &end.payload["taskId"]).await?;
    let told = results(&entries);
    let refusal = "the skill `review`, which is followed here, allows only: Read Bash(wc:*)";
    assert!(told[2].contains(refusal) && told[5].contains(refusal), "{told:?}");
    assert!(told[3].contains("two") && told[4].contains("exit code 0"), "{told:?}");

    // The model is told of what is left.
    let noted = |entry: &&Value| entry["entry"]["kind"] == "noted" && entry["entry"]["what"] == "tools";
    let offered: Vec<&Value> = entries.iter().filter(noted).map(|entry| &entry["entry"]["facts"]["tools"]).collect();
    let has = |tools: &Value, name: &str| tools.as_array().into_iter().flatten().any(|tool| tool["name"] == name);
    assert!(has(offered[0], "fs.write") && has(offered[0], "skill.use"));
    let left = offered.last().expect("they were told of again");
    assert!(!has(left, "fs.write") && has(left, "fs.read") && has(left, "command.run") && has(left, "skill.read"));
    let audited = admin.call("audit.list", json!({ "decision": "denied" })).await?;
    assert!(audited.to_string().contains("which is followed here"), "{audited}");
    let replay = admin.call("session.replay", json!({ "sessionId": session["id"] })).await?;
    assert_eq!(replay["divergences"], json!([]), "{replay}");
    Ok(())
}

#[tokio::test]
async fn a_skill_that_a_person_asked_for_narrows_from_the_beginning() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    stage.skill("review", "allowed-tools: Read\n", "Read, and change nothing.")?;
    let rules = json!([turn(1, json!([write("made.txt")])), turn(2, json!([{ "text": "done" }]))]);
    let daemon = stage.daemon(rules)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    worked(&mut admin, "coder", "/review it").await?;
    assert!(!stage.path("source/made.txt").exists());
    worked(&mut admin, "coder", "review it").await?;
    assert!(stage.path("source/made.txt").exists(), "without the skill it is allowed");
    Ok(())
}

#[tokio::test]
async fn several_skills_narrow_together() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    stage.skill("files", "allowed-tools: fs.*\n", "x")?;
    stage.skill("readers", "allowed-tools: Read Bash\n", "x")?;
    stage.skill("any", "", "x")?;
    let rules = json!([
        turn(1, json!([call("skill_use", json!({ "name": "files" })), call("skill_use", json!({ "name": "any" }))])),
        turn(2, json!([write("one.txt")])),
        turn(3, json!([call("skill_use", json!({ "name": "readers" }))])),
        turn(4, json!([write("two.txt")])),
        turn(5, json!([call("command_run", json!({ "argv": ["ls"] }))])),
        turn(6, json!([call("fs_read", json!({ "path": "notes.txt" }))])),
        turn(7, json!([{ "text": "done" }])),
    ]);
    let daemon = stage.daemon(rules)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let end = worked(&mut admin, "coder", "Go.").await?;
    let (_, entries) = journal(&mut admin, &end.payload["taskId"]).await?;
    let told = results(&entries);
    assert!(stage.path("source/one.txt").exists() && !stage.path("source/two.txt").exists(), "{told:?}");
    assert!(told[5].contains("the skill `files`") && told[6].contains("two"), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn what_narrows_survives_the_daemon() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    stage.skill("writing", "allowed-tools: Write\n", "Only write.")?;
    let rules = json!([
        turn(1, json!([call("skill_use", json!({ "name": "writing" }))])),
        turn(2, json!([write("made.txt")])),
        turn(
            3,
            json!([
                call("fs_read", json!({ "path": "notes.txt" })),
                call("command_run", json!({ "argv": ["touch", "ran.txt"] }))
            ])
        ),
        turn(4, json!([{ "text": "done" }])),
    ]);
    let daemon = stage.daemon(rules)?.config(json!({ "tools": { "confirm": ["fs.write"] } })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["session.*"]).await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "Go." })).await?;
    let task = spawned["taskId"].clone();
    let waits = |event: &Event| event.name == "session.waiting" && event.payload["taskId"] == task;
    admin.events_until("the session waits", waits).await;
    let daemon = daemon.kill().await.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let waiting = admin.call("approval.list", json!({ "status": "pending" })).await?;
    let issued = json!({ "kind": "apiKey", "subject": "bob", "scopes": ["daemon.read", "daemon.approve"] });
    let issued = daemon.admin_http().call("auth.token.issue", issued).await?;
    let mut bob = daemon.socket(issued["token"].as_str().unwrap_or_default()).await;
    bob.call("tool.approve", json!({ "approvalId": waiting["items"][0]["id"] })).await?;
    assert_eq!(ended(&mut admin, &task).await.payload["result"], "done");
    let (session, entries) = journal(&mut admin, &task).await?;
    let told = results(&entries);
    assert!(stage.path("source/made.txt").exists() && !stage.path("source/ran.txt").exists(), "{told:?}");
    let refused = told.iter().filter(|told| told.contains("allows only: Write")).count();
    assert_eq!(refused, 2, "{told:?}");
    let replay = admin.call("session.replay", json!({ "sessionId": session["id"] })).await?;
    assert_eq!(replay["divergences"], json!([]), "{replay}");
    Ok(())
}

#[tokio::test]
async fn an_agent_hands_down_no_more_than_a_skill_leaves_it() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("lead", "")?;
    stage.skill("lead-on", "allowed-tools: Task Read\n", "Let others read.")?;
    let rules = json!([
        { "when": { "began": "Lead", "turn": 1 }, "say": [call("skill_use", json!({ "name": "lead-on" }))] },
        { "when": { "began": "Lead", "turn": 2 }, "say": [call("agent_spawn", json!({ "agent": "coder", "prompt": "Hand" }))] },
        { "when": { "began": "Hand", "turn": 1 }, "say": [write("made.txt"), call("fs_read", json!({ "path": "notes.txt" }))] },
        { "say": [{ "text": "done" }] },
    ]);
    let daemon = stage.daemon(rules)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    admin.call("agent.spawn", json!({ "agent": "lead", "prompt": "Lead" })).await?;
    let ends = |event: &Event| event.name == "task.completed";
    for _ in 0..2 {
        admin.events_until("an end", ends).await;
    }
    let tasks = admin.call("task.list", json!({})).await?;
    let hand = tasks["items"].as_array().into_iter().flatten().find(|task| task["title"] == "Hand").cloned();
    let (_, entries) = journal(&mut admin, &hand.unwrap_or_default()["id"]).await?;
    let told = results(&entries);
    assert!(!stage.path("source/made.txt").exists() && told.iter().any(|told| told.contains("two")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("or of who spawned it")), "{told:?}");
    Ok(())
}
