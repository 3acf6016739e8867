use std::collections::BTreeSet;

use anyhow::Context as _;
use http::Method;
use orchestrator_testkit::Daemon;
use serde_json::{Value, json};

fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("a document has paths");
    let all = paths.values().filter_map(Value::as_object).flat_map(|item| item.values());
    all.filter_map(|operation| operation["operationId"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn everybody_may_read_what_can_be_called() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let reply = daemon.http().get("/openapi.json").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let document = reply.json();
    assert_eq!(document["openapi"], "3.1.0");
    let admin = daemon.admin_http();
    let listed = admin.call("rpc.discover", json!({})).await?;
    let routed = listed["operations"].as_array().context("a list")?.iter().filter(|one| one.get("rest").is_some());
    let routed: BTreeSet<String> = routed.filter_map(|one| one["name"].as_str().map(str::to_owned)).collect();
    let described = operations(&document);
    assert_eq!(routed.difference(&described).collect::<Vec<_>>(), Vec::<&String>::new());
    for page in ["page.livez", "page.readyz", "page.health", "page.status", "page.metrics", "page.openapi_json"] {
        assert!(described.contains(page), "{page} is not in {described:?}");
    }
    assert!(!described.contains("subscribe"), "what needs a WebSocket has no route");
    assert_eq!(admin.call("rpc.openapi", json!({})).await?, document, "one document for all dialects");
    for secret in [daemon.admin_token(), "jwt.key"] {
        assert!(!reply.body.contains(secret));
    }
    Ok(())
}

#[tokio::test]
async fn every_route_that_is_described_is_there_and_no_other_method_of_it() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let (http, document) = (daemon.http(), daemon.http().get("/openapi.json").await.json());
    for (path, item) in document["paths"].as_object().context("paths")? {
        let real = path.replace("{id}", "x");
        let described: BTreeSet<String> =
            item.as_object().context("methods")?.keys().map(|name| name.to_uppercase()).collect();
        for name in ["GET", "POST", "PATCH", "DELETE", "PUT"] {
            let method: Method = name.parse()?;
            let reply = http.send(method, &real, &[("content-type", "application/json")], "").await;
            let allowed: BTreeSet<&str> = reply.header("allow").unwrap_or_default().split(',').map(str::trim).collect();
            assert_eq!(reply.status != 405, described.contains(name), "{name} {path}: {}", reply.status);
            let told = reply.status != 405 || described.iter().all(|one| allowed.contains(one.as_str()));
            assert!(told, "{name} {path} allows {allowed:?}");
        }
        let options = http.send(Method::OPTIONS, &real, &[], "").await;
        assert_eq!((options.status, options.body.as_str()), (204, ""), "{path}");
        assert!(
            described.iter().all(|one| options.header("allow").unwrap_or_default().contains(one.as_str())),
            "{path}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let http = daemon.admin_http();
    for path in ["/api/v1/tasks", "/status", "/readyz", "/openapi.json"] {
        let head = http.send(Method::HEAD, path, &[], "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert!(head.header("content-length").is_some_and(|length| length != "0"), "{path}");
    }
    assert_eq!(daemon.http().send(Method::HEAD, "/api/v1/tasks", &[], "").await.status, 401);
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_has_its_status() -> anyhow::Result<()> {
    let daemon = Daemon::builder().config(json!({"gateway": {"messageBytesMax": 1_000}})).start().await?;
    let http = daemon.admin_http();
    let reader = daemon.http().with_token(&daemon.token("daemon.read").await);
    let json = super::JSON;
    let tasks = "/api/v1/tasks";
    let large = format!(r#"{{"title":"{}"}}"#, "x".repeat(1_000));
    let unknown = format!("{tasks}/task_{}", "0".repeat(32));
    for (expected, code, reply) in [
        (400, "PARSE", http.send(Method::POST, tasks, &[json], "{").await),
        (400, "INVALID_REQUEST", http.send(Method::POST, tasks, &[json], "[]").await),
        (400, "INVALID_REQUEST", http.send(Method::GET, tasks, &[json], "{}").await),
        (401, "UNAUTHORIZED", daemon.http().send(Method::POST, tasks, &[json], "{}").await),
        (403, "FORBIDDEN", reader.send(Method::POST, tasks, &[json], r#"{"title":"x"}"#).await),
        (404, "NOT_FOUND", http.get(&unknown).await),
        (404, "NOT_FOUND", http.get("/api/v1/nothing").await),
        (405, "INVALID_REQUEST", http.send(Method::PUT, tasks, &[], "").await),
        (413, "PAYLOAD_TOO_LARGE", http.send(Method::POST, tasks, &[json], &large).await),
        (415, "UNSUPPORTED_MEDIA", http.send(Method::POST, tasks, &[("content-type", "text/plain")], "{}").await),
        (422, "INVALID_PARAMS", http.send(Method::POST, tasks, &[json], r#"{"title":7}"#).await),
        (422, "INVALID_PARAMS", http.send(Method::POST, &format!("{tasks}?title=x"), &[json], "{}").await),
        (422, "INVALID_PARAMS", http.get("/api/v1/tasks/not-an-id").await),
    ] {
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (expected, &json!(code)), "{}", reply.body);
    }
    for (query, field) in [("nope=1", "nope"), ("limit=many", "limit"), ("limit=0", "limit"), ("status=x", "status[0]")]
    {
        let reply = http.get(&format!("{tasks}?{query}")).await;
        assert_eq!((reply.status, &reply.json()["error"]["field"]), (422, &json!(field)), "{query}: {}", reply.body);
    }
    let whole = http.send(Method::POST, tasks, &[json], r#"{"title":"x","maxAttempts":2.0}"#).await;
    assert_eq!((whole.status, &whole.json()["maxAttempts"]), (201, &json!(2)), "{}", whole.body);
    Ok(())
}
