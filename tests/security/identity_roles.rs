//! What a credential may do is changed while it is connected.

use std::time::{Duration, Instant};

use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Daemon, Http};
use serde_json::{Value, json};

async fn key(http: &Http, scope: &str) -> anyhow::Result<Value> {
    let params = json!({"kind": "apiKey", "subject": "somebody", "scopes": [scope]});
    Ok(http.call("auth.token.issue", params).await?)
}

fn text<'a>(issued: &'a Value, name: &str) -> &'a str {
    issued[name].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_changed_role_reaches_open_sockets_on_every_daemon_and_no_others() -> anyhow::Result<()> {
    let first = Daemon::builder().backend(Backend::Postgres).without_rate_limits().start().await?;
    let second = Daemon::builder().backend(Backend::Postgres).without_rate_limits().database_of(&first).start().await?;
    let other = first.organisation("other").await;
    let http = other.http(&first);
    let (key, bystander) = (key(&http, "daemon.write").await?, key(&http, "daemon.write").await?);
    let mut unconcerned = second.socket(text(&bystander, "token")).await;
    for (scope, may_write) in [("daemon.read", false), ("daemon.admin", true), ("daemon.approve", false)] {
        let mut open = [first.socket(text(&key, "token")).await, second.socket(text(&key, "token")).await];
        for socket in &mut open {
            socket.call("health.ping", json!({})).await.ok();
        }
        http.call("auth.token.update", json!({"tokenId": key["tokenId"], "scopes": [scope]})).await?;
        let asked = Instant::now();
        for socket in &mut open {
            assert_eq!(socket.closed().await.code, Some(4006), "{scope}");
        }
        println!("role changed to {scope}: both closed after {:?}", asked.elapsed());
        assert!(asked.elapsed() < Duration::from_secs(1), "{scope}: {:?}", asked.elapsed());
        for daemon in [&first, &second] {
            let again = daemon.http().with_token(text(&key, "token"));
            let created = again.call("task.create", json!({"title": "x"})).await;
            assert_eq!(created.is_ok(), may_write, "{scope}: {created:?}");
        }
    }
    unconcerned.call("task.create", json!({"title": "x"})).await?;
    Ok(())
}

#[tokio::test]
async fn roles_are_given_by_those_who_have_them_in_their_own_organisation() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let other = daemon.organisation("other").await;
    let ours = key(&daemon.admin_http(), "daemon.read").await?;
    let theirs = key(&other.http(&daemon), "daemon.read").await?;
    let update = async |http: Http, id: &str| {
        http.call("auth.token.update", json!({"tokenId": id, "scopes": ["daemon.write"]})).await
    };
    let foreign = update(other.http(&daemon), text(&ours, "tokenId")).await.expect_err("it is not theirs");
    let unknown = "key_00000000000070008000000000000009";
    let missing = update(other.http(&daemon), unknown).await.expect_err("there is none");
    let plain = |error: &orchestrator_rpc::Error, id: &str| serde_json::to_string(error).map(|t| t.replace(id, "ID"));
    assert_eq!(plain(&foreign, text(&ours, "tokenId"))?, plain(&missing, unknown)?);
    update(other.http(&daemon), text(&theirs, "tokenId")).await?;

    let writer = daemon.http().with_token(&daemon.token("daemon.write").await);
    assert_eq!(update(writer, text(&ours, "tokenId")).await.expect_err("no administrator").code, Code::Forbidden);
    let jwt = json!({"kind": "jwt", "subject": "somebody", "scopes": ["daemon.read"]});
    let jwt = daemon.admin_http().call("auth.token.issue", jwt).await?;
    let signed = update(daemon.admin_http(), text(&jwt, "tokenId")).await.expect_err("it is signed");
    assert_eq!(signed.code, Code::Conflict);
    Ok(())
}
