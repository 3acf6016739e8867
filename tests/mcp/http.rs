use http::Method;
use orchestrator_testkit::Daemon;
use rmcp::ClientLifecycleMode::Initialize;
use rmcp::service::serve_client_with_lifecycle;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ServiceError};
use serde_json::json;

use crate::{Peer, ages, call, failure, names};

async fn client(daemon: &Daemon, token: &str, age: ClientLifecycleMode) -> anyhow::Result<Peer> {
    // The second test of a process finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", daemon.url())).auth_header(token);
    let transport = StreamableHttpClientTransport::with_client(reqwest::Client::builder().no_proxy().build()?, config);
    Ok(serve_client_with_lifecycle((), transport, age).await?)
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const HEADERS: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];

#[tokio::test]
async fn clients_of_both_ages_find_operations_as_tools_and_call_them() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    for age in ages() {
        let peer = client(&daemon, daemon.admin_token(), age).await?;
        let tools = peer.list_all_tools().await?;
        let create = tools.iter().find(|tool| tool.name == "task_create").expect("it is offered");
        assert_eq!(create.input_schema["properties"]["title"]["type"], "string", "{create:?}");
        assert!(create.output_schema.is_some(), "{create:?}");
        let list = tools.iter().find(|tool| tool.name == "task_list").expect("it is offered");
        assert_eq!(list.annotations.as_ref().and_then(|hints| hints.read_only_hint), Some(true));
        let created = call(&peer, "task_create", json!({"title": "from a client"})).await?;
        let task = created.structured_content.expect("the task");
        let found = daemon.admin().await.call("task.get", json!({"taskId": task["id"]})).await?;
        assert_eq!(found["title"], "from a client");
        peer.cancel().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_an_operation_refuses_is_told_to_the_model() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let peer = client(&daemon, daemon.admin_token(), Initialize).await?;
    let wrong = failure(&call(&peer, "task_create", json!({"title": ""})).await?);
    assert_eq!((&wrong["code"], &wrong["field"]), (&json!("INVALID_PARAMS"), &json!("title")));
    let unknown = json!({"taskId": "task_00000000000070008000000000000001"});
    assert_eq!(failure(&call(&peer, "task_get", unknown).await?)["code"], "NOT_FOUND");
    Ok(())
}

#[tokio::test]
async fn what_is_no_tool_is_not_called() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let peer = client(&daemon, daemon.admin_token(), Initialize).await?;
    for name in ["daemon_backup", "auth_token_issue", "nothing"] {
        let refused = call(&peer, name, json!({})).await.expect_err("it is none");
        let refused = refused.downcast::<ServiceError>()?;
        assert!(matches!(&refused, ServiceError::McpError(error) if error.message.contains("no tool")), "{refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn whoever_may_only_read_is_offered_less_and_cannot_call_the_rest() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let reader = client(&daemon, &daemon.token("daemon.read").await, Initialize).await?;
    let offered = names(&reader).await?;
    assert!(offered.contains(&"task_list".into()) && !offered.contains(&"task_create".into()), "{offered:?}");
    let refused = failure(&call(&reader, "task_create", json!({"title": "a"})).await?);
    assert_eq!(refused["code"], "FORBIDDEN");
    let tasks = daemon.admin().await.call("task.list", json!({})).await?;
    assert_eq!(tasks["items"], json!([]));

    let writer = client(&daemon, &daemon.token("daemon.write").await, Initialize).await?;
    assert!(names(&writer).await?.contains(&"task_create".into()));
    assert_eq!(call(&writer, "task_create", json!({"title": "a"})).await?.is_error, Some(false));
    Ok(())
}

#[tokio::test]
async fn an_organisation_sees_its_own_tasks_only() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let ours = daemon.admin().await.call("task.create", json!({"title": "ours"})).await?;
    let stranger = client(&daemon, &daemon.organisation("other").await.token, Initialize).await?;
    let refused = failure(&call(&stranger, "task_get", json!({"taskId": ours["id"]})).await?);
    assert_eq!(refused["code"], "NOT_FOUND");
    Ok(())
}

#[tokio::test]
async fn nobody_without_a_credential_and_no_foreign_page_is_answered() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let nobody = daemon.http().send(Method::POST, "/mcp", &HEADERS, LIST).await;
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, Some("Bearer")), "{}", nobody.body);
    let wrong = daemon.http().with_token("orc_wrong").send(Method::POST, "/mcp", &HEADERS, LIST).await;
    assert_eq!(wrong.status, 401, "{}", wrong.body);
    for foreign in [("origin", "https://evil.example"), ("host", "evil.example")] {
        let refused = daemon.admin_http().send(Method::POST, "/mcp", &[&HEADERS[..], &[foreign]].concat(), LIST).await;
        assert_eq!(refused.status, 403, "{foreign:?}: {}", refused.body);
    }
    let known = daemon.admin_http().send(Method::POST, "/mcp", &HEADERS, LIST).await;
    assert_eq!((known.status, known.header("cache-control")), (200, Some("no-store")), "{}", known.body);
    assert!(known.header("ratelimit").is_some(), "it was counted: {:?}", known.headers);
    let stream = daemon.admin_http().send(Method::GET, "/mcp", &HEADERS[1..], "").await;
    assert_eq!((stream.status, stream.header("allow")), (405, Some("POST")), "there are no sessions");
    Ok(())
}

#[tokio::test]
async fn calls_of_tools_count_against_the_limit_of_the_credential() -> anyhow::Result<()> {
    let limited = Daemon::builder().config(json!({"rateLimit": {"callsPerCredential": 2}})).start().await?;
    let peer = client(&limited, limited.admin_token(), Initialize).await?;
    for _ in 0..2 {
        assert_eq!(call(&peer, "task_list", json!({})).await?.is_error, Some(false));
    }
    let refused = failure(&call(&peer, "task_list", json!({})).await?);
    assert!(refused["code"] == "RATE_LIMITED" && refused["retryAfterMs"].is_u64(), "{refused}");

    let free = Daemon::builder().without_rate_limits().start().await?;
    let peer = client(&free, free.admin_token(), Initialize).await?;
    for _ in 0..4 {
        assert_eq!(call(&peer, "task_list", json!({})).await?.is_error, Some(false));
    }
    Ok(())
}

#[tokio::test]
async fn switched_off_there_is_no_such_route() -> anyhow::Result<()> {
    let daemon = Daemon::builder().config(json!({"mcp": {"serve": false}})).start().await?;
    assert_eq!(daemon.admin_http().send(Method::POST, "/mcp", &HEADERS, LIST).await.status, 404);
    Ok(())
}
