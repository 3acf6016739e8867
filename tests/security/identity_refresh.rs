//! Refresh tokens: rotated, in families, good once.

use std::time::{Duration, Instant};

use futures::future::join_all;
use http::Method;
use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Daemon, Http, Socket};
use serde_json::{Value, json};

use crate::identity::ping;
use crate::still_ready;
use crate::tokens::Forger;

async fn login(http: &Http) -> anyhow::Result<Value> {
    let params = json!({"kind": "jwt", "subject": "somebody", "scopes": ["daemon.read"], "refresh": true});
    Ok(http.call("auth.token.issue", params).await?)
}

async fn refresh(http: &Http, tokens: &Value) -> Result<Value, orchestrator_rpc::Error> {
    http.call("auth.token.refresh", json!({"refreshToken": tokens["refreshToken"]})).await
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_refresh_token_needs_no_other_credential_on_any_face() -> anyhow::Result<()> {
    for forger in Forger::BOTH {
        let daemon = forger.daemon().start().await?;
        let other = daemon.organisation("other").await;
        let tokens = login(&other.http(&daemon)).await?;
        assert_eq!(ping(&daemon.http(), text(&tokens, "token")).await.status, 200);
        let over_rpc = refresh(&daemon.http(), &tokens).await?;
        let body = json!({"refreshToken": over_rpc["refreshToken"]});
        // An access token that does not count any more is in nobody's way.
        let headers = [("authorization", "Bearer expired"), ("content-type", "application/json")];
        let reply = daemon.http().send(Method::POST, "/api/v1/auth/token/refresh", &headers, &body.to_string()).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let over_rest = reply.json();
        let expired = daemon.http().with_token("expired");
        let again = refresh(&expired, &over_rest).await?;
        let mut socket = Socket::open(daemon.url(), &[]).await.expect("a socket without a credential");
        let params = json!({"refreshToken": again["refreshToken"]});
        let over_socket = socket.call("auth.token.refresh", params).await?;
        let connect = json!({"auth": {"type": "jwt", "token": over_socket["token"]}});
        socket.call("auth.connect", connect).await?;
        socket.call("task.list", json!({})).await?;
        for tokens in [&over_rpc, &over_rest, &over_socket] {
            assert_eq!((&tokens["orgId"], &tokens["scopes"]), (&json!(other.id), &json!(["daemon.read"])));
            assert_eq!(ping(&daemon.http(), text(tokens, "token")).await.status, 200);
            assert_eq!(ping(&daemon.http(), text(tokens, "refreshToken")).await.status, 401, "it opens nothing itself");
        }
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "auth.token.issue", "params": {}});
        assert_eq!(daemon.http().post("/rpc", &call).await.status, 401, "nothing else is open");
    }
    Ok(())
}

#[tokio::test]
async fn a_reused_token_ends_the_family_and_its_sockets_and_no_other() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let other = daemon.organisation("other").await;
    let (first, bystander) = (login(&other.http(&daemon)).await?, login(&daemon.admin_http()).await?);
    let second = refresh(&daemon.http(), &first).await?;
    let third = refresh(&daemon.http(), &second).await?;
    let mut open = [daemon.socket(text(&first, "token")).await, daemon.socket(text(&third, "token")).await];
    let mut unconcerned = daemon.socket(text(&bystander, "token")).await;
    let mut events = other.socket(&daemon).await;
    events.subscribe(&["auth.**"]).await;

    let asked = Instant::now();
    assert_eq!(refresh(&daemon.http(), &first).await.expect_err("it is old").code, Code::Unauthorized);
    for socket in &mut open {
        assert_eq!(socket.closed().await.code, Some(4001));
    }
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let told = events.events_until("the revocation", |event| event.name == "auth.token.revoked").await;
    assert_eq!(told[0].name, "auth.token.reused");
    assert_eq!(told[0].payload["familyId"], first["familyId"]);
    for tokens in [&first, &second, &third] {
        assert_eq!(ping(&daemon.http(), text(tokens, "token")).await.status, 401);
        assert!(refresh(&daemon.http(), tokens).await.is_err());
        let secret = text(tokens, "refreshToken").split('_').nth(3).unwrap_or_default();
        assert!(!format!("{told:?}{}", daemon.log()).contains(secret), "a secret was told");
    }
    unconcerned.call("health.ping", json!({})).await?;
    refresh(&daemon.http(), &bystander).await?;
    let metrics = daemon.admin_http().get("/metrics").await.body;
    assert!(metrics.contains("token_reuse_detected_total 1"), "{metrics}");
    still_ready(&daemon).await;
    Ok(())
}

#[tokio::test]
async fn logging_out_needs_the_refresh_token_alone_and_ends_its_family_and_no_other() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let other = daemon.organisation("other").await;
    let bystander = login(&other.http(&daemon)).await?;
    let mut unconcerned = daemon.socket(text(&bystander, "token")).await;
    let mut events = other.socket(&daemon).await;
    events.subscribe(&["auth.token.revoked"]).await;
    for face in ["rpc", "rest", "socket"] {
        let first = login(&other.http(&daemon)).await?;
        let second = refresh(&daemon.http(), &first).await?;
        let mut open = [daemon.socket(text(&first, "token")).await, daemon.socket(text(&second, "token")).await];
        let params = json!({"refreshToken": second["refreshToken"]});
        let answer = match face {
            "rpc" => daemon.http().call("auth.token.logout", params).await?,
            "rest" => {
                let reply = daemon.http().post("/api/v1/auth/token/logout", &params).await;
                assert_eq!(reply.status, 200, "{}", reply.body);
                reply.json()
            }
            _ => {
                let mut socket = Socket::open(daemon.url(), &[]).await.expect("a socket without a credential");
                socket.call("auth.token.logout", params).await?
            }
        };
        assert_eq!(answer, json!({"loggedOut": true}), "{face}");
        for socket in &mut open {
            assert_eq!(socket.closed().await.code, Some(4001), "{face}");
        }
        for tokens in [&first, &second] {
            assert_eq!(refresh(&daemon.http(), tokens).await.expect_err("it has ended").code, Code::Unauthorized);
            assert_eq!(ping(&daemon.http(), text(tokens, "token")).await.status, 401);
        }
        let told = events.next_event().await;
        assert_eq!(told.payload, json!({"tokenId": first["familyId"], "reason": "loggedOut"}));
    }
    unconcerned.call("health.ping", json!({})).await?;
    refresh(&daemon.http(), &bystander).await?;
    still_ready(&daemon).await;
    Ok(())
}

#[tokio::test]
async fn logging_out_answers_the_same_whatever_the_token_was() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let tokens = login(&daemon.admin_http()).await?;
    let (good, gone) = (text(&tokens, "refreshToken").to_owned(), login(&daemon.admin_http()).await?);
    let (head, tag) = good.rsplit_once('_').unwrap_or_default();
    let backwards = format!("{head}_{}", tag.chars().rev().collect::<String>());
    let long = "a".repeat(9_000);
    let shown = [text(&gone, "refreshToken"), text(&gone, "refreshToken"), "x", "orr_", head, &backwards, &long];
    for token in shown.into_iter().chain([text(&tokens, "token"), daemon.admin_token()]) {
        let reply = daemon.http().post("/api/v1/auth/token/logout", &json!({"refreshToken": token})).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"loggedOut":true}"#), "{token}");
    }
    assert_eq!(daemon.http().post("/api/v1/auth/token/logout", &json!({})).await.status, 422, "no token at all");
    refresh(&daemon.http(), &tokens).await?;
    Ok(())
}

#[tokio::test]
async fn two_who_refresh_at_once_get_the_same_successor_on_two_daemons() -> anyhow::Result<()> {
    let first = Forger::Hs256.daemon().backend(Backend::Postgres).start().await?;
    let second = Forger::Hs256.daemon().backend(Backend::Postgres).database_of(&first).start().await?;
    let (here, there) = (first.http(), second.http());
    let mut tokens = login(&first.admin_http()).await?;
    for _ in 0..5 {
        let parallel = [&here, &there, &here, &there, &here, &there].map(|http| refresh(http, &tokens));
        let outcomes = join_all(parallel).await.into_iter().collect::<Result<Vec<Value>, _>>()?;
        assert!(outcomes.iter().all(|next| next["refreshToken"] == outcomes[0]["refreshToken"]));
        for next in &outcomes {
            assert_eq!(ping(&there, text(next, "token")).await.status, 200);
        }
        tokens = outcomes[0].clone();
    }
    // Ended here, closed there.
    let mut open = second.socket(text(&tokens, "token")).await;
    first.admin_http().call("auth.token.revoke", json!({"tokenId": tokens["familyId"]})).await?;
    let asked = Instant::now();
    assert_eq!(open.closed().await.code, Some(4001));
    println!("family revoked elsewhere: closed after {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert!(refresh(&there, &tokens).await.is_err());
    Ok(())
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_with_one_body_and_ends_nothing() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let other = daemon.organisation("other").await;
    let tokens = login(&other.http(&daemon)).await?;
    let good = text(&tokens, "refreshToken").to_owned();
    let revoked = login(&other.http(&daemon)).await?;
    other.http(&daemon).call("auth.token.revoke", json!({"tokenId": revoked["familyId"]})).await?;
    let (head, tag) = good.rsplit_once('_').unwrap_or_default();
    let backwards: String = tag.chars().rev().collect();
    let mut bodies = Vec::new();
    for wrong in [
        "x",
        "orr_",
        head,
        text(&tokens, "token"),
        daemon.admin_token(),
        text(&revoked, "refreshToken"),
        &format!("{head}_{backwards}"),
        &good.replacen("_0_", "_1_", 1),
        &good.to_uppercase(),
        &"a".repeat(9_000),
    ] {
        let reply = daemon.http().post("/api/v1/auth/token/refresh", &json!({"refreshToken": wrong})).await;
        assert_eq!(reply.status, 401, "{wrong}: {}", reply.body);
        bodies.push(reply.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
    refresh(&daemon.http(), &tokens).await?;
    still_ready(&daemon).await;
    Ok(())
}

#[tokio::test]
async fn another_organisations_family_behaves_like_an_unknown_one() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let other = daemon.organisation("other").await;
    let tokens = login(&daemon.admin_http()).await?;
    let (family, unknown) = (text(&tokens, "familyId"), "fam_00000000000070008000000000000009");
    let scopes = json!(["daemon.read"]);
    for (method, more) in [("auth.token.revoke", Value::Null), ("auth.token.update", scopes)] {
        let ask = async |id: &str| {
            let mut params = json!({"tokenId": id});
            if !more.is_null() {
                params["scopes"] = more.clone();
            }
            let refused = other.http(&daemon).call(method, params).await.expect_err("it is not theirs");
            serde_json::to_string(&refused).map(|text| text.replace(id, "ID"))
        };
        assert_eq!(ask(family).await?, ask(unknown).await?, "{method}");
    }
    refresh(&daemon.http(), &tokens).await?;
    Ok(())
}

#[tokio::test]
async fn refreshing_without_a_credential_is_counted_per_address() -> anyhow::Result<()> {
    let limited = Daemon::builder().config(json!({"rateLimit": {"max": 5}})).start().await?;
    let mut tokens = login(&limited.admin_http()).await?;
    for _ in 0..5 {
        tokens = refresh(&limited.http(), &tokens).await?;
    }
    let body = json!({"refreshToken": tokens["refreshToken"]});
    assert_eq!(limited.http().post("/api/v1/auth/token/refresh", &body).await.status, 429);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "auth.token.refresh", "params": body});
    assert_eq!(limited.http().post("/rpc", &call).await.status, 429);
    // Whoever has a credential is not counted there, and the token was not used up by the refusals.
    refresh(&limited.admin_http(), &tokens).await?;
    Ok(())
}

#[tokio::test]
async fn an_unknown_caller_sends_little_and_calls_nothing_else() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let tokens = login(&daemon.admin_http()).await?;
    let large = json!({"refreshToken": tokens["refreshToken"], "x": "y".repeat(20_000)});
    assert_eq!(daemon.http().post("/api/v1/auth/token/refresh", &large).await.status, 413);
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "auth.token.refresh",
                     "params": {"refreshToken": tokens["refreshToken"]}});
    let two = json!({"jsonrpc": "2.0", "id": 2, "method": "task.list", "params": {}});
    let mixed = daemon.http().post("/rpc", &json!([one, two])).await;
    assert_eq!(mixed.status, 401, "{}", mixed.body);
    assert_eq!(mixed.body, daemon.http().post("/rpc", &two).await.body);
    let alone = daemon.http().post("/rpc", &json!([one])).await;
    assert_eq!(alone.status, 200, "{}", alone.body);
    assert!(alone.json()[0]["result"]["refreshToken"].is_string(), "the mixed batch used nothing up: {}", alone.body);
    Ok(())
}
