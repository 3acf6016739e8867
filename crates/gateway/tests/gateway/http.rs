use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::{BodyExt as _, Full};
use orchestrator_gateway::{Attempt, Builder, Config, Counted, Limits, Mount, Readiness, RetryAfter};
use orchestrator_rpc::{Call, Quota};
use serde_json::json;

use crate::support::{GOOD, JSON, Response, Server, read_to_end};
use tokio::io::AsyncWriteExt;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"health.ping"}"#;

#[tokio::test]
async fn liveness_and_readiness_are_open() {
    let server = Server::start().await;
    for path in ["/livez", "/readyz", "/health"] {
        assert_eq!(server.get(path, "").await.status, 200, "{path}");
    }
    server.gateway.begin_drain();
    assert_eq!(server.get("/livez", "").await.status, 200);
    let ready = server.get("/readyz", "").await;
    assert_eq!((ready.status, ready.json()), (503, json!({ "status": "draining" })));
}

struct Broken;

impl Readiness for Broken {
    fn unready(&self) -> Option<String> {
        Some("the database is gone".into())
    }
}

#[tokio::test]
async fn what_is_not_ready_says_why() {
    let server = Server::with(Config::default(), |builder| builder.readiness(Arc::new(Broken))).await;
    let ready = server.get("/readyz", "").await;
    assert_eq!((ready.status, ready.json()["reason"].clone()), (503, json!("the database is gone")));
}

#[tokio::test]
async fn what_is_mounted_gets_whole_requests_of_callers_who_are_known() {
    let mount: Mount = Box::new(|request: http::Request<Bytes>| {
        let subject = request.extensions().get::<Call>().map(|call| call.caller.subject.clone());
        let said = format!("{} {} {subject:?} {} bytes", request.method(), request.uri().path(), request.body().len());
        async move { http::Response::new(Full::new(Bytes::from(said)).boxed()) }.boxed()
    });
    let config = Config { message_bytes_max: 1_024, ..Config::default() };
    let server = Server::with(config, |builder| builder.mount("/other", mount)).await;
    server.send("POST", "/other", JSON, "{}").await.refused(401, "UNAUTHORIZED");
    server
        .send("POST", "/other", &format!("{GOOD}origin: https://evil.example\r\n"), "")
        .await
        .refused(403, "FORBIDDEN");
    let known = server.send("POST", "/other", &format!("{GOOD}{JSON}"), "{ }").await;
    assert!(
        known.status == 200 && known.body.contains("POST /other Some(") && known.body.contains(" 3 bytes"),
        "{}",
        known.body
    );
    assert_eq!(server.send("DELETE", "/other", GOOD, "").await.status, 200);
    server.send("PUT", "/other", GOOD, "").await.refused(405, "INVALID_REQUEST");
    let large = "x".repeat(2_000);
    server.send("POST", "/other", &format!("{GOOD}{JSON}"), &large).await.refused(413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn pages_need_the_scope_to_read() {
    let page = |builder: Builder| {
        let metrics = |_| async { Ok("things_total 1\n".to_owned()) }.boxed();
        let status = |_| async { panic!("planted") }.boxed();
        builder.page("/metrics", "text/plain", Box::new(metrics)).page("/status", "application/json", Box::new(status))
    };
    let server = Server::with(Config::default(), page).await;
    server.get("/metrics", "").await.refused(401, "UNAUTHORIZED");
    server.get("/metrics", "authorization: Bearer teams\r\n").await.refused(403, "FORBIDDEN");
    let metrics = server.get("/metrics", "x-api-key: reader\r\n").await;
    assert_eq!((metrics.status, metrics.body.as_str()), (200, "things_total 1\n"));
    server.get("/status", GOOD).await.refused(500, "INTERNAL");
    assert_eq!(server.get("/livez", "").await.status, 200, "the server lives");
    assert_eq!(server.gateway.counters().snapshot().panics, 1);
}

#[tokio::test]
async fn open_pages_need_nothing() {
    let page = || async { Ok("things_total 1\n".to_owned()) }.boxed();
    let open = |builder: Builder| builder.open_page("/metrics", "text/plain", Box::new(page));
    let server = Server::with(Config::default(), open).await;
    assert_eq!(server.get("/metrics", "").await.body, "things_total 1\n");
}

#[tokio::test]
async fn json_rpc_is_spoken_over_http() {
    let server = Server::start().await;
    let reply = server.rpc(r#"{"jsonrpc":"2.0","id":"a","method":"thing.get","params":{"thingId":"t"}}"#).await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({ "jsonrpc": "2.0", "id": "a", "result": { "thingId": "t" } }))
    );
    assert!(reply.head.contains("x-content-type-options: nosniff") && reply.head.contains("cache-control: no-store"));
    let unknown = server.rpc(r#"{"jsonrpc":"2.0","id":1,"method":"thing.nope"}"#).await;
    assert_eq!((unknown.status, unknown.json()["error"]["code"].clone()), (200, json!(-32601)));
    let silent = server.rpc(r#"{"jsonrpc":"2.0","method":"thing.nope"}"#).await;
    assert_eq!((silent.status, silent.body.as_str()), (204, ""));
    let limited = server.rpc(r#"{"jsonrpc":"2.0","id":1,"method":"thing.limited"}"#).await;
    assert_eq!((limited.status, limited.json()["error"]["data"]["retryAfterMs"].clone()), (429, json!(1500)));
    assert!(limited.head.contains("retry-after: 2"), "{limited:?}");
}

#[tokio::test]
async fn batches_are_answered_in_order_up_to_fifty() {
    let server = Server::start().await;
    let batch = |count: usize| {
        let call = |id| json!({ "jsonrpc": "2.0", "id": id, "method": "thing.get", "params": { "thingId": "t" } });
        json!((0..count).map(call).collect::<Vec<_>>()).to_string()
    };
    let replies = server.rpc(&batch(50)).await.json();
    let ids: Vec<_> = replies.as_array().unwrap().iter().map(|reply| reply["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..50).collect::<Vec<_>>());
    let refused = server.rpc(&batch(51)).await;
    assert_eq!((refused.status, refused.json()["error"]["code"].clone()), (400, json!(-32600)));
}

#[tokio::test]
async fn malformed_json_is_refused() {
    let server = Server::start().await;
    for body in [r#"{"jsonrpc":"2.0","id":1,"method":"health.ping"} x"#, "{", ""] {
        assert_eq!(server.rpc(body).await.json()["error"]["code"], -32700, "{body}");
    }
    let twice = r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"health.ping"}"#;
    assert_eq!(server.rpc(twice).await.json()["error"]["code"], -32600);
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"thing.get","params":{"thingId":"a","thingId":"b"}}"#;
    assert_eq!(server.rpc(twice).await.json()["error"]["code"], -32602);
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.get\",\"params\":{{\"thingId\":{}1{}}}}}",
        "[".repeat(80),
        "]".repeat(80)
    );
    assert_eq!(server.rpc(&deep).await.json()["error"]["code"], -32602);
}

#[tokio::test]
async fn only_uncompressed_json_is_taken() {
    let server = Server::start().await;
    server.send("POST", "/rpc", GOOD, PING).await.refused(415, "UNSUPPORTED_MEDIA");
    let text = format!("{GOOD}content-type: text/plain\r\n");
    server.send("POST", "/rpc", &text, PING).await.refused(415, "UNSUPPORTED_MEDIA");
    let gzip = format!("{GOOD}{JSON}content-encoding: gzip\r\n");
    server.send("POST", "/rpc", &gzip, PING).await.refused(415, "UNSUPPORTED_MEDIA");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    let server = Server::configured(Config { message_bytes_max: 1_000, ..Config::default() }).await;
    let large = "x".repeat(100_000);
    server.rpc(&large).await.refused(413, "PAYLOAD_TOO_LARGE");
    let chunked = format!(
        "POST /rpc HTTP/1.1\r\nhost: localhost\r\n{GOOD}{JSON}transfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    server.exchange(&chunked).await.refused(413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn whoever_is_not_let_in_always_hears_the_same() {
    let server = Server::start().await;
    let mut bodies = Vec::new();
    for headers in [
        "",
        "authorization: Bearer wrong\r\n",
        "authorization: Basic Z29vZA==\r\n",
        "authorization: good\r\n",
        "x-api-key: wrong\r\n",
        "x-api-key: good\r\nauthorization: Bearer good\r\n",
        "x-api-key: good\r\nx-api-key: good\r\n",
    ] {
        let response = server.send("POST", "/rpc", &(headers.to_owned() + JSON), PING).await;
        assert!(response.head.contains("www-authenticate: bearer"), "{headers}");
        assert_eq!(response.status, 401, "{headers}");
        bodies.push(response.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert!(!bodies[0].contains("wrong"));
}

#[tokio::test]
async fn a_panicking_authenticator_or_handler_ends_nothing_else() {
    let server = Server::start().await;
    let panicking = format!("authorization: Bearer panic\r\n{JSON}");
    server.send("POST", "/rpc", &panicking, PING).await.refused(500, "INTERNAL");
    let reply = server.rpc(r#"{"jsonrpc":"2.0","id":1,"method":"thing.boom"}"#).await;
    assert_eq!(reply.json()["error"]["code"], -32603);
    assert!(!reply.body.contains("planted"));
    assert_eq!(server.rpc(PING).await.status, 200);
}

#[tokio::test]
async fn routes_and_methods_that_do_not_exist_are_named_as_such() {
    let server = Server::start().await;
    server.get("/nope", "").await.refused(404, "NOT_FOUND");
    server.get("/api/v1/nopes", GOOD).await.refused(404, "NOT_FOUND");
    let wrong = server.get("/rpc", GOOD).await;
    wrong.refused(405, "INVALID_REQUEST");
    assert!(wrong.head.contains("allow: post"), "{wrong:?}");
    let upgrade = server.get("/ws", GOOD).await;
    upgrade.refused(426, "INVALID_REQUEST");
    assert!(upgrade.head.contains("upgrade: websocket"), "{upgrade:?}");
}

#[tokio::test]
async fn foreign_hosts_and_origins_and_secrets_in_urls_are_refused_before_the_upgrade() {
    let server = Server::start().await;
    let upgrade = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let evil = format!("GET /ws HTTP/1.1\r\nhost: evil.example\r\n{GOOD}{upgrade}connection: close\r\n\r\n");
    server.exchange(&evil).await.refused(403, "FORBIDDEN");
    server.get("/ws", &format!("origin: https://evil.example\r\n{upgrade}")).await.refused(403, "FORBIDDEN");
    let response = server.get("/ws?token=hunter2", upgrade).await;
    response.refused(400, "INVALID_REQUEST");
    assert!(!response.body.contains("hunter2"));
    let origin = format!("{GOOD}{JSON}origin: https://evil.example\r\n");
    server.send("POST", "/rpc", &origin, PING).await.refused(403, "FORBIDDEN");
    assert_eq!(server.gateway.counters().snapshot().origin_refused, 4);
}

#[tokio::test]
async fn an_old_probe_needs_no_host() {
    let server = Server::start().await;
    assert_eq!(server.exchange("GET /readyz HTTP/1.0\r\n\r\n").await.status, 200);
    server.exchange("GET /readyz HTTP/1.0\r\norigin: https://evil.example\r\n\r\n").await.refused(403, "FORBIDDEN");
    server.exchange("GET /readyz HTTP/1.1\r\nconnection: close\r\n\r\n").await.refused(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn listed_origins_get_cors_headers() {
    let config = Config { allowed_origins: vec!["https://ui.example".into()], ..Config::default() };
    let server = Server::configured(config).await;
    let ask = "origin: https://ui.example\r\naccess-control-request-method: POST\r\naccess-control-request-headers: authorization\r\n";
    let preflight = server.send("OPTIONS", "/rpc", ask, "").await;
    assert_eq!(preflight.status, 200);
    assert!(preflight.head.contains("access-control-allow-origin: https://ui.example"), "{preflight:?}");
    let call = server.send("POST", "/rpc", &format!("{GOOD}{JSON}origin: https://ui.example\r\n"), PING).await;
    assert!(call.head.contains("access-control-allow-origin: https://ui.example"), "{call:?}");
}

#[derive(Default)]
struct Three(AtomicUsize);

impl Limits for Three {
    fn count(&self, _: IpAddr, _: Attempt) -> Counted {
        let before = self.0.fetch_add(1, Ordering::SeqCst);
        let reset = Duration::from_millis(59_001);
        let remaining = u32::try_from(3_usize.saturating_sub(before + 1)).unwrap_or(0);
        let quota = Quota { name: "address", limit: 3, window: Duration::from_secs(60), remaining, reset };
        Counted { refused: (before >= 3).then_some(RetryAfter(reset)), quota: Some(quota) }
    }
}

#[tokio::test]
async fn only_what_is_not_authenticated_counts_against_the_address() {
    let server = Server::with(Config::default(), |builder| builder.limits(Arc::new(Three::default()))).await;
    for _ in 0..5 {
        assert_eq!(server.rpc(PING).await.status, 200);
        assert_eq!(server.get("/readyz", "").await.status, 200);
    }
    let wrong = format!("{JSON}authorization: Bearer wrong\r\n");
    for _ in 0..3 {
        assert_eq!(server.send("POST", "/rpc", &wrong, PING).await.status, 401);
    }
    let limited = server.send("POST", "/rpc", &wrong, PING).await;
    limited.refused(429, "RATE_LIMITED");
    assert!(limited.head.contains("retry-after: 60"), "{limited:?}");
    assert_eq!(server.websocket(None).await.map(drop).unwrap_err().to_string(), "HTTP error: 429 Too Many Requests");
    assert_eq!(server.rpc(PING).await.status, 200);
    assert_eq!(server.gateway.counters().snapshot().logins_failed, 4);
}

#[tokio::test]
async fn a_connection_is_kept_for_several_requests() {
    let server = Server::start().await;
    let mut stream = server.tcp().await;
    let request = |last: &str| format!("GET /readyz HTTP/1.1\r\nhost: localhost\r\n{last}\r\n");
    stream.write_all((request("") + &request("connection: close\r\n")).as_bytes()).await.unwrap();
    let text = read_to_end(&mut stream).await;
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
    assert_eq!(Response::parse(&text).status, 200);
    assert_eq!(server.gateway.counters().snapshot().connections, 1);
}
