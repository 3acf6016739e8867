//! `kill -9` at the steps of a session: it goes on where it was, and does nothing twice.

use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use crate::{Stage, call, ended, history, session, turn};

/// Steps, each of which creates a task.
const STEPS: u32 = 10;

/// A model that creates a task in each of its turns, then says that it is done.
fn rules() -> Value {
    let mut rules: Vec<Value> = (1..=STEPS)
        .map(|step| {
            turn(
                step,
                json!([call(
                    "task_create",
                    json!({ "title": format!("step {step}"), "requiredCapabilities": ["nobody"] })
                )]),
            )
        })
        .collect();
    rules.push(json!({ "say": [{ "text": "done" }] }));
    Value::Array(rules)
}

async fn titles(daemon: &Daemon) -> anyhow::Result<Vec<String>> {
    let mut admin = daemon.admin().await;
    let tasks = admin.call("task.list", json!({ "limit": 200 })).await?;
    let items = tasks["items"].as_array().cloned().unwrap_or_default();
    let title = |task: &Value| task["title"].as_str().filter(|title| title.starts_with("step")).map(str::to_owned);
    let mut titles: Vec<String> = items.iter().filter_map(title).collect();
    titles.sort();
    Ok(titles)
}

/// Kills at most: one for each sort of step, several times.
const KILLS_MAX: usize = 24;

/// Kills the daemon as soon as the session has taken a step since it was started, again and again.
#[tokio::test]
async fn after_a_kill_at_each_step_every_effect_is_there_once() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "tools: [task.create]")?;
    let mut daemon = stage.daemon(rules(), &["task.create"])?.start().await?;
    let mut admin = daemon.admin().await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "Ten steps." })).await?;
    let task = &spawned["taskId"];
    let (mut kills, mut first_session) = (0, Value::Null);
    while kills < KILLS_MAX {
        let Some((session, entries)) = step(&mut admin, task, None).await? else { continue };
        if first_session.is_null() {
            first_session = session["id"].clone();
        }
        assert_eq!(session["id"], first_session, "it is one session: {session}");
        // What was written before the last kill is no step of this start.
        while step(&mut admin, task, Some(entries)).await?.is_none() {}
        if session["status"] == "completed" {
            break;
        }
        kills += 1;
        daemon = daemon.kill().await.start().await?;
        admin = daemon.admin().await;
    }
    admin.subscribe(&["task.*"]).await;
    while admin.call("task.get", json!({ "taskId": task })).await?["status"] != "completed" {
        admin.events_until("the end", |event| event.name == "task.completed").await;
    }
    let expected: Vec<String> = {
        let mut expected: Vec<String> = (1..=STEPS).map(|step| format!("step {step}")).collect();
        expected.sort();
        expected
    };
    assert_eq!(titles(&daemon).await?, expected);
    let done = admin.call("task.get", json!({ "taskId": task })).await?;
    assert_eq!((&done["status"], &done["result"], &done["attempt"]), (&json!("completed"), &json!("done"), &json!(1)));
    let replay = admin.call("session.replay", json!({ "sessionId": first_session })).await?;
    assert_eq!(replay["divergences"], json!([]), "{replay}");
    Ok(())
}

/// The session and how many entries it has, if it has more than `after`, or has ended.
async fn step(admin: &mut Socket, task: &Value, after: Option<usize>) -> anyhow::Result<Option<(Value, usize)>> {
    let Ok(now) = session(admin, task).await else { return Ok(None) };
    let entries = history(admin, &now).await?.len();
    let is_new = after.is_none_or(|after| entries > after) || now["status"] == "completed";
    Ok(is_new.then_some((now, entries)))
}

#[tokio::test]
async fn a_call_of_which_nobody_knows_waits_until_a_person_settles_it() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("coder", "workspaceSource: main\nworkspace: shared\ntools: [command.run]")?;
    let script = "echo once >> effects.txt; sleep 30";
    let rules = json!([
        turn(1, json!([call("command_run", json!({ "argv": ["sh", "-c", script] }))])),
        turn(2, json!([{ "text": "done" }])),
    ]);
    let mut daemon = stage.daemon(rules, &["command.run"])?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["tool.*", "task.*", "session.*"]).await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "Once." })).await?;
    let effects = stage.source().join("effects.txt");
    admin.events_until("the call", |event| event.name == "tool.request").await;
    while !effects.exists() {
        tokio::task::yield_now().await;
    }
    let before = session(&mut admin, &spawned["taskId"]).await?;
    daemon = daemon.kill().await.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "session.*"]).await;
    let waiting = loop {
        let now = session(&mut admin, &spawned["taskId"]).await?;
        if now["status"] == "suspended" && now.to_string().contains("command_run") {
            break now;
        }
    };
    assert_eq!(waiting["id"], before["id"]);
    let entries = history(&mut admin, &waiting).await?;
    let called = entries.iter().find(|entry| entry["entry"]["kind"] == "calling").expect("a call");
    let verdict = json!({ "is": "done", "result": "it was made" });
    let settle = json!({ "sessionId": waiting["id"], "callId": called["entry"]["call"], "verdict": verdict });
    admin.call("session.settle", settle).await?;
    let done = ended(&mut admin, &spawned["taskId"]).await;
    assert_eq!(done.payload["result"], "done");
    assert_eq!(std::fs::read_to_string(effects)?, "once\n");
    Ok(())
}
