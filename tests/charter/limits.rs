//! Limits of charters that hold.

use orchestrator_testkit::Event;
use serde_json::{Value, json};

use crate::{Stage, task_ended, worked};

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

/// By what an agent's work is under a charter.
#[derive(Debug, Clone, Copy)]
enum Under {
    Own,
    Task,
    Everyone,
}

const EACH: [Under; 3] = [Under::Own, Under::Task, Under::Everyone];

/// How a session under this charter ends; its model names a tool again and again.
async fn ended(under: Under, charter: &str, delay_ms: u64) -> anyhow::Result<Event> {
    let own = if matches!(under, Under::Own) { "charter: some\n" } else { "" };
    let stage = Stage::new()?.agent("coder", &format!("{own}maxTurns: 5"))?.charter("some", charter)?;
    let say = json!([{ "call": { "tool": "fs_read", "arguments": { "path": "notes.txt" } } }]);
    let rules = json!([
        { "when": { "turn": 3 }, "delayMs": delay_ms, "say": [{ "text": "done" }], "usage": { "input": 50, "output": 10 } },
        { "delayMs": delay_ms, "say": say, "usage": { "input": 50, "output": 10 } },
    ]);
    let everyone = if matches!(under, Under::Everyone) { json!(["some"]) } else { json!([]) };
    let daemon = stage.daemon_with(json!({ "rules": rules }))?.config(json!({ "tasks": { "maxAttempts": 1 } }));
    let daemon = daemon.config(json!({ "charters": { "everyone": everyone } })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let charters = if matches!(under, Under::Task) { json!(["some"]) } else { json!([]) };
    let spawned =
        admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "Go on.", "charters": charters })).await?;
    Ok(task_ended(&mut admin, &spawned["taskId"]).await)
}

#[tokio::test]
async fn a_session_uses_no_more_tokens_than_each_charter_that_it_is_under_allows() -> anyhow::Result<()> {
    for under in EACH {
        let over = ended(under, "resourceLimits: { maxTokensPerSession: 100 }", 0).await?;
        let told = over.payload.to_string();
        assert!(over.name == "task.failed" && told.contains("its limit is 100"), "{under:?}: {over:?}");
        let within = ended(under, "resourceLimits: { maxTokensPerSession: 1000 }", 0).await?;
        assert_eq!(within.name, "task.completed", "{under:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_session_works_no_longer_than_each_charter_that_it_is_under_allows() -> anyhow::Result<()> {
    for under in EACH {
        for charter in ["resourceLimits: { maxDuration: 200ms }", "operationalSettings: { timeoutMs: 200 }"] {
            let over = ended(under, charter, 60_000).await?;
            assert_eq!(over.name, "task.failed", "{under:?}, {charter}: {over:?}");
        }
        assert_eq!(ended(under, "resourceLimits: { maxDuration: 10m }", 0).await?.name, "task.completed", "{under:?}");
    }
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
    let stage = stage.charter("some", charter)?.charter("more", "hardConstraints: [Never promise a price.]\n")?;
    let script = json!({ "models": ["small", "large"], "rules": [
        { "when": { "model": "large", "system": "- Never promise a date." }, "say": [{ "text": "large, and told" }] },
        { "when": { "model": "small", "system": "- Never promise a price." }, "say": [{ "text": "small, under more" }] },
        { "when": { "model": "small" }, "say": [{ "text": "small" }] },
    ]});
    let builder = stage.daemon_with(script)?.config(json!({ "models": { "primary": "stage/small" } }));
    let daemon = builder.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    assert_eq!(worked(&mut admin, "coder", "Go.").await?.payload["result"], "large, and told");
    assert_eq!(worked(&mut admin, "own", "Go.").await?.payload["result"], "small");
    let more = json!({ "agent": "own", "prompt": "Go.", "charters": ["more"] });
    let spawned = admin.call("agent.spawn", more).await?;
    assert_eq!(task_ended(&mut admin, &spawned["taskId"]).await.payload["result"], "small, under more");
    Ok(())
}
