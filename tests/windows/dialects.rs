//! The same windows in every dialect.

use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use super::{create, resume_token};

/// Speaks in whole frames.
struct Frames(Socket);

impl Frames {
    async fn open(daemon: &Daemon, first: Value) -> (Self, Value) {
        let socket = Socket::open(daemon.url(), &[]).await.expect("a WebSocket");
        let mut frames = Self(socket);
        frames.send(first).await;
        let answer = frames.next().await;
        (frames, answer)
    }

    async fn send(&mut self, frame: Value) {
        self.0.send_text(&frame.to_string()).await.expect("the connection is open");
    }

    async fn next(&mut self) -> Value {
        let text = self.0.receive_text().await.expect("a frame");
        serde_json::from_str(&text).expect("frames are JSON")
    }

    /// The next frame of this kind.
    async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }
}

fn envelope(kind: &str, payload: Value) -> Value {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    json!({"type": kind, "id": id, "timestamp": "2026-01-31T12:00:00Z", "payload": payload})
}

#[tokio::test]
async fn the_session_envelope_acknowledges_by_event_ids() -> anyhow::Result<()> {
    let config = json!({"events": {"windows": {"redeliverAfterMs": 100}}});
    let daemon = Daemon::builder().without_rate_limits().config(config).start().await?;
    let mut maker = daemon.admin().await;
    let auth = |resume: Option<&str>| {
        let mut payload = json!({"accessToken": daemon.admin_token()});
        if let Some(token) = resume {
            payload["resumeToken"] = json!(token);
        }
        envelope("auth", payload)
    };
    let (mut frames, hello) = Frames::open(&daemon, auth(None)).await;
    assert_eq!(hello["type"], "auth_success", "{hello}");
    let token = resume_token(&hello["payload"]);
    frames.send(envelope("subscribe", json!({"eventTypes": ["task.created"]}))).await;
    frames.next_of("result").await;
    create(&mut maker, 3).await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = frames.next_of("event").await["payload"].clone();
        assert_eq!((&event["requiresAck"], &event["eventType"]), (&json!(true), &json!("task.created")));
        seen.push(event);
    }
    let again = frames.next_of("event").await["payload"].clone();
    assert_eq!(again["eventId"], seen[0]["eventId"], "nobody has acknowledged it");
    frames.send(envelope("ack", json!({"eventIds": [seen[1]["eventId"]]}))).await;
    // An acknowledgement is not answered; this is, once it was heard.
    frames.send(envelope("call", json!({"method": "health.ping"}))).await;
    frames.next_of("result").await;
    frames.0.leave().await;

    let (mut frames, hello) = Frames::open(&daemon, auth(Some(&token))).await;
    assert_eq!(hello["payload"]["resumed"], true, "{hello}");
    let first = frames.next_of("event").await["payload"].clone();
    assert_eq!(first["eventId"], seen[2]["eventId"], "the two before were acknowledged");
    frames.send(envelope("subscribe", json!({"eventTypes": ["task.deleted"]}))).await;
    let added = frames.next_of("result").await;
    assert_eq!(added["payload"]["payload"]["events"], json!(["task.created", "task.deleted"]), "{added}");
    frames.0.leave().await;
    let (mut frames, _) = Frames::open(&daemon, auth(Some(&token))).await;
    assert_eq!(frames.next_of("event").await["payload"]["eventId"], seen[2]["eventId"]);
    Ok(())
}

#[tokio::test]
async fn protocol_v2_resumes_in_its_handshake() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let connect = |resume: Value| {
        let auth = json!({"type": "api-key", "token": daemon.admin_token()});
        let mut params = json!({"minProtocol": 2, "maxProtocol": 2, "auth": auth, "client": {"id": "a", "version": "1", "platform": "test"}});
        if !resume.is_null() {
            params["resumeToken"] = resume;
        }
        json!({"type": "req", "id": "1", "method": "auth.connect", "params": params})
    };
    let (mut frames, hello) = Frames::open(&daemon, connect(Value::Null)).await;
    let token = hello["payload"]["resumeToken"].clone();
    frames.send(json!({"type": "req", "id": "2", "method": "subscribe", "params": {"events": ["task.created"]}})).await;
    let subscribed = frames.next_of("res").await;
    frames.0.leave().await;
    create(&mut maker, 2).await;
    let (mut frames, hello) = Frames::open(&daemon, connect(token)).await;
    assert_eq!(hello["payload"]["resumed"], true, "{hello}");
    let id = &subscribed["payload"]["subscriptionId"];
    assert_eq!(hello["payload"]["subscriptions"][0]["subscriptionId"], *id);
    for _ in 0..2 {
        let event = frames.next_of("event").await;
        assert_eq!((&event["event"], &event["subscriptionId"]), (&json!("task.created"), id));
    }
    Ok(())
}

#[tokio::test]
async fn a_token_is_good_in_every_dialect() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let first = json!({"type": "auth", "payload": {"token": daemon.admin_token()}});
    let (frames, hello) = Frames::open(&daemon, first).await;
    assert_eq!(hello["type"], "auth_success", "{hello}");
    assert!(hello["payload"]["resumeToken"].is_string());
    frames.0.leave().await;
    // Made in JSON-RPC, gone on with in simple frames, and back.
    let (mut socket, hello) = daemon.arrive(None).await;
    let token = resume_token(&hello);
    socket.subscribe(&["task.created"]).await;
    socket.leave().await;
    let resume = json!({"type": "auth", "payload": {"token": daemon.admin_token(), "resumeToken": token}});
    let (frames, hello) = Frames::open(&daemon, resume).await;
    assert_eq!(hello["payload"]["resumed"], true, "{hello}");
    frames.0.leave().await;
    create(&mut daemon.admin().await, 1).await;
    let (mut socket, hello) = daemon.arrive(Some(&token)).await;
    assert_eq!(hello["resumed"], true);
    assert_eq!(socket.next_event().await.name, "task.created");
    Ok(())
}
