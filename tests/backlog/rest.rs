use http::Method;
use orchestrator_testkit::{Backend, on_both_backends};
use serde_json::json;

use crate::{daemon, items};

on_both_backends![the_backlog_is_reached_through_rest];

async fn the_backlog_is_reached_through_rest(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let http = daemon.admin_http();
    let headers = [("content-type", "application/json"), ("idempotency-key", "once")];
    let made = http.send(Method::POST, "/api/v1/tasks", &headers, r#"{"title":"a task","tags":["a b"]}"#).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let again = http.send(Method::POST, "/api/v1/tasks", &headers, r#"{"tags":["a b"],"title":"a task"}"#).await;
    let (made, again) = (made.json(), again.json());
    assert_eq!(made["id"], again["id"], "the header's key makes it repeatable");
    let path = format!("/api/v1/tasks/{}", made["id"].as_str().unwrap_or_default());

    let patched = http.send(Method::PATCH, &path, &headers[..1], r#"{"priority":"high"}"#).await;
    assert_eq!((patched.status, &patched.json()["priority"]), (200, &json!("high")), "{}", patched.body);
    let read = http.get(&path).await;
    assert_eq!((read.status, &read.json()["priority"]), (200, &json!("high")));
    let found = http.get("/api/v1/tasks?tag=a%20b&status=pending&limit=5").await;
    assert_eq!(items(&found.json()).len(), 1, "{}", found.body);
    assert_eq!(http.get("/api/v1/tasks?status=failed").await.json()["items"], json!([]));
    assert_eq!(http.get("/api/v1/tasks?limit=many").await.status, 422);
    let why = http.send(Method::POST, &format!("{path}/explain"), &headers[..1], "{}").await;
    assert_eq!((why.status, &why.json()["taskId"]), (200, &made["id"]), "{}", why.body);
    let cancelled = http.send(Method::POST, &format!("{path}/cancel"), &headers[..1], "{}").await;
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")), "{}", cancelled.body);
    let twice = http.send(Method::POST, &format!("{path}/cancel"), &headers[..1], "{}").await;
    assert_eq!(twice.status, 409, "{}", twice.body);
    assert_eq!(http.send(Method::DELETE, &path, &[], "").await.status, 200);
    assert_eq!(http.get(&path).await.status, 404);
    let many = http.send(Method::POST, "/api/v1/tasks/createMany", &headers[..1], r#"{"tasks":[{"title":"x"}]}"#).await;
    assert_eq!(items(&many.json()).len(), 1, "{}", many.body);
    Ok(())
}
