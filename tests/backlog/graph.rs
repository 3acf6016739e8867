use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, on_both_backends};
use serde_json::{Value, json};

use crate::{claim, complete, create, create_many, daemon, get, titles, worker};

on_both_backends![
    a_graph_is_worked_in_its_order,
    cycles_are_refused_on_every_path_and_named,
    a_long_cycle_is_shown_by_its_ends,
    cancelling_goes_down_the_graph_as_each_edge_says,
    failing_for_good_goes_down_the_graph_and_a_retry_goes_on,
    taking_away_the_last_dependency_makes_a_task_ready,
    a_deleted_task_is_gone_and_releases_nothing_early,
];

async fn a_graph_is_worked_in_its_order(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    worker(&mut socket, "worker", 100).await?;
    let diamond = vec![
        json!({"title": "top", "ref": "top"}),
        json!({"title": "left", "ref": "left", "dependsOnRefs": ["top"]}),
        json!({"title": "right", "ref": "right", "dependsOnRefs": ["top"]}),
        json!({"title": "bottom", "dependsOnRefs": ["left", "right"]}),
    ];
    let tasks = create_many(&mut socket, diamond).await?;
    socket.subscribe(&["task.unblocked"]).await;
    let first = claim(&mut socket, "worker", 10).await?;
    assert_eq!(titles(&first), ["top"]);
    let why = socket.call("task.explain", json!({"taskId": tasks[3]["id"]})).await?;
    assert_eq!((&why["why"], why["tasks"].as_array().map(Vec::len)), (&json!("blocked_by"), Some(2)), "{why}");
    complete(&mut socket, &first[0]).await?;
    let mut second = claim(&mut socket, "worker", 10).await?;
    second.sort_by_key(|claim| claim["task"]["title"].to_string());
    assert_eq!(titles(&second), ["left", "right"]);
    complete(&mut socket, &second[0]).await?;
    assert_eq!(claim(&mut socket, "worker", 10).await?.len(), 0, "one of two dependencies is not enough");
    complete(&mut socket, &second[1]).await?;
    let third = claim(&mut socket, "worker", 10).await?;
    assert_eq!(titles(&third), ["bottom"]);
    for expected in [&tasks[1], &tasks[2], &tasks[3]] {
        socket.event_about("task.unblocked", &expected["id"]).await;
    }
    Ok(())
}

async fn cycles_are_refused_on_every_path_and_named(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let a = create(&mut socket, json!({"title": "a"})).await?;
    let b = create(&mut socket, json!({"title": "b", "dependsOn": [a["id"]]})).await?;
    let c = create(&mut socket, json!({"title": "c", "dependsOn": [b["id"]]})).await?;
    let within = json!({"tasks": [
        {"title": "x", "ref": "x", "dependsOnRefs": ["y"]},
        {"title": "y", "ref": "y", "dependsOnRefs": ["x"]},
    ]});
    for (method, params, length) in [
        ("task.depend", json!({"taskId": a["id"], "dependsOn": [c["id"]]}), 4),
        ("task.depend", json!({"taskId": a["id"], "dependsOn": [a["id"]]}), 2),
        ("task.createMany", within, 3),
    ] {
        let refused = socket.call(method, params.clone()).await.expect_err("a cycle");
        assert_eq!(refused.code, Code::Conflict, "{method} {params}: {refused:?}");
        let cycle = refused.data.as_ref().and_then(|data| data["cycle"].as_array()).cloned().unwrap_or_default();
        assert_eq!((cycle.len(), cycle.first()), (length, cycle.last()), "{method}: {refused:?}");
    }
    assert_eq!(get(&mut socket, &a["id"]).await?["dependsOn"], json!([]), "nothing of it was kept");
    Ok(())
}

async fn a_long_cycle_is_shown_by_its_ends(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let chain = (0..200).map(|n| match n {
        0 => json!({"title": "0", "ref": "0"}),
        n => json!({"title": n.to_string(), "ref": n.to_string(), "dependsOnRefs": [(n - 1).to_string()]}),
    });
    let tasks = create_many(&mut socket, chain.collect()).await?;
    let close = json!({"taskId": tasks[0]["id"], "dependsOn": [tasks[199]["id"]]});
    let refused = socket.call("task.depend", close).await.expect_err("a cycle of two hundred");
    let shown = refused.data.as_ref().and_then(|data| data["cycle"].as_array()).map_or(0, Vec::len);
    assert!((2..=20).contains(&shown), "{shown} ids");
    Ok(())
}

fn below(parent: &Value, title: &str, policy: &str) -> Value {
    json!({"title": title, "dependsOn": [{"taskId": parent["id"], "onFailure": policy}]})
}

async fn cancelling_goes_down_the_graph_as_each_edge_says(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let top = create(&mut socket, json!({"title": "top"})).await?;
    let cancelled = create(&mut socket, below(&top, "cancelled", "cancel")).await?;
    let deeper = create(&mut socket, below(&cancelled, "deeper", "cancel")).await?;
    let goes_on = create(&mut socket, below(&top, "goes on", "continue")).await?;
    let waits = create(&mut socket, below(&top, "waits", "wait")).await?;
    socket.call("task.cancel", json!({"taskId": top["id"], "reason": "no longer needed"})).await?;
    let expected = [(&top, "cancelled"), (&cancelled, "cancelled"), (&deeper, "cancelled")];
    for (task, status) in expected.into_iter().chain([(&goes_on, "pending"), (&waits, "blocked")]) {
        assert_eq!(get(&mut socket, &task["id"]).await?["status"], status, "{}", task["title"]);
    }
    let reason = get(&mut socket, &deeper["id"]).await?["reason"].to_string();
    assert!(!reason.is_empty() && reason != "null", "it says why: {reason}");
    Ok(())
}

async fn failing_for_good_goes_down_the_graph_and_a_retry_goes_on(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    worker(&mut socket, "worker", 10).await?;
    let top = create(&mut socket, json!({"title": "top", "maxAttempts": 1})).await?;
    let cancelled = create(&mut socket, below(&top, "cancelled", "cancel")).await?;
    let waits = create(&mut socket, below(&top, "waits", "wait")).await?;
    let claims = claim(&mut socket, "worker", 1).await?;
    let failed = json!({"taskId": top["id"], "fence": claims[0]["fence"], "error": "no luck"});
    socket.call("task.fail", failed).await?;
    let dead = get(&mut socket, &top["id"]).await?;
    assert_eq!((&dead["status"], &dead["error"]), (&json!("failed"), &json!("no luck")));
    assert_eq!(get(&mut socket, &cancelled["id"]).await?["status"], "cancelled");
    assert_eq!(get(&mut socket, &waits["id"]).await?["status"], "blocked");

    socket.call("task.retry", json!({"taskId": top["id"]})).await?;
    let claims = claim(&mut socket, "worker", 1).await?;
    complete(&mut socket, &claims[0]).await?;
    assert_eq!(get(&mut socket, &waits["id"]).await?["status"], "pending");
    Ok(())
}

async fn taking_away_the_last_dependency_makes_a_task_ready(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let first = create(&mut socket, json!({"title": "first"})).await?;
    let second = create(&mut socket, below(&first, "second", "cancel")).await?;
    let ready = socket.call("task.undepend", json!({"taskId": second["id"], "dependsOn": [first["id"]]})).await?;
    assert_eq!(ready["status"], "pending");
    let blocked = socket.call("task.depend", json!({"taskId": second["id"], "dependsOn": [first["id"]]})).await?;
    assert_eq!((&blocked["status"], &blocked["waitingOn"]), (&json!("blocked"), &json!(1)));
    Ok(())
}

async fn a_deleted_task_is_gone_and_releases_nothing_early(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let first = create(&mut socket, json!({"title": "first"})).await?;
    let second = create(&mut socket, below(&first, "second", "cancel")).await?;
    socket.call("task.delete", json!({"taskId": first["id"]})).await?;
    let gone = socket.call("task.get", json!({"taskId": first["id"]})).await.expect_err("it is deleted");
    assert_eq!(gone.code, Code::NotFound);
    assert_eq!(get(&mut socket, &second["id"]).await?["status"], "cancelled");
    Ok(())
}
