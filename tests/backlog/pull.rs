use orchestrator_rpc::{Code, Error};
use orchestrator_testkit::{Backend, on_both_backends};
use serde_json::{Value, json};

use crate::{claim, complete, create, create_many, daemon, get, items, titles, worker};

on_both_backends![
    a_worker_claims_renews_reports_and_completes,
    a_claim_goes_only_to_those_who_can_do_it,
    an_expired_lease_returns_the_task_and_its_old_owner_is_stale,
    a_cancelled_or_requeued_task_is_no_longer_its_owners,
    of_many_completions_the_stale_ones_are_told_and_the_others_count,
    a_failed_attempt_comes_back_later_and_then_is_dead,
    an_unknown_worker_gets_nothing,
];

#[track_caller]
fn assert_stale(refused: &Error) {
    assert_eq!(refused.code, Code::Conflict, "{refused:?}");
    assert_eq!(refused.data.as_ref().map(|data| &data["stale"]), Some(&json!(true)), "{refused:?}");
}

async fn a_worker_claims_renews_reports_and_completes(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    worker(&mut socket, "worker", 1).await?;
    socket.subscribe(&["task.*"]).await;
    let task = create(&mut socket, json!({"title": "a task"})).await?;
    let claims = claim(&mut socket, "worker", 5).await?;
    assert_eq!((claims.len(), &claims[0]["task"]["owner"]), (1, &json!("worker")), "one at a time is its limit");
    let about = json!({"taskId": task["id"], "fence": claims[0]["fence"]});
    let mut beat = about.clone();
    beat["progress"] = json!({"percent": 40});
    let renewed = socket.call("task.heartbeat", beat).await?;
    assert!(renewed["leaseUntil"].as_str() >= claims[0]["leaseUntil"].as_str());
    assert_eq!(get(&mut socket, &task["id"]).await?["progress"], json!({"percent": 40}));
    let done = complete(&mut socket, &claims[0]).await?;
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!("done")));
    complete(&mut socket, &claims[0]).await.map(drop)?; // an answer can get lost: saying it twice is no error
    let refused =
        socket.call("task.fail", json!({"taskId": task["id"], "fence": claims[0]["fence"], "error": "x"})).await;
    assert_eq!(refused.map_err(|error| error.code), Err(Code::Conflict), "it has completed");
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "task.completed") {
        names.push(socket.next_event().await.name);
    }
    assert_eq!(names, ["task.created", "task.claimed", "task.progressed", "task.completed"]);
    Ok(())
}

async fn a_claim_goes_only_to_those_who_can_do_it(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let register = json!({"agentId": "rustic", "capabilities": ["rust", "sql"], "maxConcurrent": 9});
    socket.call("agent.register", register).await?;
    worker(&mut socket, "plain", 9).await?;
    let drafts = [("plain", json!([])), ("rust", json!(["rust"])), ("web", json!(["rust", "web"]))];
    let drafts = drafts.map(|(title, needs)| json!({"title": title, "requiredCapabilities": needs}));
    let tasks = create_many(&mut socket, drafts.to_vec()).await?;
    assert_eq!(titles(&claim(&mut socket, "plain", 9).await?), ["plain"]);
    assert_eq!(titles(&claim(&mut socket, "rustic", 9).await?), ["rust"]);
    let why = socket.call("task.explain", json!({"taskId": tasks[2]["id"]})).await?;
    assert_eq!(why["why"], "nobody_gets_it", "{why}");
    assert_eq!(why["because"], json!({"reason": "no_capable_agent", "missing": ["web"]}), "{why}");
    let lacks: Vec<_> =
        why["candidates"].as_array().into_iter().flatten().map(|one| &one["whyNot"]["reason"]).collect();
    assert_eq!(lacks, ["lacks_capabilities", "lacks_capabilities"], "{why}");
    Ok(())
}

async fn an_expired_lease_returns_the_task_and_its_old_owner_is_stale(backend: Backend) -> anyhow::Result<()> {
    let daemon =
        daemon(backend).config(json!({"tasks": {"leaseMs": 1_000}, "sessions": {"heartbeatMs": 200}})).start().await?;
    let mut socket = daemon.admin().await;
    worker(&mut socket, "silent", 1).await?;
    worker(&mut socket, "second", 1).await?;
    socket.subscribe(&["task.released"]).await;
    let task = create(&mut socket, json!({"title": "a task"})).await?;
    let old = claim(&mut socket, "silent", 1).await?;
    let released = socket.event_about("task.released", &task["id"]).await;
    assert_eq!((&released.payload["reason"], &released.payload["agentId"]), (&json!("expired"), &json!("silent")));
    // It is tried by another one first, and not before the pause between two attempts.
    let ready = async {
        loop {
            let claims = claim(&mut socket, "second", 1).await?;
            if !claims.is_empty() {
                return anyhow::Ok(claims);
            }
        }
    };
    let new = orchestrator_testkit::patiently("the task to come back", ready).await?;
    assert!(new[0]["fence"].as_u64() > old[0]["fence"].as_u64());
    for method in ["task.complete", "task.heartbeat", "task.release"] {
        let refused = socket.call(method, json!({"taskId": task["id"], "fence": old[0]["fence"]})).await;
        assert_stale(&refused.expect_err(method));
    }
    complete(&mut socket, &new[0]).await?;
    Ok(())
}

async fn a_cancelled_or_requeued_task_is_no_longer_its_owners(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    worker(&mut socket, "worker", 10).await?;
    let task = create(&mut socket, json!({"title": "a task"})).await?;
    let claims = claim(&mut socket, "worker", 1).await?;
    socket.call("task.cancel", json!({"taskId": task["id"]})).await?;
    let refused = socket.call("task.complete", json!({"taskId": task["id"], "fence": claims[0]["fence"]})).await;
    assert_stale(&refused.expect_err("it was cancelled"));

    let task = create(&mut socket, json!({"title": "another"})).await?;
    let claims = claim(&mut socket, "worker", 1).await?;
    let back = socket.call("task.release", json!({"taskId": task["id"], "fence": claims[0]["fence"]})).await?;
    assert_eq!((&back["status"], &back["attempt"]), (&json!("pending"), &json!(0)), "giving it back was no attempt");
    Ok(())
}

async fn of_many_completions_the_stale_ones_are_told_and_the_others_count(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    worker(&mut socket, "worker", 1_000).await?;
    create_many(&mut socket, (0..100).map(|n| json!({"title": n.to_string()})).collect()).await?;
    let claims = claim(&mut socket, "worker", 100).await?;
    assert_eq!(claims.len(), 100);
    let item = |(n, claim): (usize, &Value)| {
        let fence = claim["fence"].as_u64().unwrap_or(0) + u64::from(n % 10 == 0);
        json!({"taskId": claim["task"]["id"], "fence": fence, "result": n})
    };
    let params: Vec<Value> = claims.iter().enumerate().map(item).collect();
    let done = items(&socket.call("task.completeMany", json!({"items": params})).await?);
    for (n, (item, claim)) in done.iter().zip(&claims).enumerate() {
        assert_eq!((&item["taskId"], &item["completed"]), (&claim["task"]["id"], &json!(n % 10 != 0)), "{item}");
    }
    let completed = socket.call("task.list", json!({"status": ["completed"], "limit": 1000})).await?;
    assert_eq!(items(&completed).len(), 90);
    Ok(())
}

async fn a_failed_attempt_comes_back_later_and_then_is_dead(backend: Backend) -> anyhow::Result<()> {
    let quick = json!({"tasks": {"backoff": {"initialMs": 10, "capMs": 20}}});
    let daemon = daemon(backend).config(quick).start().await?;
    let mut socket = daemon.admin().await;
    worker(&mut socket, "worker", 1).await?;
    socket.subscribe(&["task.released", "task.failed"]).await;
    let task = create(&mut socket, json!({"title": "a task", "maxAttempts": 3})).await?;
    for attempt in 1..=3 {
        let claimed = async {
            loop {
                if let Some(claim) = claim(&mut socket, "worker", 1).await?.pop() {
                    return anyhow::Ok(claim);
                }
            }
        };
        let claim = orchestrator_testkit::patiently("the task to come back", claimed).await?;
        assert_eq!(claim["task"]["attempt"], attempt);
        let params = json!({"taskId": task["id"], "fence": claim["fence"], "error": format!("failure {attempt}")});
        socket.call("task.fail", params).await?;
        let event = socket.next_event().await;
        let expected = if attempt < 3 { "task.released" } else { "task.failed" };
        assert_eq!((event.name.as_str(), &event.payload["attempt"]), (expected, &json!(attempt)), "{event:?}");
    }
    let dead = get(&mut socket, &task["id"]).await?;
    assert_eq!((&dead["status"], &dead["error"]), (&json!("failed"), &json!("failure 3")));
    Ok(())
}

async fn an_unknown_worker_gets_nothing(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    create(&mut socket, json!({"title": "a task"})).await?;
    let refused = socket.call("task.claim", json!({"agentId": "nobody"})).await.expect_err("it never registered");
    assert_eq!(refused.code, Code::NotFound);
    let command = json!({"agentId": "sneaky", "command": ["sh", "-c", "id"]});
    let refused = socket.call("agent.register", command).await.expect_err("no argv over the socket");
    assert_eq!((refused.code, refused.field.as_deref()), (Code::InvalidParams, Some("command")));
    Ok(())
}
