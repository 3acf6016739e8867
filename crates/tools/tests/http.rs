//! `http.fetch` and `http.request`, as an agent calls them.

#![expect(clippy::unwrap_used, reason = "what cannot be set up is a test that fails")]

mod support;

use std::time::Duration;

use orchestrator_egress::{Client, Config};
use orchestrator_tools::{Error, Output, http_tools};
use orchestrator_vocab::Integrity;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::support::server::{Server, reply};
use self::support::{Bench, text};

fn config() -> Config {
    Config { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], timeout_ms: 10_000, ..Config::default() }
}

fn bench(config: Config) -> Bench {
    Bench::new(http_tools(Client::new(config).unwrap()))
}

async fn fetched(server: &Server, path: &str, more: Value) -> Output {
    let mut arguments = json!({ "url": server.url(path) });
    arguments.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    bench(config()).call("http.fetch", arguments).await.unwrap()
}

#[tokio::test]
async fn a_page_is_told_as_text_with_where_it_came_from() {
    let page = "<h1>News</h1><p>It <a href=\"/more\">rains</a>.";
    let moved = reply(302, "location: /page\r\n", "");
    let headers = "content-type: text/html; charset=utf-8\r\nset-cookie: secret=1\r\netag: \"7\"\r\n";
    let server = Server::start([("/", moved), ("/page", reply(200, headers, page))]).await;
    let output = fetched(&server, "/", json!({})).await;
    let told = text(&output);
    assert!(told.starts_with(&format!("[200 from {}, 45 bytes]\n", server.url("/page"))), "{told}");
    assert!(told.ends_with("\n\n# News\n\nIt rains[1].\n\n[1]: /more"), "{told}");
    assert!(told.contains("etag: \"7\"") && !told.contains("secret"), "{told}");
    assert_eq!((output.label.integrity, output.is_error), (Integrity::Untrusted, false));
    let structured = output.structured.unwrap();
    assert_eq!((&structured["status"], &structured["truncated"]), (&json!(200), &json!(false)));
    assert_eq!(structured["url"], server.url("/page"));
    let raw = fetched(&server, "/page", json!({ "format": "raw" })).await.structured.unwrap();
    assert_eq!(raw["text"], page);
}

#[tokio::test]
async fn a_long_text_comes_in_parts() {
    let long: String = (0..10_000).map(|number| format!("{number}\n")).collect();
    let server = Server::start([("/", reply(200, "content-type: text/plain\r\n", &long))]).await;
    let (mut all, mut offset) = (String::new(), 0);
    loop {
        let part = fetched(&server, "/", json!({ "offset": offset, "bytesMax": 20_000 })).await;
        let told = text(&part);
        let part = part.structured.unwrap();
        all.push_str(part["text"].as_str().unwrap());
        offset = all.len();
        let left = long.len() - offset;
        assert_eq!((&part["leftOutBytes"], &part["truncated"]), (&json!(left), &json!(left > 0)));
        if left == 0 {
            break;
        }
        assert!(told.ends_with(&format!("[{left} bytes more were left out: go on with offset {offset}]")), "{told}");
    }
    assert_eq!(all, long);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_told_as_far_as_it_was_read() {
    let server = Server::start([("/", reply(200, "content-type: text/plain\r\n", "x".repeat(100_000)))]).await;
    let bench = bench(Config { response_bytes_max: 50_000, ..config() });
    let output = bench.call("http.fetch", json!({ "url": server.url("/"), "bytesMax": 131_072 })).await.unwrap();
    let structured = output.structured.clone().unwrap();
    let read = structured["bytes"].as_u64().unwrap();
    assert!(read > 0 && read <= 50_000, "{read}");
    assert_eq!((&structured["truncated"], &structured["unreadBytes"]), (&json!(true), &json!(100_000 - read)));
    let note = format!("[the answer is too long: its last {} bytes were not read]", 100_000 - read);
    assert!(text(&output).ends_with(&note));
}

#[tokio::test]
async fn what_is_no_text_comes_as_base64_while_it_is_small() {
    let png = reply(200, "content-type: image/png\r\n", b"\x89PNG\0");
    let large = reply(200, "content-type: image/png\r\n", vec![0; 50_000]);
    let server = Server::start([("/small", png), ("/large", large)]).await;
    let small = fetched(&server, "/small", json!({})).await;
    assert!(text(&small).ends_with("iVBORwA=\n[image/png, as base64]"), "{}", text(&small));
    assert_eq!(small.structured.unwrap()["base64"], "iVBORwA=");
    let large = fetched(&server, "/large", json!({})).await;
    assert!(text(&large).ends_with("[image/png: 50000 bytes were left out, more than 24576 are not told]"));
    assert_eq!(large.structured.unwrap()["truncated"], true);
}

#[tokio::test]
async fn a_request_sends_what_it_is_told_and_an_answer_that_refuses_is_an_error_of_the_tool() {
    let server = Server::start([("/", reply(422, "content-type: application/json\r\n", "{\"no\":1}"))]).await;
    let bench = bench(config());
    let headers = json!({ "Authorization": "Bearer abc", "X-Custom": "1" });
    let arguments = json!({ "method": "PATCH", "url": server.url("/"), "headers": headers, "body": "{}" });
    let output = bench.call("http.request", arguments).await.unwrap();
    assert!(output.is_error && text(&output).starts_with("[422 from ") && text(&output).ends_with("{\"no\":1}"));
    let binary = json!({ "method": "PUT", "url": server.url("/"), "bodyBase64": "AAE=" });
    bench.call("http.request", binary).await.unwrap();
    let seen = server.requests();
    assert!(seen[0].starts_with("patch / http/1.1") && seen[0].ends_with("\r\n\r\n{}"), "{}", seen[0]);
    for header in ["authorization: bearer abc", "x-custom: 1", "content-type: text/plain; charset=utf-8"] {
        assert!(seen[0].contains(header), "{}", seen[0]);
    }
    assert!(seen[1].contains("content-type: application/octet-stream") && seen[1].contains("content-length: 2"));
}

#[tokio::test]
async fn what_must_not_be_asked_is_refused_before_anything_is_sent() {
    let server = Server::start([("/", reply(200, "", "inside"))]).await;
    let strict = bench(Config::default());
    for url in [
        server.url("/"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://[::1]/".into(),
        "http://0x7f.1/".into(),
    ] {
        for tool in ["http.fetch", "http.request"] {
            let refused = strict.call(tool, json!({ "method": "GET", "url": url })).await;
            let Err(Error::Refused(said)) = refused else { panic!("{url}: {refused:?}") };
            assert!(said.contains("is refused: its address is"), "{said}");
        }
    }
    let open = bench(config());
    for (tool, header) in [
        ("http.fetch", "Authorization"),
        ("http.fetch", "Cookie"),
        ("http.request", "Host"),
        ("http.request", "X-HTTP-Method-Override"),
        ("http.request", "X_Forwarded_For"),
        ("http.request", "Proxy-Authorization"),
    ] {
        let arguments = json!({ "method": "GET", "url": server.url("/"), "headers": { header: "x" } });
        let refused = open.call(tool, arguments).await;
        assert!(matches!(&refused, Err(Error::Refused(said)) if said.contains(header)), "{refused:?}");
    }
    for arguments in [
        json!({ "method": "POST", "url": "http://a/" }),
        json!({ "url": "http://a/", "body": "x" }),
        json!({ "url": "ftp://a/" }),
        json!({ "url": "http://u:p@a/" }),
        json!({ "url": "http://a/", "headers": { "Accept": "a\r\nb: c" } }),
    ] {
        let refused = open.call("http.fetch", arguments.clone()).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{arguments}: {refused:?}");
    }
    let both = json!({ "method": "POST", "url": server.url("/"), "body": "a", "bodyBase64": "AA==" });
    assert!(matches!(open.call("http.request", both).await, Err(Error::Invalid { .. })));
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_redirect_inside_is_refused_and_what_broke_may_have_been_done() {
    let inside = reply(302, "location: http://10.0.0.1/\r\n", "");
    let server =
        Server::start([("/inside", inside), ("/silent", support::server::stalled("HTTP/1.1 200 OK\r\n"))]).await;
    let bench = bench(config());
    let refused = bench.call("http.fetch", json!({ "url": server.url("/inside") })).await;
    assert!(matches!(&refused, Err(Error::Refused(said)) if said.starts_with("10.0.0.1 is refused")), "{refused:?}");
    let slow = |tool: &'static str| {
        let arguments = json!({ "method": "GET", "url": server.url("/silent"), "timeoutMs": 200 });
        let bench = &bench;
        async move { bench.call(tool, arguments).await.unwrap_err().to_string() }
    };
    assert_eq!(slow("http.fetch").await, "127.0.0.1 took longer than 200 ms");
    assert!(slow("http.request").await.ends_with("200 ms; what was asked for may have been done"));
}

#[tokio::test]
async fn what_nobody_wants_any_more_is_ended() {
    let server = Server::start([("/", support::server::stalled("HTTP/1.1 200 OK\r\n"))]).await;
    let (bench, cancel) = (bench(config()), CancellationToken::new());
    let mut context = bench.context();
    context.cancel = cancel.clone();
    let calling = bench.call_in(context, "http.fetch", json!({ "url": server.url("/") }));
    let cancelling = async {
        server.asked().await;
        cancel.cancel();
    };
    let (called, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(5), calling), cancelling);
    assert!(matches!(called, Ok(Err(Error::Cancelled(_)))), "{called:?}");
    // The server sees the connection end.
    server.idle().await;
}
