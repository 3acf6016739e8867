//! Those whose upgrade carries the credential show the token in a first frame without one.

use orchestrator_rpc::Code;
use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use super::{create, events, resume_token, rising};

/// A connection that authenticates by a header and then shows a token, if it has one.
async fn greet(url: &str, credential: (&str, &str), resume: Option<&str>) -> (Socket, Value) {
    let mut socket = Socket::open(url, &[credential]).await.expect("an upgrade");
    let params = resume.map_or_else(|| json!({}), |token| json!({"resumeToken": token}));
    let hello = socket.call("auth.connect", params).await.expect("a hello");
    (socket, hello)
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn a_connection_authenticated_by_a_header_resumes() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let mut socket = daemon.admin().await;
    let subscribed = socket.call("subscribe", json!({"events": ["task.created"], "requiresAck": true})).await?;
    let token = resume_token(&subscribed);
    create(&mut maker, 2).await;
    let got = rising(&events(&mut socket, 2).await);
    socket.call("event.ack", json!({"seq": got[0], "subscriptionId": subscribed["subscriptionId"]})).await?;
    socket.leave().await;
    create(&mut maker, 3).await;

    let authorization = bearer(daemon.admin_token());
    for credential in [("authorization", authorization.as_str()), ("x-api-key", daemon.admin_token())] {
        let (mut socket, hello) = greet(daemon.url(), credential, Some(&token)).await;
        assert_eq!((&hello["resumed"], hello["resumeToken"].as_str()), (&json!(true), Some(token.as_str())));
        let restored = &hello["subscriptions"][0];
        assert_eq!(restored["subscriptionId"], subscribed["subscriptionId"]);
        assert_eq!((&restored["requiresAck"], &restored["afterSeq"]), (&json!(true), &json!(got[0])));
        assert_eq!(rising(&events(&mut socket, 4).await)[0], got[1], "what was not acknowledged comes first");
        socket.leave().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_token_of_somebody_else_brings_nothing_back() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let other = daemon.organisation("another").await;
    let colleague = daemon.token("daemon.admin").await;
    let mut socket = daemon.admin().await;
    let token = resume_token(&socket.call("subscribe", json!({"events": ["**"]})).await?);
    socket.leave().await;
    let mut forged = token.clone().into_bytes();
    forged[40] = if forged[40] == b'x' { b'y' } else { b'x' };
    let forged = String::from_utf8(forged)?;
    for (credential, shown) in
        [(daemon.admin_token(), forged.as_str()), (&other.token, token.as_str()), (colleague.as_str(), token.as_str())]
    {
        let (mut socket, hello) = greet(daemon.url(), ("authorization", &bearer(credential)), Some(shown)).await;
        assert_eq!((&hello["resumed"], &hello["subscriptions"]), (&json!(false), &Value::Null));
        assert_ne!(hello["resumeToken"], token, "a new window");
        socket.subscribe(&["task.created"]).await;
        create(&mut socket, 1).await;
        assert_eq!(socket.next_event().await.name, "task.created", "the connection is as good as any");
    }
    let (_socket, hello) = greet(daemon.url(), ("authorization", &bearer(daemon.admin_token())), Some(&token)).await;
    assert_eq!(hello["resumed"], true, "its owner is not disturbed by any of that");
    Ok(())
}

#[tokio::test]
async fn without_a_token_nothing_is_resumed() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["task.created"]).await;
    socket.leave().await;
    let (mut socket, hello) = greet(daemon.url(), ("authorization", &bearer(daemon.admin_token())), None).await;
    assert_eq!((&hello["resumed"], &hello["subscriptions"]), (&Value::Null, &Value::Null), "{hello}");
    create(&mut socket, 1).await;
    let mut plain = daemon.admin().await;
    create(&mut plain, 1).await;
    for socket in [&mut socket, &mut plain] {
        socket.subscribe(&["task.deleted"]).await;
        let task = socket.call("task.create", json!({"title": "a task", "runAt": "2100-01-01T00:00:00Z"})).await?;
        socket.call("task.cancel", json!({"taskId": task["id"]})).await?;
        socket.call("task.delete", json!({"taskId": task["id"]})).await?;
        assert_eq!(socket.next_event().await.name, "task.deleted", "and nothing of the earlier subscription before it");
    }
    Ok(())
}

#[tokio::test]
async fn only_the_first_frame_and_no_second_credential_introduces() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let mut socket = daemon.admin().await;
    let auth = json!({"type": "api-key", "token": daemon.admin_token()});
    let refused = socket.call("auth.connect", json!({"auth": auth})).await.expect_err("there is a credential");
    assert_eq!(refused.code, Code::Conflict);
    let refused = socket.call("auth.connect", json!({})).await.expect_err("it is too late");
    assert_eq!(refused.code, Code::Conflict);
    socket.call("health.ping", json!({})).await?;

    let mut nobody = Socket::open(daemon.url(), &[]).await.expect("an upgrade");
    let refused = nobody.call("auth.connect", json!({})).await.expect_err("nobody is let in without a credential");
    assert_eq!(refused.code, Code::Unauthorized);
    assert_eq!(nobody.closed().await.code, Some(4001));

    let mut old = daemon.admin().await;
    let refused = old.call("auth.connect", json!({"minProtocol": 3})).await.expect_err("no common version");
    assert_eq!(refused.code, Code::ProtocolMismatch);
    assert_eq!(old.closed().await.code, Some(1002));
    Ok(())
}

#[tokio::test]
async fn a_greeting_asks_for_less_and_says_who_it_is() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let mut socket = daemon.admin().await;
    let params = json!({"scopes": ["daemon.read"], "client": {"id": "a-tail"}});
    let hello = socket.call("auth.connect", params).await?;
    assert_eq!(hello["auth"]["scopes"], json!(["daemon.read"]));
    let refused = socket.call("task.create", json!({"title": "x"})).await.expect_err("it asked for less");
    assert_eq!(refused.code, Code::Forbidden);
    let listed = daemon.admin_http().call("connection.list", json!({})).await?;
    assert_eq!(listed["items"][0]["client"], json!({"id": "a-tail"}), "{listed}");
    Ok(())
}

#[tokio::test]
async fn every_dialect_greets_in_its_own_words() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let mut socket = daemon.admin().await;
    let token = resume_token(&socket.call("subscribe", json!({"events": ["task.created"]})).await?);
    socket.leave().await;
    let frames = [
        json!({"type": "auth", "id": "01890a5d-ac96-774b-bcce-b302099a8057", "timestamp": "2026-01-31T12:00:00Z",
            "payload": {"resumeToken": token}}),
        json!({"type": "req", "id": "1", "method": "auth.connect", "params": {"resumeToken": token}}),
        json!({"type": "auth", "payload": {"resumeToken": token}}),
    ];
    for frame in frames {
        let mut socket = daemon.admin().await;
        socket.send_text(&frame.to_string()).await.expect("it is open");
        let hello: Value = serde_json::from_str(&socket.receive_text().await.expect("an answer"))?;
        assert_eq!(hello["payload"]["resumed"], true, "{frame}: {hello}");
        if hello["type"] != "auth_success" || hello["id"].is_string() {
            create(&mut maker, 1).await;
            let event: Value = serde_json::from_str(&socket.receive_text().await.expect("an event"))?;
            assert_eq!(event["type"], "event", "{frame}: {event}");
        }
        socket.leave().await;
    }
    Ok(())
}

#[tokio::test]
async fn an_acknowledgement_may_name_its_subscription() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let (mut socket, hello) = daemon.arrive(None).await;
    let wanted = json!({"events": ["task.created"], "requiresAck": true});
    let (one, two) = (socket.subscribe_with(wanted.clone()).await, socket.subscribe_with(wanted).await);
    create(&mut maker, 2).await;
    let last = events(&mut socket, 4).await.iter().filter_map(|event| event.seq).max();
    socket.call("event.ack", json!({"seq": last, "subscriptionId": one})).await?;
    socket.call("event.ack", json!({"seq": last, "subscriptionId": "nobody"})).await?;
    socket.leave().await;
    let (mut socket, _) = daemon.arrive(Some(&resume_token(&hello))).await;
    let again = events(&mut socket, 2).await;
    assert!(again.iter().all(|event| event.subscription_id == two), "{again:?}");
    Ok(())
}
