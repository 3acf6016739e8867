use http::Method;
use orchestrator_rpc::{Code, Error};
use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use crate::tokens::{Forger, claims_with};

fn code(outcome: &Result<Value, Error>) -> Option<Code> {
    outcome.as_ref().err().map(|error| error.code)
}

async fn connected(daemon: &Daemon, key: &str, scopes: Value) -> Socket {
    let mut socket = Socket::open(daemon.url(), &[]).await.expect("the first frame authenticates");
    let mut params = json!({"auth": {"type": "api-key", "token": key}});
    if !scopes.is_null() {
        params["scopes"] = scopes;
    }
    socket.call("auth.connect", params).await.expect("the key is good");
    socket
}

#[tokio::test]
async fn requested_scopes_narrow_and_never_widen() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let writer = daemon.token("daemon.write").await;
    let task = json!({"title": "a task"});
    let mut narrowed = connected(&daemon, &writer, json!(["daemon.read"])).await;
    assert_eq!(code(&narrowed.call("task.create", task.clone()).await), Some(Code::Forbidden));
    narrowed.call("task.list", json!({})).await?;
    let mut greedy = connected(&daemon, &writer, json!(["daemon.admin", "daemon.write"])).await;
    greedy.call("task.create", task.clone()).await?;
    assert_eq!(code(&greedy.call("org.list", json!({})).await), Some(Code::Forbidden));
    let mut plain = connected(&daemon, &writer, Value::Null).await;
    plain.call("task.create", task).await?;
    assert_eq!(code(&plain.call("org.list", json!({})).await), Some(Code::Forbidden));
    Ok(())
}

#[tokio::test]
async fn an_empty_scope_allows_nothing() -> anyhow::Result<()> {
    for forger in Forger::BOTH {
        let daemon = forger.daemon().start().await?;
        for scope in ["", "everything", "admin", "daemon.*", "DAEMON.ADMIN"] {
            let http = daemon.http().with_token(&forger.token(&claims_with("scope", json!(scope))));
            assert_eq!(code(&http.call("task.list", json!({})).await), Some(Code::Forbidden), "{scope:?}");
            for path in ["/status", "/metrics", "/api/v1/tasks"] {
                assert_eq!(http.get(path).await.status, 403, "{scope:?} {path}");
            }
        }
        let reader = daemon.http().with_token(&forger.token(&claims_with("scope", json!("daemon.read"))));
        reader.call("task.list", json!({})).await?;
    }
    Ok(())
}

#[tokio::test]
async fn nobody_hands_out_what_he_does_not_have() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let writer = daemon.http().with_token(&daemon.token("daemon.write daemon.approve daemon.teams").await);
    let issue = json!({"kind": "apiKey", "subject": "me", "scopes": ["daemon.admin"]});
    assert_eq!(code(&writer.call("auth.token.issue", issue.clone()).await), Some(Code::Forbidden));
    let reply = writer.send(Method::GET, "/api/v1/orgs", &[], "").await;
    assert_eq!(reply.status, 403, "the same through REST: {}", reply.body);
    daemon.admin_http().call("auth.token.issue", issue).await?;
    Ok(())
}
