use std::collections::HashSet;

use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Socket, on_both_backends};
use orchestrator_vocab::{Clock as _, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::{claim, complete, daemon, items, worker};

on_both_backends![
    each_instant_yields_one_task_also_across_a_kill,
    an_instant_is_skipped_while_the_task_of_an_earlier_one_runs,
    a_single_instant_fires_once,
    a_paused_schedule_fires_only_when_triggered,
    what_is_no_plan_is_refused,
];

async fn schedule(socket: &mut Socket, plan: Value, more: Value) -> anyhow::Result<Value> {
    let mut params = json!({"name": "a schedule", "plan": plan, "template": {"title": "from a schedule"}});
    for (key, value) in more.as_object().into_iter().flatten() {
        params[key] = value.clone();
    }
    Ok(socket.call("schedule.create", params).await?)
}

async fn each_instant_yields_one_task_also_across_a_kill(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let made = schedule(&mut socket, json!({"every": {"intervalMs": 1_000}}), json!({"overlap": "allow"})).await?;
    socket.subscribe(&["schedule.*"]).await;
    let first = socket.event_about("schedule.fired", &made["id"]).await;
    let daemon = daemon.kill().await.start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe_after(&["schedule.*"], first.seq.unwrap_or(0)).await;
    let mut seen = vec![first.payload.clone()];
    while seen.len() < 3 {
        let event = socket.next_event().await;
        assert!(["schedule.fired", "schedule.skipped"].contains(&event.name.as_str()), "{event:?}");
        seen.push(event.payload);
    }
    let instants: HashSet<_> = seen.iter().map(|event| event["instant"].to_string()).collect();
    assert_eq!(instants.len(), seen.len(), "an instant came twice: {seen:#?}");
    let fired: HashSet<_> = seen.iter().filter_map(|event| event["taskId"].as_str()).collect();
    let tasks = items(&socket.call("task.list", json!({"scheduleId": made["id"]})).await?);
    assert!(fired.iter().all(|id| tasks.iter().any(|task| task["id"] == *id)), "{fired:?} in {tasks:#?}");
    Ok(())
}

async fn an_instant_is_skipped_while_the_task_of_an_earlier_one_runs(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    worker(&mut socket, "worker", 1).await?;
    let made = schedule(&mut socket, json!({"cron": {"pattern": "* * * * * *"}}), json!({"overlap": "skip"})).await?;
    socket.subscribe(&["schedule.*"]).await;
    socket.event_about("schedule.fired", &made["id"]).await;
    let skipped = socket.event_about("schedule.skipped", &made["id"]).await;
    assert!(skipped.payload["reason"].is_string(), "{skipped:?}");
    let running = claim(&mut socket, "worker", 1).await?;
    complete(&mut socket, &running[0]).await?;
    socket.event_about("schedule.fired", &made["id"]).await;
    Ok(())
}

async fn a_single_instant_fires_once(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["schedule.fired", "task.created"]).await;
    let at = Timestamp(SystemClock.now().millis() + 300);
    let made = schedule(&mut socket, json!({"at": at}), json!({})).await?;
    let fired = socket.event_about("schedule.fired", &made["id"]).await;
    assert_eq!(fired.payload["instant"], json!(at));
    let done = socket.call("schedule.get", json!({"scheduleId": made["id"]})).await?;
    assert_eq!((&done["nextInstant"], &done["lastInstant"]), (&Value::Null, &json!(at)), "{done}");
    Ok(())
}

async fn a_paused_schedule_fires_only_when_triggered(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let hourly = json!({"every": {"intervalMs": 3_600_000}});
    let made = schedule(&mut socket, hourly, json!({"overlap": "allow"})).await?;
    let about = json!({"scheduleId": made["id"]});
    assert_eq!(socket.call("schedule.pause", about.clone()).await?["paused"], true);
    let key = json!({"scheduleId": made["id"], "idempotencyKey": "once"});
    let task = socket.call("schedule.trigger", key.clone()).await?;
    assert_eq!((&task["title"], &task["scheduleId"]), (&json!("from a schedule"), &made["id"]));
    assert_eq!(socket.call("schedule.trigger", key).await?["id"], task["id"]);
    assert_ne!(socket.call("schedule.trigger", about.clone()).await?["id"], task["id"]);
    assert_eq!(socket.call("schedule.resume", about.clone()).await?["paused"], false);
    socket.call("schedule.delete", about.clone()).await?;
    let gone = socket.call("schedule.get", about).await.expect_err("it is deleted");
    assert_eq!(gone.code, Code::NotFound);
    Ok(())
}

async fn what_is_no_plan_is_refused(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    for (plan, field) in [
        (json!({"cron": {"pattern": "61 * * * *"}}), "plan.cron.pattern"),
        (json!({"cron": {"pattern": "* * * * *", "timeZone": "Mars/Olympus"}}), "plan.cron.timeZone"),
        (json!({"every": {"intervalMs": 1}}), "plan.every.intervalMs"),
        (json!({"at": "2001-01-01T00:00:00Z"}), "plan"),
    ] {
        let params = json!({"name": "x", "plan": plan, "template": {"title": "x"}});
        let refused = socket.call("schedule.create", params).await.expect_err("no plan");
        assert_eq!((refused.code, refused.field.as_deref()), (Code::InvalidParams, Some(field)), "{plan}: {refused}");
    }
    Ok(())
}
