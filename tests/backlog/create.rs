use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, on_both_backends};
use serde_json::{Value, json};

use crate::{create, create_many, daemon, get, items};

on_both_backends![
    a_created_task_is_whole_and_survives_a_kill,
    what_a_task_may_not_say_is_refused_by_name,
    creating_again_under_a_key_returns_the_first,
    of_many_tasks_all_are_created_or_none,
    a_list_is_walked_page_by_page,
    the_history_of_a_task_tells_what_happened_in_order,
];
async fn a_created_task_is_whole_and_survives_a_kill(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let blocker = create(&mut socket, json!({"title": "first"})).await?;
    let draft = json!({
        "title": "Zählen 🧮", "description": "all of it", "kind": "count", "priority": "critical",
        "dependsOn": [blocker["id"]], "requiredCapabilities": ["rust"], "parentId": blocker["id"],
        "tags": ["a", "b"], "metadata": {"n": [1, {"x": null}]}, "runAt": "2040-01-01T00:00:00Z",
        "deadline": "2041-01-01T00:00:00Z", "maxAttempts": 7,
    });
    let made = create(&mut socket, draft.clone()).await?;
    let kept = daemon.kill().await.start().await?;
    let read = get(&mut kept.admin().await, &made["id"]).await?;
    let same = ["title", "description", "kind", "priority", "requiredCapabilities", "parentId", "tags", "metadata"];
    for key in same.into_iter().chain(["maxAttempts"]) {
        assert_eq!((&made[key], &read[key]), (&draft[key], &draft[key]), "{key}");
    }
    assert_eq!(read["status"], "blocked");
    assert_eq!(read["dependsOn"], json!([{"taskId": blocker["id"], "onFailure": "cancel"}]));
    assert_eq!((&read["fence"], &read["attempt"], &read["createdAt"]), (&made["fence"], &json!(0), &made["createdAt"]));
    Ok(())
}

async fn what_a_task_may_not_say_is_refused_by_name(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let unknown = "task_00000000000070008000000000000000";
    for (draft, field) in [
        (json!({"title": ""}), "title"),
        (json!({"title": "x".repeat(501)}), "title"),
        (json!({"title": "x", "description": "x".repeat(100_001)}), "description"),
        (json!({"title": "x", "metadata": {"x": "x".repeat(65_600)}}), "metadata"),
        (json!({"title": "x", "dependsOn": [unknown]}), "dependsOn"),
        (json!({"title": "x", "parentId": unknown}), "parentId"),
        (json!({"title": "x", "maxAttempts": 0}), "maxAttempts"),
        (json!({"title": "x", "priority": "urgent"}), "priority"),
        (json!({"title": "x", "runAt": "tomorrow"}), "runAt"),
        (json!({"title": "x", "dependsOn": ["session_00000000000070008000000000000000"]}), "dependsOn[0]"),
    ] {
        let refused = socket.call("task.create", draft.clone()).await.expect_err("it is not allowed");
        assert_eq!(refused.code, Code::InvalidParams, "{field}: {refused}");
        let named = refused.field.as_deref().unwrap_or_default();
        assert!(named.starts_with(field), "{field}: {refused:?}");
    }
    assert_eq!(items(&socket.call("task.list", json!({})).await?).len(), 0);
    Ok(())
}

async fn creating_again_under_a_key_returns_the_first(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let (mut socket, mut other) = (daemon.admin().await, daemon.admin().await);
    let draft = json!({"title": "once", "idempotencyKey": "k-1"});
    // At the same time, over one connection and over another.
    let calls = (0..20).map(|_| draft.clone());
    let here = socket.call_all("task.create", calls.clone(), 20);
    let (here, there) = futures::future::join(here, other.call_all("task.create", calls, 20)).await;
    let id = |made: Result<Value, _>| made.map(|task| task["id"].clone());
    let ids: Vec<Value> = here.into_iter().chain(there).map(id).collect::<Result<_, _>>()?;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(items(&socket.call("task.list", json!({})).await?).len(), 1);

    let many = json!({"tasks": [{"title": "a"}, {"title": "b"}], "idempotencyKey": "k-2"});
    let made = items(&socket.call("task.createMany", many.clone()).await?);
    let again = items(&socket.call("task.createMany", many).await?);
    assert_eq!((&made[0]["id"], &made[1]["id"]), (&again[0]["id"], &again[1]["id"]));

    let theirs = daemon.organisation("other").await;
    let same_key = theirs.socket(&daemon).await.call("task.create", draft).await?;
    assert_ne!(same_key["id"], ids[0], "keys are an organisation's own");
    Ok(())
}

async fn of_many_tasks_all_are_created_or_none(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let mut drafts: Vec<Value> = (0..999).map(|n| json!({"title": format!("task {n}")})).collect();
    drafts.push(json!({"title": ""}));
    let refused = socket.call("task.createMany", json!({"tasks": drafts})).await.expect_err("the last one is wrong");
    assert!(refused.field.as_deref().is_some_and(|field| field.starts_with("tasks[999]")), "{refused:?}");
    assert_eq!(items(&socket.call("task.list", json!({})).await?).len(), 0);
    drafts[999] = json!({"title": "the last"});
    assert_eq!(create_many(&mut socket, drafts.clone()).await?.len(), 1_000);
    drafts.push(json!({"title": "one too many"}));
    let refused = socket.call("task.createMany", json!({"tasks": drafts})).await.expect_err("one too many");
    assert_eq!(refused.code, Code::InvalidParams);
    Ok(())
}

async fn a_list_is_walked_page_by_page(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let tag = |n: u32| if n.is_multiple_of(5) { "five" } else { "other" };
    let drafts = (0..25).map(|n| json!({"title": n.to_string(), "tags": [tag(n)]})).collect();
    create_many(&mut socket, drafts).await?;
    let whole = json!({"order": "newest", "limit": 7});
    for (mut params, expected) in [(json!({"limit": 10}), 25), (json!({"limit": 2, "tag": "five"}), 5), (whole, 25)] {
        let mut seen = Vec::new();
        loop {
            let page = socket.call("task.list", params.clone()).await?;
            seen.extend(items(&page).into_iter().map(|task| task["id"].to_string()));
            match page.get("nextCursor") {
                Some(cursor) => params["cursor"] = cursor.clone(),
                None => break,
            }
        }
        let mut unique = seen.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!((seen.len(), unique.len()), (expected, expected), "{params}");
    }
    let refused = socket.call("task.list", json!({"cursor": "x"})).await.expect_err("no cursor of ours");
    assert_eq!(refused.code, Code::InvalidParams);
    Ok(())
}

async fn the_history_of_a_task_tells_what_happened_in_order(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let mut socket = daemon.admin().await;
    let task = create(&mut socket, json!({"title": "a task"})).await?;
    socket.call("task.update", json!({"taskId": task["id"], "priority": "high"})).await?;
    socket.call("task.cancel", json!({"taskId": task["id"], "reason": "not needed"})).await?;
    socket.call("task.retry", json!({"taskId": task["id"]})).await?;
    let history = items(&socket.call("task.history", json!({"taskId": task["id"]})).await?);
    // That nobody can do it is told too, whenever the scheduler notices.
    let names = history.iter().filter_map(|event| event["event"].as_str()).filter(|name| name.starts_with("task."));
    let expected = ["task.created", "task.updated", "task.cancelled", "task.released"];
    assert_eq!(names.collect::<Vec<_>>(), expected, "{history:#?}");
    let cancelled = history.iter().find(|event| event["event"] == "task.cancelled");
    assert!(cancelled.is_some_and(|event| event["payload"]["reason"] == "not needed"), "{history:#?}");
    Ok(())
}
