use std::path::Path;

use orchestrator_testkit::{Daemon, Event, Socket};
use serde_json::{Value, json};

/// The most tokens of an answer.
const ANSWER: u64 = 50;

/// An agent that is a language model.
async fn stage(directory: &Path) -> anyhow::Result<Daemon> {
    let agents = directory.join("agents");
    std::fs::create_dir_all(&agents)?;
    std::fs::write(agents.join("coder.md"), format!("---\nmaxTokens: {ANSWER}\n---\nYou do as you are told.\n"))?;
    let rules = json!([{ "say": [{ "text": "done" }], "usage": { "input": 30, "output": 5 } }]);
    let builder = crate::daemon(directory, &rules, json!({}))?;
    let files = json!({ "agentFiles": { "directories": [agents] }, "tasks": { "sweepMs": 20 } });
    builder.config(files).start().await
}

async fn spawn(socket: &mut Socket) -> anyhow::Result<Value> {
    Ok(socket.call("agent.spawn", json!({ "agent": "coder", "prompt": "hello" })).await?["taskId"].clone())
}

async fn ended(socket: &mut Socket, name: &str, task: &Value) {
    socket.events_until(name, |event| event.name == name && event.payload["taskId"] == *task).await;
}

/// It is nobody's failure: the session sleeps until there is money again.
#[tokio::test]
async fn a_session_out_of_money_goes_back_until_the_next_window() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let daemon = stage(directory.path()).await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["task.*", "session.status"]).await;
    let first = spawn(&mut socket).await?;
    ended(&mut socket, "task.completed", &first).await;
    // One token less than the same once more is expected to take.
    let usage = socket.call("usage.list", json!({ "agent": "coder" })).await?;
    let expected = usage["items"][0]["inputExpected"].as_u64().expect("a number") + ANSWER;
    let spent = usage["items"][0]["tokens"].as_u64().expect("a number");
    let limit = json!({ "scope": "agent:coder", "window": "month", "tokens": spent + expected - 1 });
    socket.call("budget.set", limit).await?;
    let second = spawn(&mut socket).await?;
    ended(&mut socket, "task.released", &second).await;
    // The task is given back before the session says that it sleeps.
    let sleeps = |event: &Event| event.payload["status"] == "suspended" && event.payload["taskId"] == second;
    socket.events_until("the session to sleep", sleeps).await;
    let task = socket.call("task.get", json!({ "taskId": second })).await?;
    let status = socket.call("budget.status", json!({})).await?;
    let limit = status["limits"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|limit| limit["limit"]["scope"] == "agent:coder")
        .cloned();
    let resets_at = limit.expect("it was set")["resetsAt"].clone();
    let moment = |time: &Value| {
        time.as_str().and_then(|text| text.parse::<orchestrator_vocab::Timestamp>().ok()).expect("a time").millis()
    };
    assert_eq!((&task["status"], task["attempts"].as_u64().unwrap_or_default()), (&json!("pending"), 0), "{task}");
    assert!(moment(&task["runAt"]).abs_diff(moment(&resets_at)) < 10_000, "{task} {resets_at}");
    let sessions = socket.call("session.list", json!({ "status": "suspended" })).await?;
    assert_eq!(sessions["sessions"][0]["taskId"], second, "{sessions}");
    // What was spent is put down to whoever spent it.
    let usage = socket.call("usage.list", json!({ "agent": "coder" })).await?;
    let spending = &usage["items"][0];
    assert_eq!((&spending["task"], &spending["usage"]["output"]), (&first, &json!(5)), "{usage}");
    Ok(())
}
