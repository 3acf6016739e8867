//! An agent gets nothing done through others that it may not do itself, whichever way it takes.

use orchestrator_testkit::{Event, Socket};
use serde_json::{Value, json};

use crate::{Stage, journal, task_ended, worked};

const REFUSED: &str = "is not among the tools of this agent, or of who spawned it";

/// An agent that may not touch files, and one that may do everything.
fn stage() -> anyhow::Result<Stage> {
    Stage::new()?.agent("small", "tools: [task.*, schedule.*, agent.spawn]")?.agent("mighty", "name: Mighty")
}

/// A text that orders a file to be removed.
fn remove(file: &str) -> String {
    format!("@call fs_remove {}", json!({ "path": file }))
}

/// A task for the mighty one that orders it.
fn order(title: &str, file: &str) -> Value {
    json!({ "title": title, "description": remove(file), "requiredCapabilities": ["agent.mighty"] })
}

/// The same as an order to a model.
fn call(operation: &str, params: &Value) -> String {
    format!("@call {} {params}", operation.replace('.', "_"))
}

/// One that is not there yet: nobody can do it.
async fn waiting(socket: &mut Socket, title: &str) -> anyhow::Result<Value> {
    let task = json!({ "title": title, "description": "Wait.", "requiredCapabilities": ["nobody"] });
    Ok(socket.call("task.create", task).await?["id"].clone())
}

/// A schedule of a person's that rests.
async fn resting(socket: &mut Socket, name: &str, template: Value) -> anyhow::Result<Value> {
    let plan = json!({ "every": { "intervalMs": 1_000 } });
    let schedule = json!({ "name": name, "plan": plan, "template": template, "paused": true });
    Ok(socket.call("schedule.create", schedule).await?["id"].clone())
}

/// Waits until a task of this title has been worked on, and returns it as it is then.
async fn done(socket: &mut Socket, title: &str) -> anyhow::Result<Value> {
    loop {
        let tasks = socket.call("task.list", json!({ "limit": 200 })).await?;
        let mut items = tasks["items"].as_array().into_iter().flatten();
        let is_done = |task: &&Value| task["title"] == title && ["completed", "failed"].contains(&status(task));
        if let Some(task) = items.find(is_done) {
            return Ok(task.clone());
        }
        let is_end = |event: &Event| ["task.completed", "task.failed"].contains(&event.name.as_str());
        socket.events_until("the end of a task", is_end).await;
    }
}

fn status(task: &Value) -> &str {
    task["status"].as_str().unwrap_or_default()
}

/// Every way to have somebody else do something: what is there before, and the call. The task that comes of it has the title of the
/// way, the file it orders to be removed its name.
async fn ways(socket: &mut Socket, asker: &str) -> anyhow::Result<Vec<(String, &'static str, Value)>> {
    let title = |way: &str| format!("{way} by {asker}");
    let [create, many, update, cancelled, schedule, rewritten, triggered] =
        ["create", "many", "update", "cancelled", "schedule", "rewritten", "triggered"].map(title);
    let old = waiting(socket, &update).await?;
    let mut later = order(&cancelled, &cancelled);
    later["runAt"] = json!("2040-01-01T00:00:00Z");
    let off = socket.call("task.create", later).await?["id"].clone();
    socket.call("task.cancel", json!({ "taskId": off })).await?;
    let template = json!({ "title": "Wait", "requiredCapabilities": ["nobody"] });
    let theirs = resting(socket, "rewritten", template).await?;
    let ready = resting(socket, "triggered", order(&triggered, &triggered)).await?;
    let every = json!({ "every": { "intervalMs": 1_000 } });
    let words = json!({
        "taskId": old, "description": remove(&update), "requiredCapabilities": ["agent.mighty"], "priority": "high",
    });
    let made = json!({ "name": "new", "plan": every, "template": order(&schedule, &schedule) });
    let changed = json!({ "scheduleId": theirs, "template": order(&rewritten, &rewritten), "paused": false });
    let list = json!({ "tasks": [order(&many, &many)] });
    Ok(vec![
        (create.clone(), "task.create", order(&create, &create)),
        (many, "task.createMany", list),
        (update, "task.update", words),
        (cancelled, "task.retry", json!({ "taskId": off })),
        (schedule, "schedule.create", made),
        (rewritten, "schedule.update", changed),
        (triggered, "schedule.trigger", json!({ "scheduleId": ready })),
    ])
}

#[tokio::test]
async fn no_way_leads_around_what_an_agent_may_and_a_person_may_take_each() -> anyhow::Result<()> {
    let stage = stage()?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    for asker in ["an agent", "a person"] {
        for (way, operation, params) in ways(&mut admin, asker).await? {
            std::fs::write(stage.source().join(&way), "here")?;
            match asker {
                "an agent" => drop(worked(&mut admin, "small", &call(operation, &params)).await?),
                _ => drop(admin.call(operation, params).await?),
            }
            let task = done(&mut admin, &way).await?;
            let told = journal(&mut admin, &task["id"]).await?;
            let (is_there, noted) = (stage.source().join(&way).exists(), &task["metadata"]["daemon.spawn"]);
            if asker == "an agent" {
                assert!(told.contains(REFUSED) && is_there, "{way}: {told}");
                assert_eq!(
                    (&noted["depth"], &noted["parent"]["agentId"]),
                    (&json!(1), &json!("small")),
                    "{way}: {task}"
                );
            } else {
                assert!(!told.contains(REFUSED) && !is_there, "{way}: {told}");
                assert_eq!(noted, &Value::Null, "{way}: {task}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn neither_a_kill_nor_a_person_gives_back_what_was_taken() -> anyhow::Result<()> {
    let stage = stage()?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let (mut later, every) = (order("later", "notes.txt"), json!({ "every": { "intervalMs": 1_000 } }));
    let schedule = json!({ "name": "s", "plan": every, "template": order("fired", "notes.txt"), "paused": true });
    later["requiredCapabilities"] = json!(["nobody"]);
    let orders = [call("task.create", &later), call("schedule.create", &schedule)].join("\n");
    worked(&mut admin, "small", &orders).await?;
    let schedules = admin.call("schedule.list", json!({})).await?;
    assert_eq!(schedules["items"][0]["reserved"]["daemon.spawn"]["parent"]["agentId"], "small", "{schedules}");

    let daemon = daemon.kill().await.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let tasks = admin.call("task.list", json!({ "status": ["pending"] })).await?;
    let words = json!({
        "taskId": tasks["items"][0]["id"], "title": "now", "description": remove("notes.txt"),
        "requiredCapabilities": ["agent.mighty"], "metadata": {},
    });
    admin.call("task.update", words).await?;
    let template = json!({ "scheduleId": schedules["items"][0]["id"], "template": order("fired", "notes.txt") });
    admin.call("schedule.update", template.clone()).await?;
    admin.call("schedule.resume", json!({ "scheduleId": template["scheduleId"] })).await?;
    for title in ["now", "fired"] {
        let task = done(&mut admin, title).await?;
        let told = journal(&mut admin, &task["id"]).await?;
        assert!(told.contains(REFUSED), "{title}: {told}");
    }
    assert!(stage.source().join("notes.txt").exists());
    Ok(())
}

#[tokio::test]
async fn what_agents_have_created_is_as_deep_as_what_they_spawn() -> anyhow::Result<()> {
    let stage = stage()?;
    let daemon = stage.daemon()?.config(json!({ "registry": { "spawnDepthMax": 1 } })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let old = waiting(&mut admin, "old").await?;
    let rest = json!({ "every": { "intervalMs": 60_000 } });
    let orders = [
        ("task.create", json!({ "title": "deeper" })),
        ("task.createMany", json!({ "tasks": [{ "title": "deeper" }] })),
        ("task.update", json!({ "taskId": old, "title": "deeper" })),
        ("schedule.create", json!({ "name": "deeper", "plan": rest, "template": { "title": "deeper" } })),
        ("agent.spawn", json!({ "agent": "small", "prompt": "deeper" })),
    ];
    let orders: Vec<String> = orders.iter().map(|(operation, params)| call(operation, params)).collect();
    let task = json!({ "title": "deep", "description": orders.join("\n"), "requiredCapabilities": ["agent.mighty"] });
    worked(&mut admin, "small", &call("task.create", &task)).await?;
    let deep = done(&mut admin, "deep").await?;
    let told = journal(&mut admin, &deep["id"]).await?;
    assert!(told.matches("agents are spawned at most 1 deep").count() >= orders.len(), "{told}");
    let all = [admin.call("task.list", json!({})).await?, admin.call("schedule.list", json!({})).await?];
    assert!(!json!(all).to_string().contains("\"title\":\"deeper\""), "{all:?}");
    Ok(())
}

#[tokio::test]
async fn an_agent_of_which_nothing_is_known_any_more_hands_on_nothing() -> anyhow::Result<()> {
    let stage = stage()?;
    let turn = |turn: u32| json!({ "system": "You do as you are told.", "turn": turn });
    let create = json!({ "tool": "task_create", "arguments": order("handed on", "notes.txt") });
    let spawn = json!({ "tool": "agent_spawn", "arguments": { "agent": "mighty", "prompt": remove("notes.txt") } });
    let rules = json!([
        { "when": turn(2), "say": [{ "call": create }, { "call": spawn }] },
        { "when": turn(3), "say": [{ "text": "tried" }] },
    ]);
    let daemon = stage.daemon_with(json!({ "obedient": true, "rules": rules }))?.start().await?;
    let mut admin = daemon.admin().await;
    let old = waiting(&mut admin, "old").await?;
    let wait = call("task.wait", &json!({ "taskIds": [old] }));
    admin.subscribe(&["task.*", "tool.*"]).await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "small", "prompt": wait })).await?;
    admin.events_until("the wait", |event| event.name == "tool.request").await;
    std::fs::remove_file(stage.agents().join("small.md"))?;
    admin.call("agent.reload", json!({})).await?;
    admin.call("task.cancel", json!({ "taskId": old })).await?;
    assert_eq!(task_ended(&mut admin, &spawned["taskId"]).await.payload["result"], "tried");
    let told = journal(&mut admin, &spawned["taskId"]).await?;
    assert_eq!(told.matches("no file defines it any more").count(), 2, "{told}");
    let tasks = admin.call("task.list", json!({})).await?;
    assert_eq!(tasks["items"].as_array().map(Vec::len), Some(2), "nothing was created: {tasks}");
    Ok(())
}
