use std::path::Path;

use orchestrator_rpc::Code;
use orchestrator_testkit::Socket;
use serde_json::{Value, json};

/// The most tokens of an answer.
const ANSWER: u64 = 50;

fn let_spend(directory: &Path, limits: &str) -> anyhow::Result<()> {
    std::fs::write(directory.join("charters/thrifty.yaml"), format!("resourceLimits: {{ {limits} }}\n"))?;
    Ok(())
}

async fn spawn(socket: &mut Socket) -> anyhow::Result<Value> {
    Ok(socket.call("agent.spawn", json!({ "agent": "coder", "prompt": "hello" })).await?["taskId"].clone())
}

/// What becomes of it first: `task.completed`, or `task.released` where it has no money left.
async fn outcome(socket: &mut Socket, task: &Value) -> String {
    let names = ["task.completed", "task.released", "task.failed"];
    let is_outcome =
        |event: &orchestrator_testkit::Event| names.contains(&event.name.as_str()) && event.payload["taskId"] == *task;
    let events = socket.events_until("an outcome", is_outcome).await;
    events.last().map(|event| event.name.clone()).unwrap_or_default()
}

/// The charter lets it do once what it lets it do twice afterwards; nobody but the charter does.
#[tokio::test]
async fn an_agent_spends_what_its_charter_lets_it() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    for name in ["agents", "charters"] {
        std::fs::create_dir(directory.path().join(name))?;
    }
    let text = format!("---\nmaxTokens: {ANSWER}\ncharter: thrifty\n---\nYou do as you are told.\n");
    std::fs::write(directory.path().join("agents/coder.md"), text)?;
    let_spend(directory.path(), "tokenBudget: { daily: 1000000 }, costBudget: 10")?;
    let rules = json!([{ "say": [{ "text": "done" }], "usage": { "input": 30, "output": 5 } }]);
    let config = json!({
        "agentFiles": { "directories": [directory.path().join("agents")] },
        "charters": { "directory": directory.path().join("charters") }, "tasks": { "sweepMs": 20 },
    });
    let daemon = crate::daemon(directory.path(), &rules, json!({}))?.config(config).start().await?;
    let mut socket = daemon.admin().await;
    let charter = socket.call("charter.get", json!({ "charterId": "thrifty" })).await?;
    assert_eq!(charter["notEnforced"], json!([]), "{charter}");
    socket.subscribe(&["task.*"]).await;
    let first = spawn(&mut socket).await?;
    assert_eq!(outcome(&mut socket, &first).await, "task.completed");

    // One token less than the same once more is expected to take.
    let usage = socket.call("usage.list", json!({ "agent": "coder" })).await?;
    let number = |field: &str| usage["items"][0][field].as_u64().expect("a number");
    let most = number("tokens") + number("inputExpected") + ANSWER - 1;
    let_spend(directory.path(), &format!("tokenBudget: {{ daily: {most} }}"))?;
    socket.call("agent.reload", json!({})).await?;
    let raised = json!({ "scope": "agent:coder", "window": "day", "tokens": 1_000_000 });
    socket.call("budget.set", raised).await?;
    let second = spawn(&mut socket).await?;
    assert_eq!(outcome(&mut socket, &second).await, "task.released");
    let status = socket.call("budget.status", json!({})).await?;
    assert_eq!(
        (&status["binding"]["scope"], &status["binding"]["limit"]["tokens"]),
        (&json!("agent:coder"), &json!(most)),
        "{status}"
    );

    let_spend(directory.path(), "tokenBudget: { daily: 1000000 }")?;
    socket.call("agent.reload", json!({})).await?;
    let third = spawn(&mut socket).await?;
    assert_eq!(outcome(&mut socket, &third).await, "task.completed");
    let refused = socket.call("budget.set", json!({ "scope": "agent:", "window": "day", "tokens": 1 })).await;
    assert_eq!(refused.expect_err("no scope").code, Code::InvalidParams);
    Ok(())
}
