use anyhow::Context as _;
use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Daemon, on_both_backends, shell};
use serde_json::{Value, json};

use crate::post;

on_both_backends![a_key_stands_for_one_request];

async fn a_key_stands_for_one_request(backend: Backend) -> anyhow::Result<()> {
    let daemon = Daemon::builder().backend(backend).start().await?;
    let (http, tasks) = (daemon.admin_http(), "/api/v1/tasks");
    let key = [("idempotency-key", "k-1")];
    let first = post(&http, tasks, &key, r#"{"title":"a","tags":["x"]}"#).await;
    let again = post(&http, tasks, &key, r#"{"tags":["x"],"title":"a"}"#).await;
    assert_eq!((first.status, again.status, &first.json()["id"]), (201, 201, &again.json()["id"]));
    let over_socket =
        daemon.admin().await.call("task.create", json!({"title": "a", "tags": ["x"], "idempotencyKey": "k-1"})).await?;
    assert_eq!(over_socket["id"], first.json()["id"], "the same request in another dialect");

    let other = post(&http, tasks, &key, r#"{"title":"b"}"#).await;
    assert_eq!((other.status, &other.json()["error"]["field"]), (409, &json!("idempotencyKey")), "{}", other.body);
    let elsewhere = http.call(
        "schedule.create",
        json!({"name": "s", "plan": {"every": {"intervalMs": 60_000}},
        "template": {"title": "a"}, "idempotencyKey": "k-1"}),
    );
    assert_eq!(elsewhere.await.map_err(|error| error.code), Err(Code::Conflict), "a key is of the organisation");
    let free = post(&http, tasks, &[("idempotency-key", "k-2")], r#"{"title":"b"}"#).await;
    assert_eq!(free.status, 201, "the same request under another key: {}", free.body);

    let both = post(&http, tasks, &[("idempotency-key", "k-3")], r#"{"title":"c","idempotencyKey":"k-4"}"#).await;
    assert_eq!((both.status, &both.json()["error"]["field"]), (422, &json!("idempotencyKey")), "{}", both.body);
    for bad in ["", "a b", &"x".repeat(201)] {
        let refused = post(&http, tasks, &[("idempotency-key", bad)], r#"{"title":"c"}"#).await;
        assert_eq!((refused.status, &refused.json()["error"]["field"]), (422, &json!("Idempotency-Key")), "{bad:?}");
    }
    let failed = post(&http, tasks, &[("idempotency-key", "k-5")], r#"{"title":""}"#).await;
    let mended = post(&http, tasks, &[("idempotency-key", "k-5")], r#"{"title":"d"}"#).await;
    assert_eq!((failed.status, mended.status), (422, 201), "what came to nothing binds no key: {}", mended.body);
    let stranger = daemon.organisation("other").await;
    let theirs = post(&stranger.http(&daemon), tasks, &key, r#"{"title":"b"}"#).await;
    assert_eq!(theirs.status, 201, "another organisation has keys of its own: {}", theirs.body);
    let restarted = daemon.kill().await.start().await?;
    let other = post(&restarted.admin_http(), tasks, &key, r#"{"title":"b"}"#).await;
    assert_eq!(other.status, 409, "keys outlive the daemon: {}", other.body);
    Ok(())
}

/// For each operation that creates: parameters, and others that would also do.
fn requests(operation: &str) -> Option<(Value, Value)> {
    let plan = json!({"every": {"intervalMs": 60_000}});
    Some(match operation {
        "task.create" => (json!({"title": "a"}), json!({"title": "b"})),
        "task.createMany" => (json!({"tasks": [{"title": "a"}]}), json!({"tasks": [{"title": "a"}, {"title": "b"}]})),
        "schedule.create" => (
            json!({"name": "a", "plan": plan, "template": {"title": "a"}}),
            json!({"name": "b", "plan": plan, "template": {"title": "a"}}),
        ),
        "org.create" => (json!({"name": "a"}), json!({"name": "b"})),
        "agent.register" => (json!({"agentId": "a"}), json!({"agentId": "b"})),
        "session.create" => {
            let session = |text: &str| json!({"sessionType": "process", "task": {"description": text}});
            (session("a"), session("b"))
        }
        _ => return None,
    })
}

#[tokio::test]
async fn every_operation_that_creates_is_repeatable_under_its_key() -> anyhow::Result<()> {
    let agents = json!({"agents": {"any": shell("echo done", &[], 4)}});
    let daemon = Daemon::builder().without_rate_limits().config(agents).start().await?;
    let http = daemon.admin_http();
    let listed = http.call("rpc.discover", json!({})).await?;
    let creating = listed["operations"].as_array().context("a list")?.iter().filter(|one| one["creates"] == true);
    let mut checked = Vec::new();
    for operation in creating.filter_map(|one| one["name"].as_str()) {
        let Some((one, other)) = requests(operation) else { continue };
        let with_key = |mut params: Value| {
            params["idempotencyKey"] = json!(format!("key of {operation}"));
            params
        };
        let first = http.call(operation, with_key(one.clone())).await?;
        let again = http.call(operation, with_key(one)).await?;
        let id = |made: &Value| made.get("id").or(made.get("sessionId")).or(made["items"][0].get("id")).cloned();
        assert!(id(&first).is_some() && id(&first) == id(&again), "{operation}: {first} and {again}");
        let refused = http.call(operation, with_key(other.clone())).await.map_err(|error| error.code);
        assert_eq!(refused.err(), Some(Code::Conflict), "{operation} under a key of another request");
        assert!(http.call(operation, other).await.is_ok(), "{operation} without the key");
        checked.push(operation);
    }
    assert!(checked.len() >= 6, "{checked:?}");
    Ok(())
}
