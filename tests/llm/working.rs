//! What becomes of a task that is given to a model.

use serde_json::{Value, json};

use crate::{Stage, call, history, kinds, session, turn, worked};

#[tokio::test]
async fn a_model_works_on_a_task_with_tools_and_everybody_can_see_it() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "workspaceSource: main\ntools: [fs.*]")?;
    let rules = json!([
        turn(1, json!([{ "text": "I look first." }, call("fs_read", json!({ "path": "notes.txt" }))])),
        turn(2, json!([call("fs_write", json!({ "path": "report.txt", "content": "two lines" }))])),
        turn(3, json!([{ "text": "{\"lines\": 2}" }])),
    ]);
    let daemon = stage.daemon(rules, &["fs.*"])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "session.*", "stream.*", "tool.*"]).await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "Count the lines." })).await?;
    let events = admin.events_until("the end", |event| event.name == "session.stopped").await;
    let done = events.iter().find(|event| event.name == "task.completed").expect("the end");
    assert_eq!(done.payload["result"], json!({ "lines": 2 }));

    let said: String = events
        .iter()
        .filter(|event| event.name == "stream.chunk")
        .filter_map(|event| event.payload["content"].as_str())
        .collect();
    assert!(said.starts_with("I look first."), "{said}");
    let called: Vec<&Value> =
        events.iter().filter(|event| event.name == "tool.request").map(|event| &event.payload["tool"]).collect();
    assert_eq!(called, ["fs.read", "fs.write"]);

    let session = session(&mut admin, &spawned["taskId"]).await?;
    assert_eq!((session["status"].as_str(), session["runtime"].as_str()), (Some("completed"), Some("llm")));
    let entries = history(&mut admin, &session).await?;
    let expected = [
        "began", "noted", "asked", "answered", "decided", "calling", "returned", "asked", "answered", "decided",
        "calling", "returned", "asked", "answered",
    ];
    assert_eq!(kinds(&entries), expected);
    assert!(entries[6].to_string().contains("two"), "the file was read: {}", entries[6]);

    let replay = admin.call("session.replay", json!({ "sessionId": session["id"] })).await?;
    assert_eq!((&replay["turns"], &replay["next"], &replay["divergences"]), (&json!(3), &json!("finish"), &json!([])));

    // Its work waits in a workspace of its own.
    let diff = admin.call("session.workspace.diff", json!({ "sessionId": session["id"] })).await?;
    assert!(diff.to_string().contains("report.txt"), "{diff}");
    assert!(!stage.source().join("report.txt").exists());
    admin.call("session.workspace.merge", json!({ "sessionId": session["id"] })).await?;
    assert_eq!(std::fs::read_to_string(stage.source().join("report.txt"))?, "two lines");
    Ok(())
}

#[tokio::test]
async fn without_a_model_the_task_fails_and_says_what_to_set() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "tools: []")?;
    let daemon = stage.daemon(json!([]), &[])?.config(json!({ "models": { "providers": {}, "primary": null } }));
    let daemon = daemon.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let ended = worked(&mut admin, "coder", "Say something.").await?;
    assert!(ended.payload.to_string().contains("no model configured"), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_an_answer() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "tools: []")?;
    let rules = json!([
        { "times": 1, "pieceChars": 4, "say": [{ "text": "The answer is not" }], "fault": { "error": "connection", "afterPieces": 2 } },
        { "say": [{ "text": "The answer is 42." }] },
    ]);
    let daemon = stage.daemon(rules, &[])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "stream.error"]).await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "Answer." })).await?;
    let events = admin.events_until("the end", |event| event.name == "task.completed").await;
    assert!(events.iter().any(|event| event.name == "stream.error" && event.payload["discarded"] == true));
    assert_eq!(events.last().expect("the end").payload["result"], "The answer is 42.");
    let session = session(&mut admin, &spawned["taskId"]).await?;
    let entries = history(&mut admin, &session).await?;
    assert_eq!(kinds(&entries), ["began", "noted", "asked", "noted", "asked", "answered"]);
    Ok(())
}

#[tokio::test]
async fn while_no_model_can_be_reached_the_task_waits_and_no_attempt_is_spent() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "tools: []")?;
    let overloaded = json!({ "error": "overloaded", "status": 529, "retryAfterMs": 100 });
    let rules = json!([{ "times": 4, "fault": overloaded }, { "say": [{ "text": "here I am" }] }]);
    let daemon = stage.daemon(rules, &[])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let ended = worked(&mut admin, "coder", "Are you there?").await?;
    assert_eq!(ended.payload["result"], "here I am");
    let task = admin.call("task.get", json!({ "taskId": ended.payload["taskId"] })).await?;
    assert_eq!(task["attempt"], 1, "{task}");
    Ok(())
}

#[tokio::test]
async fn an_agent_in_circles_is_told_and_then_stopped() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "workspaceSource: main\ntools: [fs.read]\nmaxInstances: 1")?;
    let rules = json!([{ "say": [call("fs_read", json!({ "path": "notes.txt" }))] }]);
    let daemon = stage.daemon(rules, &["fs.*"])?;
    let daemon = daemon.config(json!({ "llm": { "circles": { "sameCalls": 2, "nudges": 1 } } })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let spawned = admin
        .call("task.create", json!({ "title": "Go round", "requiredCapabilities": ["agent.coder"], "maxAttempts": 1 }));
    let task = spawned.await?;
    let ended = crate::ended(&mut admin, &task["id"]).await;
    assert!(ended.payload.to_string().contains("round in circles"), "{ended:?}");
    Ok(())
}
