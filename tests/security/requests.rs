use std::time::Duration;

use http::Method;
use orchestrator_testkit::{Daemon, Socket, patiently};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::still_ready;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"health.ping"}"#;
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_foreign_host_or_origin_is_turned_away_before_the_upgrade() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let bearer = format!("Bearer {}", daemon.admin_token());
    let own = ("authorization", bearer.as_str());
    for header in [
        ("host", "evil.example"),
        ("host", "127.0.0.1.evil.example"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
    ] {
        let refused = Socket::open(daemon.url(), &[own, header]).await.expect_err("a foreign page");
        assert_eq!(refused.status, Some(403), "{header:?}");
        let reply = daemon.admin_http().send(Method::POST, "/rpc", &[header, JSON], PING).await;
        assert_eq!(reply.status, 403, "{header:?}: {}", reply.body);
    }
    for header in [("host", "localhost"), ("origin", daemon.url())] {
        assert!(Socket::open(daemon.url(), &[own, header]).await.is_ok(), "{header:?}");
        assert_eq!(
            daemon.admin_http().send(Method::POST, "/rpc", &[header, JSON], PING).await.status,
            200,
            "{header:?}"
        );
    }
    still_ready(&daemon).await;
    Ok(())
}

#[tokio::test]
async fn a_listed_host_and_origin_are_let_in() -> anyhow::Result<()> {
    let gateway = json!({"allowedHosts": ["evil.example"], "allowedOrigins": ["https://evil.example"]});
    let daemon = Daemon::builder().config(json!({"gateway": gateway})).start().await?;
    let bearer = format!("Bearer {}", daemon.admin_token());
    for header in [("host", "evil.example"), ("origin", "https://evil.example")] {
        assert!(Socket::open(daemon.url(), &[("authorization", bearer.as_str()), header]).await.is_ok(), "{header:?}");
    }
    Ok(())
}

#[tokio::test]
async fn only_json_that_says_so_is_taken() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let http = daemon.admin_http();
    for headers in [
        vec![],
        vec![("content-type", "text/plain")],
        vec![("content-type", "application/x-www-form-urlencoded")],
        vec![JSON, ("content-encoding", "gzip")],
    ] {
        assert_eq!(http.send(Method::POST, "/rpc", &headers, PING).await.status, 415, "{headers:?}");
        assert_eq!(
            http.send(Method::POST, "/api/v1/tasks", &headers, r#"{"title":"x"}"#).await.status,
            415,
            "{headers:?}"
        );
    }
    assert_eq!(http.send(Method::POST, "/rpc", &[JSON], PING).await.status, 200);
    assert_eq!(http.send(Method::POST, "/api/v1/tasks", &[JSON], r#"{"title":"x"}"#).await.status, 201);
    Ok(())
}

#[tokio::test]
async fn json_that_can_be_read_in_two_ways_is_refused() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let (http, mut socket) = (daemon.admin_http(), daemon.admin().await);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let create = |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"task.create","params":{params}}}"#);
    for (name, text) in [
        ("a key twice", create(r#"{"title":"a","title":"b"}"#)),
        ("a key twice, deep inside", create(r#"{"title":"a","metadata":{"x":{"y":1,"y":2}}}"#)),
        ("a member twice", r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"health.ping"}"#.to_owned()),
        ("too deep", create(&format!(r#"{{"title":"a","metadata":{{"x":{}}}}}"#, nested(70)))),
        ("far too deep", create(&format!(r#"{{"title":"a","metadata":{{"x":{}}}}}"#, nested(100_000)))),
        ("trailing bytes", format!("{PING} true")),
        ("not UTF-8 escapes", create(r#"{"title":"\ud800"}"#)),
    ] {
        let reply = http.send(Method::POST, "/rpc", &[JSON], &text).await.json();
        assert!(reply["error"]["code"].is_i64(), "{name}: {reply}");
        socket.send_text(&text).await.expect("the socket is open");
        let reply: Value = serde_json::from_str(&socket.receive_text().await.expect("an answer"))?;
        assert!(reply["error"]["code"].is_i64(), "{name}: {reply}");
    }
    let fine = create(&format!(r#"{{"title":"a","metadata":{{"x":{}}}}}"#, nested(50)));
    let reply = http.send(Method::POST, "/rpc", &[JSON], &fine).await.json();
    assert!(reply["result"]["id"].is_string(), "{reply}");
    still_ready(&daemon).await;
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_one_that_is_not_passes() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let padded = |bytes: usize| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"health.ping","params":{{"x":"{}"}}}}"#, "x".repeat(bytes))
    };
    let (fits, is_too_large) = (padded(9 << 20), padded(11 << 20));
    let http = daemon.admin_http();
    assert_eq!(http.send(Method::POST, "/rpc", &[JSON], &is_too_large).await.status, 413);
    assert_eq!(http.send(Method::POST, "/rpc", &[JSON], &fits).await.json()["error"]["code"], -32602);

    let mut socket = daemon.admin().await;
    socket.send_text(&fits).await.expect("it is read");
    assert!(socket.receive_text().await.is_ok_and(|reply| reply.contains("-32602")));
    // The daemon may close before all of it is sent.
    let _ = socket.send_text(&is_too_large).await;
    let gone = socket.closed().await;
    assert!(gone.code == Some(1009) || gone.code.is_none(), "{gone:?}");
    still_ready(&daemon).await;
    Ok(())
}

#[tokio::test]
async fn who_says_nothing_is_cut_off() -> anyhow::Result<()> {
    let short = json!({"firstByteTimeoutMs": 150, "headerTimeoutMs": 150, "bodyTimeoutMs": 150, "authenticationTimeoutMs": 150});
    let daemon = Daemon::builder().config(json!({"gateway": short})).start().await?;
    let address = daemon.url().trim_start_matches("http://");
    let bearer = daemon.admin_token();
    let body = format!(
        "POST /rpc HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {bearer}\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{{"
    );
    for (name, start) in
        [("silent", ""), ("half a header", "GET /livez HTTP/1.1\r\nhost: loc"), ("half a body", body.as_str())]
    {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(start.as_bytes()).await?;
        let mut rest = Vec::new();
        patiently(name, stream.read_to_end(&mut rest)).await?;
        let said = String::from_utf8_lossy(&rest);
        assert!(said.is_empty() || said.contains("408"), "{name}: {said}");
    }
    let mut silent = Socket::open(daemon.url(), &[]).await.expect("the first frame authenticates");
    assert_eq!(silent.closed().await.code, Some(4002));

    // The same request, said at once.
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    patiently("an answer", stream.read_to_string(&mut answer)).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    still_ready(&daemon).await;
    Ok(())
}

#[tokio::test]
async fn connections_of_one_address_are_counted() -> anyhow::Result<()> {
    let limited = Daemon::builder().config(json!({"gateway": {"connectionsPerLoopbackMax": 5}})).start().await?;
    let unlimited = Daemon::builder().start().await?;
    for (daemon, expected) in [(&limited, 5), (&unlimited, 20)] {
        let bearer = format!("Bearer {}", daemon.admin_token());
        let mut open = Vec::new();
        for _ in 0..20 {
            if let Ok(socket) = Socket::open(daemon.url(), &[("authorization", &bearer)]).await {
                open.push(socket);
            }
        }
        assert_eq!(open.len(), expected);
        for socket in &mut open {
            socket.call("health.ping", json!({})).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_reader_that_never_reads_costs_bounded_memory_and_nobody_else_anything() -> anyhow::Result<()> {
    let queue = json!({"gateway": {"sendQueueBytesMax": 1 << 20}});
    let daemon = Daemon::builder().config(queue).without_rate_limits().start().await?;
    let mut sleepy = daemon.admin().await;
    sleepy.subscribe(&["**"]).await;
    let (mut creator, mut listener) = (daemon.admin().await, daemon.admin().await);
    listener.subscribe(&["task.created"]).await;
    let before = resident_bytes(daemon.pid())?;
    for _ in 0..10 {
        let drafts: Vec<Value> = (0..1_000).map(|n| json!({"title": format!("{n} {}", "x".repeat(400))})).collect();
        creator.call("task.createMany", json!({"tasks": drafts})).await?;
        listener
            .events_until("a thousand events", |event| {
                event.payload["title"].as_str().is_some_and(|title| title.starts_with("999 "))
            })
            .await;
    }
    let grown = resident_bytes(daemon.pid())?.saturating_sub(before);
    assert!(grown < 100 << 20, "10,000 events to a reader that never reads cost {grown} bytes");
    still_ready(&daemon).await;
    tokio::time::timeout(Duration::from_secs(5), creator.call("health.ping", json!({}))).await??;
    Ok(())
}

fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let pages = std::fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let resident: u64 = pages.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(resident * rustix::param::page_size() as u64)
}
