use orchestrator_rpc::{Code, Error};
use orchestrator_testkit::{Daemon, Organisation};
use serde_json::{Value, json};

use crate::still_ready;

async fn daemon_with_another() -> anyhow::Result<(Daemon, Organisation)> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let other = daemon.organisation("other").await;
    Ok((daemon, other))
}

fn text(outcome: &Result<Value, Error>, id: &str) -> String {
    match outcome {
        Ok(value) => format!("ok {value}").replace(id, "ID"),
        Err(error) => serde_json::to_string(error).expect("errors are JSON").replace(id, "ID"),
    }
}

#[tokio::test]
async fn foreign_ids_inside_parameters_are_like_unknown_ones() -> anyhow::Result<()> {
    let (daemon, other) = daemon_with_another().await?;
    let (ours, theirs) = (daemon.admin_http(), other.http(&daemon));
    let task = theirs.call("task.create", json!({"title": "theirs"})).await?;
    theirs.call("agent.register", json!({"agentId": "their-worker"})).await?;
    let issue = json!({"kind": "apiKey", "subject": "they", "scopes": ["daemon.read"]});
    let key = theirs.call("auth.token.issue", issue).await?;
    let own = ours.call("task.create", json!({"title": "ours"})).await?;

    let task = task["id"].as_str().unwrap_or_default();
    let unknown_task = "task_00000000000070008000000000000000";
    let key = key["tokenId"].as_str().unwrap_or_default();
    let unknown_key = "key_00000000000070008000000000000000";
    let with = |params: &str, id: &str| -> Value { serde_json::from_str(&params.replace("$", id)).expect("JSON") };
    let own = own["id"].as_str().unwrap_or_default();
    for (method, params, foreign, unknown) in [
        ("task.create", r#"{"title":"x","dependsOn":["$"]}"#.to_owned(), task, unknown_task),
        ("task.create", r#"{"title":"x","parentId":"$"}"#.to_owned(), task, unknown_task),
        ("task.depend", format!(r#"{{"taskId":"{own}","dependsOn":["$"]}}"#), task, unknown_task),
        ("task.undepend", format!(r#"{{"taskId":"{own}","dependsOn":["$"]}}"#), task, unknown_task),
        ("task.completeMany", r#"{"items":[{"taskId":"$","fence":1}]}"#.to_owned(), task, unknown_task),
        ("task.list", r#"{"parentId":"$"}"#.to_owned(), task, unknown_task),
        ("task.list", r#"{"owner":"$"}"#.to_owned(), "their-worker", "no-such-worker"),
        ("task.claim", r#"{"agentId":"$"}"#.to_owned(), "their-worker", "no-such-worker"),
        ("auth.token.revoke", r#"{"tokenId":"$"}"#.to_owned(), key, unknown_key),
    ] {
        let (first, second) =
            (ours.call(method, with(&params, foreign)).await, ours.call(method, with(&params, unknown)).await);
        // What was updated when, and an id that was just made, differ between any two calls.
        if first.is_ok() && second.is_ok() && ["task.create", "task.undepend"].contains(&method) {
            continue;
        }
        assert_eq!(text(&first, foreign), text(&second, unknown), "{method} {params}");
    }
    let parent = ours.call("task.create", json!({"title": "x", "parentId": task})).await;
    assert!(parent.is_err(), "a foreign parent is unknown: {parent:?}");
    theirs.call("task.get", json!({"taskId": task})).await?;
    daemon.http().with_token(&other.token).call("health.ping", json!({})).await?;
    Ok(())
}

#[tokio::test]
async fn nothing_of_another_organisation_is_listed_or_counted() -> anyhow::Result<()> {
    let (daemon, other) = daemon_with_another().await?;
    let (ours, theirs) = (daemon.admin_http(), other.http(&daemon));
    let marked = json!({"tasks": [{"title": "planted-marker-1"}, {"title": "planted-marker-2"}]});
    ours.call("task.createMany", marked).await?;
    ours.call("agent.register", json!({"agentId": "planted-marker"})).await?;
    let plan = json!({"every": {"intervalMs": 3_600_000}});
    let schedule = json!({"name": "planted-marker", "plan": plan, "template": {"title": "planted-marker"}});
    ours.call("schedule.create", schedule).await?;
    for method in
        ["task.list", "agent.list", "schedule.list", "event.list", "auth.token.list", "org.list", "session.list"]
    {
        let (own, foreign) = (ours.call(method, json!({})).await?, theirs.call(method, json!({})).await?);
        let is_planted = method != "auth.token.list" && method != "org.list" && method != "session.list";
        assert!(own.to_string().contains("planted-marker") || !is_planted, "{method} shows our own: {own}");
        assert!(!foreign.to_string().contains("planted-marker"), "{method}: {foreign}");
        assert!(!foreign.to_string().contains("org_00000000000070008000000000000001"), "{method}: {foreign}");
    }
    assert_eq!(ours.get("/status").await.json()["tasks"]["pending"], 2);
    assert_eq!((ours.get("/metrics").await.status, theirs.get("/metrics").await.status), (200, 403));
    let status = theirs.get("/status").await.json();
    assert_eq!(
        status["tasks"].as_object().map_or(0, |counts| counts.values().filter_map(Value::as_u64).sum()),
        0,
        "{status}"
    );
    Ok(())
}

#[tokio::test]
async fn a_cursor_of_another_organisation_opens_nothing() -> anyhow::Result<()> {
    let (daemon, other) = daemon_with_another().await?;
    let (ours, theirs) = (daemon.admin_http(), other.http(&daemon));
    let drafts: Vec<Value> = (0..5).map(|n| json!({"title": format!("planted-marker {n}")})).collect();
    ours.call("task.createMany", json!({"tasks": drafts})).await?;
    theirs.call("task.create", json!({"title": "theirs"})).await?;
    for method in ["task.list", "event.list"] {
        let page = ours.call(method, json!({"limit": 2})).await?;
        let cursor = page["nextCursor"].clone();
        assert!(cursor.is_string(), "{method} has another page: {page}");
        assert_eq!(
            ours.call(method, json!({"cursor": cursor, "limit": 2})).await?["items"].as_array().map(Vec::len),
            Some(2)
        );
        if let Ok(page) = theirs.call(method, json!({"cursor": cursor})).await {
            assert!(!page.to_string().contains("planted-marker"), "{method}: {page}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn subscribers_hear_their_own_organisation_and_count_only_its_events() -> anyhow::Result<()> {
    let (daemon, other) = daemon_with_another().await?;
    let (ours, theirs) = (daemon.admin_http(), other.http(&daemon));
    let mut listener = other.socket(&daemon).await;
    // With somebody who can do it, there is nothing to tell of a task but that it was created.
    theirs.call("agent.register", json!({"agentId": "their-worker"})).await?;
    listener.subscribe(&["**"]).await;
    let before = theirs.call("task.create", json!({"title": "before"})).await?;
    let first = listener.event_about("task.created", &before["id"]).await;
    for n in 0..20 {
        ours.call("task.create", json!({"title": format!("planted-marker {n}")})).await?;
    }
    let after = theirs.call("task.create", json!({"title": "after"})).await?;
    let second = listener.event_about("task.created", &after["id"]).await;
    assert_eq!(second.seq, first.seq.map(|seq| seq + 1), "the numbers of an organisation do not tell of others");

    let mut late = other.socket(&daemon).await;
    late.subscribe_after(&["**"], 0).await;
    let all = late.events_until("the last event", |event| event.payload["taskId"] == after["id"]).await;
    assert!(all.iter().all(|event| !event.payload.to_string().contains("planted-marker")), "{all:?}");
    Ok(())
}

#[tokio::test]
async fn only_the_operators_organisation_makes_others() -> anyhow::Result<()> {
    let (daemon, other) = daemon_with_another().await?;
    let theirs = other.http(&daemon);
    let refused = theirs.call("org.create", json!({"name": "third"})).await.expect_err("not theirs to make");
    assert_eq!(refused.code, Code::Forbidden);
    let issue = |org: &str| json!({"kind": "apiKey", "subject": "x", "scopes": ["daemon.read"], "orgId": org});
    let local = theirs.call("auth.token.issue", issue("org_00000000000070008000000000000001")).await;
    let unknown = theirs.call("auth.token.issue", issue("org_00000000000070008000000000000099")).await;
    let (local, unknown) = (local.expect_err("a foreign organisation"), unknown.expect_err("an unknown one"));
    assert_eq!(
        serde_json::to_string(&local)?.replace("0001", "ID"),
        serde_json::to_string(&unknown)?.replace("0099", "ID")
    );
    theirs.call("auth.token.issue", issue(&other.id)).await?;
    daemon.admin_http().call("org.create", json!({"name": "third"})).await?;
    still_ready(&daemon).await;
    Ok(())
}
