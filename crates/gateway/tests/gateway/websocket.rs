use std::time::Duration;

use futures::{SinkExt, StreamExt};
use orchestrator_gateway::Config;
use orchestrator_rpc::Standing;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::{Server, ask, call, closed, hear, patiently, say};

fn connect(token: &str, more: &Value) -> Value {
    let mut params = json!({ "auth": { "type": "jwt", "token": token } });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call(1, "auth.connect", params)
}

#[tokio::test]
async fn the_first_call_authenticates() {
    let server = Server::start().await;
    let mut client = server.websocket(None).await.unwrap();
    say(&mut client, &connect("good", &json!({ "client": { "id": "test" } }))).await;
    let hello = hear(&mut client).await["result"].clone();
    assert_eq!(hello["protocol"], 2);
    assert_eq!(hello["auth"]["scopes"], json!(["daemon.admin"]));
    assert_eq!(hello["policy"]["maxPayloadBytes"], 10 << 20);
    assert_eq!(ask(&mut client, "thing.create", json!({ "title": "a" })).await["result"]["title"], "a");
    say(&mut client, &connect("good", &json!({}))).await;
    assert_eq!(hear(&mut client).await["error"]["data"]["code"], "CONFLICT");
}

#[tokio::test]
async fn requested_scopes_only_narrow() {
    let server = Server::start().await;
    let mut client = server.websocket(None).await.unwrap();
    say(&mut client, &connect("good", &json!({ "scopes": ["daemon.read"] }))).await;
    assert_eq!(hear(&mut client).await["result"]["auth"]["scopes"], json!(["daemon.read"]));
    assert_eq!(ask(&mut client, "thing.create", json!({ "title": "a" })).await["error"]["data"]["code"], "FORBIDDEN");
    let mut client = server.websocket(None).await.unwrap();
    say(&mut client, &connect("reader", &json!({ "scopes": ["daemon.admin"] }))).await;
    assert_eq!(hear(&mut client).await["result"]["auth"]["scopes"], json!([]));
}

#[track_caller]
fn refusal(reply: &Value, code: &str) {
    assert_eq!(reply["error"]["data"]["code"], code, "{reply}");
}

#[tokio::test]
async fn a_first_frame_that_does_not_authenticate_ends_the_connection() {
    let server = Server::start().await;
    let other = call(1, "thing.get", json!({ "thingId": "t" }));
    for (first, code, close) in [
        (connect("wrong", &json!({})), "UNAUTHORIZED", 4001),
        (connect("wrong", &json!({ "more": 1 })), "INVALID_PARAMS", 4001),
        (connect("good", &json!({ "minProtocol": 3, "maxProtocol": 4 })), "PROTOCOL_MISMATCH", 1002),
        (other.clone(), "UNAUTHORIZED", 4001),
        (json!([connect("good", &json!({}))]), "UNAUTHORIZED", 4001),
        (json!("hello"), "INVALID_REQUEST", 1002),
        (json!({ "jsonrpc": "1.0", "id": 1 }), "INVALID_REQUEST", 1002),
    ] {
        let mut client = server.websocket(None).await.unwrap();
        say(&mut client, &first).await;
        refusal(&hear(&mut client).await, code);
        assert_eq!(closed(&mut client).await, close, "{first}");
    }
    assert_eq!(
        server.websocket(Some("wrong")).await.map(drop).unwrap_err().to_string(),
        "HTTP error: 401 Unauthorized"
    );
}

#[tokio::test]
async fn calls_run_at_once_and_answers_come_when_they_are_ready() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    say(&mut client, &call(1, "thing.wait", json!({}))).await;
    say(&mut client, &call(2, "thing.get", json!({ "thingId": "t" }))).await;
    assert_eq!(hear(&mut client).await["id"], 2);
    server.gate.notify_one();
    assert_eq!(hear(&mut client).await, json!({ "jsonrpc": "2.0", "id": 1, "result": "waited" }));
}

#[tokio::test]
async fn no_more_calls_run_than_allowed_and_the_others_wait() {
    let server = Server::configured(Config { calls_in_flight_max: 1, ..Config::default() }).await;
    let mut client = server.signed_in().await;
    say(&mut client, &call(1, "thing.wait", json!({}))).await;
    say(&mut client, &call(2, "thing.get", json!({ "thingId": "t" }))).await;
    patiently(server.waiting.notified()).await;
    server.gate.notify_one();
    assert_eq!(hear(&mut client).await["id"], 1);
    assert_eq!(hear(&mut client).await["id"], 2);
}

#[tokio::test]
async fn a_batch_is_one_answer_in_order_and_notifications_are_none() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    let silent = json!({ "jsonrpc": "2.0", "method": "thing.get", "params": {} });
    let batch = json!([call(1, "thing.get", json!({ "thingId": "a" })), silent, 7, call(2, "thing.nope", json!({}))]);
    say(&mut client, &batch).await;
    let replies = hear(&mut client).await;
    let ids: Vec<_> = replies.as_array().unwrap().iter().map(|reply| reply["id"].clone()).collect();
    assert_eq!(ids, [json!(1), Value::Null, json!(2)]);
    let many = json!(vec![call(1, "thing.get", json!({ "thingId": "a" })); 51]);
    say(&mut client, &many).await;
    refusal(&hear(&mut client).await, "INVALID_REQUEST");
    say(&mut client, &json!([silent])).await;
    assert_eq!(ask(&mut client, "thing.get", json!({ "thingId": "t" })).await["id"], 1, "nothing came before");
}

#[tokio::test]
async fn a_panic_and_nonsense_leave_the_connection_alone() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    refusal(&ask(&mut client, "thing.boom", json!({})).await, "INTERNAL");
    let mut other = server.websocket(None).await.unwrap();
    say(&mut other, &connect("panic", &json!({}))).await;
    refusal(&hear(&mut other).await, "INTERNAL");
    client.send(Message::text("{nonsense")).await.unwrap();
    refusal(&hear(&mut client).await, "PARSE");
    assert_eq!(ask(&mut client, "thing.get", json!({ "thingId": "t" })).await["result"]["thingId"], "t");
}

#[tokio::test]
async fn a_message_that_is_too_large_closes_with_1009() {
    let server = Server::configured(Config { message_bytes_max: 1_000, ..Config::default() }).await;
    let mut client = server.signed_in().await;
    client.send(Message::text("x".repeat(1_001))).await.unwrap();
    assert_eq!(closed(&mut client).await, 1009);
    let mut client = server.signed_in().await;
    for part in 0..3 {
        let opcode = if part == 0 { Data::Text } else { Data::Continue };
        let frame = Frame::message(vec![b'x'; 600], OpCode::Data(opcode), false);
        let _ = client.send(Message::Frame(frame)).await;
    }
    assert_eq!(closed(&mut client).await, 1009, "in fragments too");
}

#[tokio::test]
async fn a_stranger_may_not_send_much() {
    let server = Server::start().await;
    let mut client = server.websocket(None).await.unwrap();
    say(&mut client, &connect(&"x".repeat(100_000), &json!({}))).await;
    assert_eq!(closed(&mut client).await, 1009);
    let mut client = server.websocket(None).await.unwrap();
    say(&mut client, &connect("good", &json!({}))).await;
    assert_eq!(hear(&mut client).await["id"], 1);
    let long = "x".repeat(100_000);
    assert_eq!(ask(&mut client, "thing.get", json!({ "thingId": long })).await["result"]["thingId"], long);
}

#[tokio::test]
async fn fragments_are_put_together() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    let text = call(5, "thing.get", json!({ "thingId": "ä" })).to_string();
    let (first, second) = text.as_bytes().split_at(text.find('ä').unwrap() + 1);
    let frame = |bytes: &[u8], opcode, last| Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(opcode), last));
    client.send(frame(first, Data::Text, false)).await.unwrap();
    client.send(Message::Ping("between".into())).await.unwrap();
    client.send(frame(second, Data::Continue, true)).await.unwrap();
    assert_eq!(hear(&mut client).await["result"]["thingId"], "ä");
}

#[tokio::test]
async fn bad_text_binary_and_unmasked_frames_are_refused() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    let frame = Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    client.send(Message::Frame(frame)).await.unwrap();
    assert_eq!(closed(&mut client).await, 1007);
    let mut client = server.signed_in().await;
    client.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(closed(&mut client).await, 1003);
    let mut client = server.signed_in().await;
    client.get_mut().write_all(&[0x81, 1, b'x']).await.unwrap();
    assert_eq!(closed(&mut client).await, 1002);
}

#[tokio::test]
async fn a_flood_of_pings_ends_a_connection_and_hurts_no_other() {
    let server = Server::configured(Config { control_frames_max: 5_000, ..Config::default() }).await;
    let mut client = server.signed_in().await;
    let mut other = server.signed_in().await;
    for _ in 0..5_000 {
        client.feed(Message::Ping("x".into())).await.unwrap();
    }
    client.flush().await.unwrap();
    assert_eq!(ask(&mut other, "thing.get", json!({ "thingId": "t" })).await["result"]["thingId"], "t");
    assert!(patiently(client.next()).await.unwrap().unwrap().is_pong());
    assert_eq!(ask(&mut client, "thing.get", json!({ "thingId": "t" })).await["result"]["thingId"], "t");
    client.send(Message::Ping("one too many".into())).await.unwrap();
    assert_eq!(closed(&mut client).await, 4004);
    assert_eq!(ask(&mut other, "thing.get", json!({ "thingId": "t" })).await["result"]["thingId"], "t");
}

#[tokio::test]
async fn a_stranger_may_not_ping_much_either() {
    let server = Server::configured(Config { control_frames_max: 3, ..Config::default() }).await;
    let mut client = server.websocket(None).await.unwrap();
    for _ in 0..4 {
        client.send(Message::Ping("x".into())).await.unwrap();
    }
    assert_eq!(closed(&mut client).await, 4004);
}

#[tokio::test]
async fn a_revoked_credential_closes_its_connections() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    assert_eq!(ask(&mut client, "thing.get", json!({ "thingId": "t" })).await["result"]["thingId"], "t");
    server.standing.send_replace(Standing::Revoked);
    assert_eq!(closed(&mut client).await, 4001);
    assert!(server.websocket(Some("good")).await.is_err());
}

#[tokio::test]
async fn an_expired_credential_closes_with_4003() {
    let server = Server::start().await;
    let mut client = server.websocket(Some("expired")).await.unwrap();
    assert_eq!(closed(&mut client).await, 4003);
}

#[tokio::test]
async fn a_close_is_answered_and_calls_are_dropped() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    say(&mut client, &call(1, "thing.wait", json!({}))).await;
    patiently(server.waiting.notified()).await;
    client.close(None).await.unwrap();
    while patiently(client.next()).await.is_some() {}
    let open = || server.gateway.counters().snapshot().websockets_open;
    patiently(async {
        while open() > 0 {
            tokio::task::yield_now().await
        }
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_must_be_a_handshake() {
    let server = Server::start().await;
    let upgrade = "upgrade: websocket\r\nconnection: keep-alive, Upgrade\r\n";
    let wrong_version = format!("{upgrade}sec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    let response = server.get("/ws", &wrong_version).await;
    response.refused(426, "INVALID_REQUEST");
    assert!(response.head.contains("sec-websocket-version: 13"));
    let no_key = format!("{upgrade}sec-websocket-version: 13\r\n");
    server.get("/", &no_key).await.refused(400, "INVALID_REQUEST");
    let config = Config { authentication_timeout: Duration::from_millis(10), ..Config::default() };
    let server = Server::configured(config).await;
    let good = format!("{upgrade}sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{good}\r\n");
    let mut stream = server.tcp().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    patiently(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes)).await.unwrap();
    let text = String::from_utf8_lossy(&bytes).to_lowercase();
    assert!(
        text.starts_with("http/1.1 101") && text.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{text}"
    );
}
