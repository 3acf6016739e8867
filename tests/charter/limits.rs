//! Limits of charters that hold.

use orchestrator_testkit::Event;
use serde_json::{Value, json};

use crate::{Stage, worked};

const TASKS: usize = 40;

/// The most tasks of the agent that were worked on at once.
async fn at_once(charter: &str) -> anyhow::Result<usize> {
    let stage = Stage::new()?.agent("coder", "charter: some\nmaxInstances: 20")?.charter("some", charter)?;
    let script = json!({ "rules": [{ "delayMs": 30, "say": [{ "text": "done" }] }] });
    let daemon = stage.daemon_with(script)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.claimed", "task.completed", "task.failed", "task.released"]).await;
    let tasks: Vec<Value> =
        (0..TASKS).map(|n| json!({"title": n.to_string(), "requiredCapabilities": ["agent.coder"]})).collect();
    admin.call("task.createMany", json!({ "tasks": tasks })).await?;
    let (mut now, mut most, mut done) = (0_usize, 0, 0);
    while done < TASKS {
        let event = admin.next_event().await;
        match event.name.as_str() {
            "task.claimed" => now += 1,
            name => {
                now -= 1;
                done += usize::from(name == "task.completed");
            }
        }
        most = most.max(now);
    }
    Ok(most)
}

#[tokio::test]
async fn an_agent_has_no_more_tasks_at_once_than_its_charter_allows() -> anyhow::Result<()> {
    assert_eq!(at_once("resourceLimits: { maxSessions: 9, maxConcurrentTasks: 3 }").await?, 3);
    assert_eq!(at_once("resourceLimits: { maxSessions: 2 }").await?, 2);
    let more = at_once("name: Unbounded").await?;
    assert!(more > 3, "{more}");
    Ok(())
}

/// How a session of an agent under this charter ends; its model names a tool again and again.
async fn ended(charter: &str, delay_ms: u64) -> anyhow::Result<Event> {
    let stage = Stage::new()?.agent("coder", "charter: some\nmaxTurns: 5")?.charter("some", charter)?;
    let say = json!([{ "call": { "tool": "fs_read", "arguments": { "path": "notes.txt" } } }]);
    let rules = json!([
        { "when": { "turn": 3 }, "delayMs": delay_ms, "say": [{ "text": "done" }], "usage": { "input": 50, "output": 10 } },
        { "delayMs": delay_ms, "say": say, "usage": { "input": 50, "output": 10 } },
    ]);
    let daemon = stage.daemon_with(json!({ "rules": rules }))?.config(json!({ "tasks": { "maxAttempts": 1 } }));
    let daemon = daemon.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    worked(&mut admin, "coder", "Go on.").await
}

#[tokio::test]
async fn a_session_uses_no_more_tokens_than_its_charter_allows() -> anyhow::Result<()> {
    let over = ended("resourceLimits: { maxTokensPerSession: 100 }", 0).await?;
    assert!(over.name == "task.failed" && over.payload.to_string().contains("its limit is 100"), "{over:?}");
    assert_eq!(ended("resourceLimits: { maxTokensPerSession: 1000 }", 0).await?.name, "task.completed");
    Ok(())
}

#[tokio::test]
async fn a_session_works_no_longer_than_its_charter_allows() -> anyhow::Result<()> {
    for charter in ["resourceLimits: { maxDuration: 200ms }", "operationalSettings: { timeoutMs: 200 }"] {
        let over = ended(charter, 60_000).await?;
        assert_eq!(over.name, "task.failed", "{charter}: {over:?}");
    }
    assert_eq!(ended("resourceLimits: { maxDuration: 10m }", 0).await?.name, "task.completed");
    Ok(())
}

/// How often a task is tried that fails each time, and may be tried three times by itself.
async fn tries(charter: &str) -> anyhow::Result<Value> {
    let stage = Stage::new()?.agent("coder", "charter: some")?.charter("some", charter)?;
    let script = json!({ "rules": [{ "fault": { "error": "invalid_request" } }] });
    let quick = json!({ "tasks": { "maxAttempts": 3, "backoff": { "initialMs": 1, "capMs": 1 } } });
    let daemon = stage.daemon_with(script)?.config(quick).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let over = worked(&mut admin, "coder", "Go on.").await?;
    assert_eq!(over.name, "task.failed", "{over:?}");
    let task = admin.call("task.get", json!({ "taskId": over.payload["taskId"] })).await?;
    Ok(task["attempt"].clone())
}

#[tokio::test]
async fn a_task_is_tried_no_more_often_than_its_agent_s_charter_allows() -> anyhow::Result<()> {
    assert_eq!(tries("operationalSettings: { maxRetries: 0 }").await?, 1);
    assert_eq!(tries("operationalSettings: { maxRetries: 1 }").await?, 2);
    assert_eq!(tries("operationalSettings: { maxRetries: 9 }").await?, 3, "the task allows no more");
    assert_eq!(tries("name: Unbounded").await?, 3);
    Ok(())
}

#[tokio::test]
async fn a_charter_names_the_model_of_agents_that_name_none_and_tells_it_its_constraints() -> anyhow::Result<()> {
    let charter = "operationalSettings: { defaultModel: stage/large }\nhardConstraints: [Never promise a date.]\n";
    let stage = Stage::new()?.agent("coder", "charter: some")?.agent("own", "charter: some\nmodel: stage/small")?;
    let stage = stage.charter("some", charter)?;
    let script = json!({ "models": ["small", "large"], "rules": [
        { "when": { "model": "large", "system": "- Never promise a date." }, "say": [{ "text": "large, and told" }] },
        { "when": { "model": "small" }, "say": [{ "text": "small" }] },
    ]});
    let builder = stage.daemon_with(script)?.config(json!({ "models": { "primary": "stage/small" } }));
    let daemon = builder.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    assert_eq!(worked(&mut admin, "coder", "Go.").await?.payload["result"], "large, and told");
    assert_eq!(worked(&mut admin, "own", "Go.").await?.payload["result"], "small");
    Ok(())
}
