//! What the dialects promise beyond the transcripts.

use std::collections::BTreeSet;

use orchestrator_testkit::{Daemon, Socket, shell};
use rustix::process::Signal;
use serde_json::{Value, json};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// One connection of the administrator in each dialect, by its name.
async fn one_of_each(daemon: &Daemon) -> Vec<(&'static str, Socket)> {
    let token = daemon.admin_token();
    let params = json!({"auth": {"type": "api-key", "token": token}});
    let firsts = [
        ("json-rpc", json!({"jsonrpc": "2.0", "id": 1, "method": "auth.connect", "params": params})),
        ("envelope", envelope("auth", json!({"accessToken": token}))),
        ("v2", json!({"type": "req", "id": "1", "method": "auth.connect", "params": params})),
        ("simple", json!({"type": "auth", "payload": {"token": token}})),
    ];
    let mut sockets = Vec::new();
    for (dialect, first) in firsts {
        let mut socket = Socket::open(daemon.url(), &[]).await.expect("an upgrade");
        let answer = ask(&mut socket, &first).await;
        assert!(answer.to_string().contains("daemon.admin"), "{answer}");
        sockets.push((dialect, socket));
    }
    sockets
}

fn envelope(kind: &str, payload: Value) -> Value {
    json!({"type": kind, "id": ID, "timestamp": "2026-01-31T12:00:00Z", "payload": payload})
}

async fn ask(socket: &mut Socket, frame: &Value) -> Value {
    socket.send_text(&frame.to_string()).await.expect("a connection");
    hear(socket).await
}

async fn hear(socket: &mut Socket) -> Value {
    serde_json::from_str(&socket.receive_text().await.expect("a frame")).expect("JSON")
}

/// The harmless call of each dialect.
fn listing(dialect: &str) -> Value {
    match dialect {
        "json-rpc" => json!({"jsonrpc": "2.0", "id": 1, "method": "session.list"}),
        "envelope" => envelope("call", json!({"method": "session.list"})),
        "v2" => json!({"type": "req", "id": "1", "method": "session.list"}),
        _ => json!({"type": "list_sessions"}),
    }
}

fn is_named(frame: &Value, name: &str) -> bool {
    ["method", "type", "event"].iter().any(|key| frame[*key].as_str().is_some_and(|found| found.ends_with(name)))
}

fn facts(frame: &Value) -> &Value {
    if frame["params"].is_object() { &frame["params"]["payload"] } else { &frame["payload"] }
}

#[tokio::test]
async fn a_stop_is_announced_before_it_closes() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let mut sockets = one_of_each(&daemon).await;
    daemon.signal(Signal::TERM);
    for (dialect, socket) in &mut sockets {
        let told = hear(socket).await;
        assert!(is_named(&told, "reconnect"), "{dialect}: {told}");
        assert!(facts(&told)["delay"].as_u64().is_some_and(|delay| (500..5_000).contains(&delay)), "{told}");
        assert_eq!(socket.closed().await.code, Some(1001));
    }
    Ok(())
}

#[tokio::test]
async fn whoever_is_too_fast_hears_how_fast_it_may_be() -> anyhow::Result<()> {
    for (index, name) in ["connection.rateLimit", "rate_limit", "connection.rateLimit", "rate_limit"].iter().enumerate()
    {
        let limited = Daemon::builder().config(json!({"rateLimit": {"callsPerCredential": 3}})).start().await?;
        let (dialect, mut socket) = one_of_each(&limited).await.swap_remove(index);
        for _ in 0..3 {
            let answer = ask(&mut socket, &listing(dialect)).await;
            assert!(!answer.to_string().contains("RATE_LIMITED"), "{answer}");
        }
        let refused = ask(&mut socket, &listing(dialect)).await;
        assert!(refused.to_string().contains("RATE_LIMITED"), "{refused}");
        let told = hear(&mut socket).await;
        assert!(is_named(&told, name), "{told}");
        let facts = facts(&told);
        assert_eq!(
            (&facts["action"], &facts["currentRate"], &facts["maxRate"]),
            (&json!("session.list"), &json!(3), &json!(3))
        );
        assert!(facts["retryAfter"].as_u64().is_some_and(|wait| (1..=60_000).contains(&wait)), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn a_revoked_credential_ends_its_connections_in_every_dialect() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let params = json!({"kind": "apiKey", "subject": "short-lived", "scopes": ["daemon.read"]});
    let issued = daemon.admin_http().call("auth.token.issue", params).await?;
    let token = issued["token"].as_str().unwrap_or_default().to_owned();
    let mut sockets = Vec::new();
    for (dialect, code) in [("json-rpc", 4001), ("envelope", 4001), ("v2", 1008), ("simple", 4001)] {
        let mut socket = daemon.socket(&token).await;
        ask(&mut socket, &listing(dialect)).await;
        sockets.push((socket, code));
    }
    daemon.admin_http().call("auth.token.revoke", json!({"tokenId": issued["tokenId"]})).await?;
    for (mut socket, code) in sockets {
        assert_eq!(socket.closed().await.code, Some(code));
    }
    Ok(())
}

#[tokio::test]
async fn who_is_connected_is_told_to_its_own_organisation_only() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let sockets = one_of_each(&daemon).await;
    let listed = daemon.admin_http().call("connection.list", json!({})).await?;
    let dialects: BTreeSet<_> =
        listed["items"].as_array().into_iter().flatten().map(|one| one["dialect"].clone().to_string()).collect();
    let expected = sockets.iter().map(|(dialect, _)| format!("\"{dialect}\"")).collect();
    assert_eq!(dialects, expected);
    let first = daemon.admin_http().call("connection.list", json!({"limit": 3})).await?;
    let rest = daemon.admin_http().call("connection.list", json!({"limit": 3, "cursor": first["nextCursor"]})).await?;
    assert_eq!((first["items"].as_array().map(Vec::len), rest["items"].as_array().map(Vec::len)), (Some(3), Some(1)));
    assert!(rest["nextCursor"].is_null());

    let other = daemon.organisation("other").await;
    assert_eq!(other.http(&daemon).call("connection.list", json!({})).await?, json!({"items": []}));
    let health = other.http(&daemon).call("health.status", json!({})).await?;
    assert_eq!(health["connectedClients"], 0);
    assert_eq!(daemon.admin_http().call("health.status", json!({})).await?["connectedClients"], 4);
    Ok(())
}

#[tokio::test]
async fn the_hello_lists_every_event_that_comes() -> anyhow::Result<()> {
    let words = shell("echo hello; exit $(( $(wc -c) % 2 ))", &[], 2);
    let daemon = Daemon::builder().config(json!({"agents": {"words": words}})).start().await?;
    let mut hello = Socket::open(daemon.url(), &[]).await.expect("an upgrade");
    let params = json!({"auth": {"type": "api-key", "token": daemon.admin_token()}});
    let hello = hello.call("auth.connect", params).await?;
    let known: BTreeSet<_> = hello["events"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();

    let mut admin = daemon.admin().await;
    admin.subscribe(&["*"]).await;
    let first = admin.call("task.create", json!({"title": "first"})).await?;
    let second =
        admin.call("task.create", json!({"title": "second", "dependsOn": [first["id"]], "maxAttempts": 1})).await?;
    let once = json!({"title": "never", "requiredCapabilities": ["none.yet"]});
    let never = admin.call("task.create", once).await?;
    admin.call("task.cancel", json!({"taskId": never["id"]})).await?;
    let is_end = |event: &orchestrator_testkit::Event| {
        event.payload["taskId"] == second["id"]
            && matches!(&*event.name, "task.completed" | "task.failed" | "task.cancelled")
    };
    for event in admin.events_until("the end of the second", is_end).await {
        assert!(known.contains(&*event.name), "{} is not in the hello", event.name);
    }
    Ok(())
}

#[tokio::test]
async fn whoever_creates_a_session_follows_it_if_the_dialect_or_the_caller_says_so() -> anyhow::Result<()> {
    let words = shell("echo done", &[], 2);
    let daemon = Daemon::builder().config(json!({"agents": {"words": words}})).start().await?;
    let params = |more: Value| {
        let mut params = json!({"sessionType": "process", "task": {"description": "say so"}});
        params.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        params
    };
    let mut plain = daemon.admin().await;
    let session = plain.call("session.create", params(json!({"subscribe": true}))).await?;
    let event = plain.next_event().await;
    assert_eq!(json!(event.subscription_id), session["id"]);
    plain.call("unsubscribe", json!({"subscriptionId": session["id"]})).await?;
    let quiet = plain.call("session.create", params(json!({}))).await?;
    assert!(plain.call("unsubscribe", json!({"subscriptionId": quiet["id"]})).await.is_err(), "nothing to end");

    let mut v2 = daemon.admin().await;
    let request =
        |id: &str, method: &str, params: Value| json!({"type": "req", "id": id, "method": method, "params": params});
    let told = ask(&mut v2, &request("1", "session.create", params(json!({"subscribe": false})))).await;
    let ended = request("2", "unsubscribe", json!({"subscriptionId": told["payload"]["id"]}));
    assert_eq!(ask(&mut v2, &ended).await["error"]["code"], "NOT_FOUND");
    let told = ask(&mut v2, &request("3", "session.create", params(json!({})))).await;
    assert_eq!(hear(&mut v2).await["subscriptionId"], told["payload"]["id"]);
    Ok(())
}
