use std::time::Duration;

use futures::StreamExt;
use orchestrator_gateway::Config;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{GOOD, JSON, Server, call, closed, hear, patiently, read_to_end, say};

#[tokio::test]
async fn calls_that_run_are_answered_before_the_end() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    say(&mut client, &call(1, "thing.wait", json!({}))).await;
    patiently(server.waiting.notified()).await;
    let mut http = server.tcp().await;
    let body = call(2, "thing.wait", json!({})).to_string();
    let head = format!("POST /rpc HTTP/1.1\r\nhost: localhost\r\n{GOOD}{JSON}content-length: {}\r\n\r\n", body.len());
    http.write_all((head + &body).as_bytes()).await.unwrap();
    patiently(server.waiting.notified()).await;
    let mut idle = server.tcp().await;
    idle.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    idle.read_u8().await.unwrap();

    let (address, gate) = (server.address, server.gate.clone());
    server.stop.cancel();
    read_to_end(&mut idle).await;
    patiently(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await
        }
    })
    .await;
    gate.notify_one();
    gate.notify_one();
    let answering = async {
        gate.notify_one();
        let mut told = hear(&mut client).await;
        // Before or after the answer: that it should connect again.
        if told["method"] == "connection.reconnect" {
            told = hear(&mut client).await;
        }
        assert_eq!(told["result"], "waited");
        assert_eq!(closed(&mut client).await, 1001);
        drop(client);
        gate.notify_one();
        let text = read_to_end(&mut http).await;
        assert!(text.contains("\"waited\""), "{text}");
    };
    let (summary, ()) = tokio::join!(server.stopped(), answering);
    assert_eq!(summary.cut, 0, "{summary:?}");
}

#[tokio::test]
async fn what_does_not_end_is_cut_at_the_deadline() {
    let config = Config { drain_timeout: Duration::from_millis(50), ..Config::default() };
    let server = Server::configured(config).await;
    let mut client = server.signed_in().await;
    say(&mut client, &call(1, "thing.wait", json!({}))).await;
    patiently(server.waiting.notified()).await;
    let summary = server.stopped().await;
    assert_eq!((summary.open, summary.cut), (1, 1));
    // It is told to connect again, and nothing else.
    let mut last = patiently(client.next()).await;
    if last.as_ref().is_some_and(|told| told.as_ref().is_ok_and(Message::is_text)) {
        last = patiently(client.next()).await;
    }
    assert!(last.is_none_or(|last| last.is_err()));
}

#[tokio::test]
async fn an_idle_websocket_is_closed_with_1001() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    let mut unauthenticated = server.websocket(None).await.unwrap();
    server.stop.cancel();
    assert_eq!(closed(&mut client).await, 1001);
    assert_eq!(closed(&mut unauthenticated).await, 1001);
    drop((client, unauthenticated));
    assert_eq!(server.stopped().await.cut, 0);
}
