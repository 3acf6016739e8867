//! Keys that are rotated while the daemon runs.

use std::time::{Duration, Instant};

use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Daemon, Http};
use serde_json::{Value, json};

use crate::identity::ping;
use crate::tokens::{Forger, SECRET, claims, header_of};

async fn jwt(http: &Http) -> anyhow::Result<String> {
    let params = json!({"kind": "jwt", "subject": "somebody", "scopes": ["daemon.read"]});
    Ok(http.call("auth.token.issue", params).await?["token"].as_str().unwrap_or_default().to_owned())
}

async fn rotated(http: &Http) -> anyhow::Result<String> {
    Ok(http.call("auth.key.rotate", json!({})).await?["id"].as_str().unwrap_or_default().to_owned())
}

async fn current(http: &Http) -> anyhow::Result<String> {
    let keys = http.call("auth.key.list", json!({})).await?;
    Ok(keys["items"][0]["id"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_key_is_rotated_without_a_restart_and_retired_with_its_sockets() -> anyhow::Result<()> {
    for forger in Forger::BOTH {
        let daemon = forger.daemon().start().await?;
        let (admin, http) = (daemon.admin_http(), daemon.http());
        let (first, old, outside) = (current(&admin).await?, jwt(&admin).await?, forger.token(&claims()));
        let mut open = [daemon.socket(&old).await, daemon.socket(&outside).await];
        let second = rotated(&admin).await?;
        let new = jwt(&admin).await?;
        assert_eq!(header_of(&new)["kid"], json!(second));
        let mut other = daemon.socket(&new).await;
        for token in [&old, &outside, &new] {
            assert_eq!(ping(&http, token).await.status, 200, "all count until one is retired");
        }
        let refused = admin.call("auth.key.retire", json!({"keyId": second})).await.expect_err("it signs");
        assert_eq!(refused.code, Code::Conflict);

        let asked = Instant::now();
        admin.call("auth.key.retire", json!({"keyId": first})).await?;
        for socket in &mut open {
            assert_eq!(socket.closed().await.code, Some(4001));
        }
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        for token in [&old, &outside] {
            assert_eq!(ping(&http, token).await.status, 401);
        }
        assert_eq!(ping(&http, &new).await.status, 200);
        other.call("health.ping", json!({})).await?;

        let daemon = daemon.kill().await.start().await?;
        assert_eq!(ping(&daemon.http(), &new).await.status, 200, "it outlives a restart");
        assert_eq!(ping(&daemon.http(), &outside).await.status, 401, "and so does the retirement");
    }
    Ok(())
}

#[tokio::test]
async fn keys_are_rotated_on_every_daemon_at_once() -> anyhow::Result<()> {
    for forger in Forger::BOTH {
        let first = forger.daemon().backend(Backend::Postgres).start().await?;
        let second = forger.daemon().backend(Backend::Postgres).database_of(&first).start().await?;
        let (here, there) = (first.admin_http(), second.http());
        let (key, old) = (current(&here).await?, jwt(&here).await?);
        let mut open = second.socket(&old).await;
        rotated(&here).await?;
        let new = jwt(&here).await?;
        assert_eq!(ping(&there, &new).await.status, 200, "no moment in which the other does not know it");
        let mut kept = second.socket(&new).await;
        here.call("auth.key.retire", json!({"keyId": key})).await?;
        let asked = Instant::now();
        assert_eq!(open.closed().await.code, Some(4001));
        let took = asked.elapsed();
        println!("{} key retired elsewhere: closed after {took:?}", forger.alg());
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(ping(&there, &old).await.status, 401);
        kept.call("health.ping", json!({})).await?;
    }
    Ok(())
}

#[tokio::test]
async fn keys_are_the_operators_and_no_other_organisations() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let other = daemon.organisation("other").await;
    let theirs = other.http(&daemon);
    let key = current(&daemon.admin_http()).await?;
    for (method, params) in [
        ("auth.key.list", json!({})),
        ("auth.key.rotate", json!({})),
        ("auth.key.retire", json!({"keyId": key})),
        ("auth.key.retire", json!({"keyId": "no-such-key"})),
    ] {
        let refused = theirs.call(method, params).await.expect_err("they are not the operator");
        assert_eq!(refused.code, Code::Forbidden, "{method}");
    }
    assert_eq!(current(&daemon.admin_http()).await?, key);
    rotated(&daemon.admin_http()).await?;
    let events = |http: Http| async move {
        let events = http.call("event.list", json!({})).await?;
        let names: Vec<Value> = events["items"].as_array().into_iter().flatten().map(|e| e["event"].clone()).collect();
        anyhow::Ok(names)
    };
    assert!(events(daemon.admin_http()).await?.contains(&json!("auth.key.rotated")));
    assert!(!events(theirs).await?.contains(&json!("auth.key.rotated")));
    Ok(())
}

#[tokio::test]
async fn the_secret_before_counts_as_long_as_it_is_configured() -> anyhow::Result<()> {
    const NEXT: &str = "Qb7vN2xK9sLw4Re8tYc3Zd6Gh1Jf5Mp0";
    let daemon = Forger::Hs256.daemon().start().await?;
    let token = Forger::Hs256.token(&claims());
    let issue = json!({"kind": "jwt", "subject": "a", "scopes": ["daemon.read"], "refresh": true});
    let tokens = daemon.admin_http().call("auth.token.issue", issue).await?;
    let stopped = daemon.kill().await;
    let both = stopped.env("DAEMON_JWT_SECRET", NEXT).env("DAEMON_JWT_SECRET_PREVIOUS", SECRET).start().await?;
    assert_eq!(ping(&both.http(), &token).await.status, 200);
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    both.http().call("auth.token.refresh", refresh).await?;
    let alone = both.kill().await.env("DAEMON_JWT_SECRET_PREVIOUS", "unset");
    let refused = alone.clone().refused().await?;
    assert!(refused.output.contains("auth"), "{}", refused.output);
    Ok(())
}
