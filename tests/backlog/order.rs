use orchestrator_testkit::{Backend, on_both_backends};
use orchestrator_vocab::{Clock as _, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::{claim, complete, create, create_many, daemon, get, titles, worker};

on_both_backends![
    higher_priorities_go_first_and_equals_in_their_order,
    tasks_of_one_concurrency_key_take_turns,
    a_task_does_not_run_before_its_time,
    a_deadline_that_passes_fails_the_task,
];

async fn higher_priorities_go_first_and_equals_in_their_order(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    worker(&mut socket, "worker", 100).await?;
    let priorities = ["low", "medium", "critical", "high", "low", "critical"];
    let draft = |(n, priority): (usize, &&str)| json!({"title": format!("{priority} {n}"), "priority": priority});
    create_many(&mut socket, priorities.iter().enumerate().map(draft).collect()).await?;
    let mut order = Vec::new();
    while let Some(claim) = claim(&mut socket, "worker", 1).await?.pop() {
        order.push(claim["task"]["title"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(order, ["critical 2", "critical 5", "high 3", "medium 1", "low 0", "low 4"]);
    Ok(())
}

async fn tasks_of_one_concurrency_key_take_turns(backend: Backend) -> anyhow::Result<()> {
    let keys = json!({"tasks": {"concurrency": {"default": 1, "keys": {"wide": 3}}}});
    let daemon = daemon(backend).config(keys).start().await?;
    let mut socket = daemon.admin().await;
    worker(&mut socket, "worker", 100).await?;
    let draft = |key: &str, n: u32| json!({"title": format!("{key} {n}"), "concurrencyKey": key});
    let drafts = (0..5).flat_map(|n| [draft("narrow", n), draft("wide", n)]).collect();
    let tasks = create_many(&mut socket, drafts).await?;
    let mut running = claim(&mut socket, "worker", 100).await?;
    running.sort_by_key(|claim| claim["task"]["title"].to_string());
    assert_eq!(titles(&running), ["narrow 0", "wide 0", "wide 1", "wide 2"]);
    let why = socket.call("task.explain", json!({"taskId": tasks[2]["id"]})).await?;
    let expected = json!({"why": "no_slot", "concurrencyKey": "narrow", "slots": 1, "taken": 1});
    for key in ["why", "concurrencyKey", "slots", "taken"] {
        assert_eq!(why[key], expected[key], "{why}");
    }
    complete(&mut socket, &running[0]).await?;
    assert_eq!(titles(&claim(&mut socket, "worker", 100).await?), ["narrow 1"]);
    complete(&mut socket, &running[2]).await?;
    assert_eq!(titles(&claim(&mut socket, "worker", 100).await?), ["wide 3"]);
    Ok(())
}

fn in_ms(ms: i64) -> Value {
    json!(Timestamp(SystemClock.now().millis() + ms))
}

async fn a_task_does_not_run_before_its_time(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    worker(&mut socket, "worker", 100).await?;
    let soon = create(&mut socket, json!({"title": "soon", "runAt": in_ms(400)})).await?;
    create(&mut socket, json!({"title": "much later", "runAt": in_ms(3_600_000)})).await?;
    assert_eq!(claim(&mut socket, "worker", 9).await?.len(), 0);
    let why = socket.call("task.explain", json!({"taskId": soon["id"]})).await?;
    assert_eq!((&why["why"], &why["runAt"]), (&json!("not_before"), &soon["runAt"]), "{why}");
    let claimed = async {
        loop {
            if let Some(claim) = claim(&mut socket, "worker", 9).await?.pop() {
                return anyhow::Ok(claim);
            }
        }
    };
    let claim = orchestrator_testkit::patiently("its time", claimed).await?;
    assert_eq!(claim["task"]["title"], "soon");
    assert!(claim["task"]["startedAt"].as_str() >= soon["runAt"].as_str(), "{claim}");
    Ok(())
}

async fn a_deadline_that_passes_fails_the_task(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["task.failed"]).await;
    let task = create(&mut socket, json!({"title": "late", "deadline": in_ms(300)})).await?;
    socket.event_about("task.failed", &task["id"]).await;
    let failed = get(&mut socket, &task["id"]).await?;
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("deadline")), "{failed}");
    Ok(())
}
