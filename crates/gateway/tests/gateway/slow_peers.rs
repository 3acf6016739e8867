use std::time::Duration;

use futures::StreamExt;
use orchestrator_gateway::Config;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::interval;

use crate::support::{GOOD, JSON, Response, Server, ask, call, closed, hear, patiently, read_to_end, say};

fn impatient() -> Config {
    let short = Duration::from_millis(100);
    Config {
        first_byte_timeout: short,
        header_timeout: short,
        body_timeout: short,
        idle_timeout: short,
        write_timeout: short,
        authentication_timeout: short,
        ..Config::default()
    }
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = Server::configured(impatient()).await;
    let mut stream = server.tcp().await;
    assert_eq!(read_to_end(&mut stream).await, "");
    assert_eq!(server.gateway.counters().snapshot().timed_out, 1);
}

#[tokio::test]
async fn a_dribbling_header_is_closed() {
    let server = Server::configured(impatient()).await;
    let mut stream = server.tcp().await;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nx-long: ").await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let dribble = async {
        let mut pause = interval(Duration::from_millis(10));
        loop {
            pause.tick().await;
            if writing.write_all(b"x").await.is_err() {
                return;
            }
        }
    };
    let mut bytes = Vec::new();
    let read = patiently(reading.read_to_end(&mut bytes));
    tokio::select! { _ = read => {} () = dribble => {} }
    assert!(bytes.is_empty(), "{bytes:?}");
}

#[tokio::test]
async fn a_dribbling_body_is_answered_408() {
    let server = Server::configured(impatient()).await;
    let request = format!("POST /rpc HTTP/1.1\r\nhost: localhost\r\n{GOOD}{JSON}content-length: 100\r\n\r\n{{");
    server.exchange(&request).await.refused(408, "TIMEOUT");
}

#[tokio::test]
async fn an_idle_kept_connection_is_closed() {
    let server = Server::configured(impatient()).await;
    assert_eq!(server.exchange("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn a_reader_of_nothing_is_cut() {
    let config = Config { message_bytes_max: 64 << 20, ..impatient() };
    let server = Server::configured(config).await;
    let mut stream = server.tcp().await;
    let body = call(1, "thing.big", json!({ "bytes": 24 << 20 })).to_string();
    let head = format!("POST /rpc HTTP/1.1\r\nhost: localhost\r\n{GOOD}{JSON}content-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    // Nothing is read here until the server has given up.
    while server.gateway.counters().snapshot().timed_out == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connections_of_one_address_are_bounded_and_told_so() {
    let server = Server::configured(Config { connections_per_loopback_max: 2, ..Config::default() }).await;
    let first = server.signed_in().await;
    let _second = server.signed_in().await;
    let mut third = server.tcp().await;
    let refused = Response::parse(&read_to_end(&mut third).await);
    refused.refused(503, "UNAVAILABLE");
    drop(first);
    // The place comes back as soon as the server has noticed.
    patiently(async { while server.websocket(Some("good")).await.is_err() {} }).await;
}

#[tokio::test]
async fn connections_in_total_are_bounded() {
    let server = Server::configured(Config { connections_max: 1, ..Config::default() }).await;
    let _first = server.signed_in().await;
    assert_eq!(read_to_end(&mut server.tcp().await).await.split(' ').nth(1), Some("503"));
    assert_eq!(server.gateway.counters().snapshot().refused_total, 1);
}

#[tokio::test]
async fn without_a_first_frame_a_websocket_is_closed_with_4002() {
    let server = Server::configured(impatient()).await;
    let mut client = server.websocket(None).await.unwrap();
    assert_eq!(closed(&mut client).await, 4002);
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed_with_1001() {
    let config = Config { ping_interval: Duration::from_millis(30), pings_missed_max: 2, ..Config::default() };
    let server = Server::configured(config).await;
    let mut deaf = server.signed_in().await.into_inner();
    let mut bytes = Vec::new();
    patiently(deaf.read_to_end(&mut bytes)).await.unwrap();
    assert_eq!(bytes[..4], [0x89, 0, 0x89, 0], "two pings");
    assert_eq!((bytes[4], u16::from_be_bytes([bytes[6], bytes[7]])), (0x88, 1001), "and a close frame");
}

#[tokio::test]
async fn a_peer_that_answers_pings_stays() {
    let config = Config { ping_interval: Duration::from_millis(20), pings_missed_max: 5, ..Config::default() };
    let server = Server::configured(config).await;
    let mut client = server.signed_in().await;
    for _ in 0..20 {
        assert!(patiently(client.next()).await.unwrap().unwrap().is_ping());
    }
    assert_eq!(ask(&mut client, "thing.get", json!({ "thingId": "t" })).await["result"]["thingId"], "t");
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_and_others_do_not_notice() {
    let server = Server::configured(Config { send_queue_bytes_max: 4 << 20, ..Config::default() }).await;
    let mut lazy = server.signed_in().await;
    let mut other = server.signed_in().await;
    // Far more than the queue and the kernel's buffers hold, all of it asked for at once.
    for id in 0..30 {
        say(&mut lazy, &call(id, "thing.big", json!({ "bytes": 1 << 20 }))).await;
    }
    for _ in 0..100 {
        assert_eq!(ask(&mut other, "thing.get", json!({ "thingId": "t" })).await["result"]["thingId"], "t");
    }
    // Nothing was lost: the server only stopped to read, and goes on as the answers are taken.
    for id in 0..30 {
        assert_eq!(hear(&mut lazy).await["id"], id);
    }
}

#[tokio::test]
async fn more_answers_than_the_queue_holds_close_with_1013() {
    let server = Server::configured(Config { send_queue_bytes_max: 2 << 20, ..Config::default() }).await;
    let mut lazy = server.signed_in().await;
    for id in 2..32 {
        say(&mut lazy, &call(id, "thing.wait", json!({ "bytes": 1 << 20 }))).await;
    }
    assert_eq!(ask(&mut lazy, "thing.get", json!({ "thingId": "t" })).await["id"], 1, "all others wait");
    server.gate.notify_waiters();
    patiently(async {
        while server.gateway.counters().snapshot().slow_readers == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(closed(&mut lazy).await, 1013);
}
