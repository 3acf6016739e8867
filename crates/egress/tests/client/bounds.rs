//! How much and how long: bytes, time, redirects, and what goes wrong on the way.

use std::time::Duration;

use async_compression::tokio::write::GzipEncoder;
use orchestrator_egress::{Client, Config, Error, Method, Request};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::support::{Reply, Script, Server, redirect, reply};

const GZIP: &str = "content-encoding: gzip\r\n";

fn client(config: Config) -> Client {
    let config = Config { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], ..config };
    Script::new(&[("a.example", &[&["127.0.0.1"]]), ("nowhere.example", &[&[]])]).client(config)
}

async fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(bytes).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

#[tokio::test]
async fn an_answer_of_too_many_bytes_is_refused() {
    let endless = Reply::Stalled([b"HTTP/1.1 200 X\r\n\r\n".as_slice(), &[b'x'; 2000]].concat());
    let server = Server::start([
        ("/1000", reply(200, "", [b'x'; 1000])),
        ("/1001", reply(200, "", [b'x'; 1001])),
        ("/endless", endless),
    ])
    .await;
    let client = client(Config { response_bytes_max: 1000, ..Config::default() });
    assert_eq!(client.send(Request::get(server.url("a.example", "/1000"))).await.unwrap().body.len(), 1000);
    for path in ["/1001", "/endless"] {
        let error = client.send(Request::get(server.url("a.example", path))).await.unwrap_err();
        assert_eq!(error.to_string(), "the answer of a.example has more than 1000 bytes", "{path}");
    }
    let less = Request { response_bytes_max: Some(999), ..Request::get(server.url("a.example", "/1000")) };
    assert!(matches!(client.send(less).await, Err(Error::TooLarge { bytes_max: 999, .. })));
}

#[tokio::test]
async fn what_is_packed_is_counted_unpacked_too() {
    let (fits, bomb, nothing) = (gzip(&[0; 1000]).await, gzip(&[0; 1_000_000]).await, gzip(b"").await.repeat(100));
    assert!(bomb.len() < 2000 && nothing.len() > 1000);
    let server = Server::start([
        ("/fits", reply(200, GZIP, fits)),
        ("/bomb", reply(200, GZIP, bomb)),
        ("/nothing", reply(200, GZIP, nothing)),
        ("/cut", reply(200, GZIP, &gzip(&[0; 900]).await[..15])),
        ("/br", reply(200, "content-encoding: br\r\n", "x")),
        ("/twice", reply(200, "content-encoding: gzip, gzip\r\n", "x")),
        ("/empty", reply(200, GZIP, "")),
    ]);
    let server = server.await;
    let client = client(Config { response_bytes_max: 1000, ..Config::default() });
    let get = async |path: &str| client.send(Request::get(server.url("a.example", path))).await;
    assert_eq!(get("/fits").await.unwrap().body, vec![0; 1000]);
    assert!(matches!(get("/bomb").await, Err(Error::TooLarge { .. })));
    assert!(matches!(get("/nothing").await, Err(Error::TooLarge { .. })));
    assert!(matches!(get("/cut").await, Err(Error::Broken { .. })));
    assert!(matches!(get("/br").await, Err(Error::Encoding { .. })));
    assert!(matches!(get("/twice").await, Err(Error::Encoding { .. })));
    assert_eq!(get("/empty").await.unwrap().body, "");
    assert!(server.requests()[0].contains("accept-encoding: gzip\r\n"));
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_ended() {
    let head = "HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\nsome";
    let server = Server::start([("/body", Reply::Stalled(head.into())), ("/head", Reply::Stalled(Vec::new()))]).await;
    let client = client(Config { timeout_ms: 200, ..Config::default() });
    for path in ["/body", "/head"] {
        let error = client.send(Request::get(server.url("a.example", path))).await.unwrap_err();
        assert_eq!(error.to_string(), "a.example took longer than 200 ms", "{path}");
        assert!(error.is_retryable());
    }
    let request =
        Request { timeout: Some(Duration::from_millis(50)), ..Request::get(server.url("a.example", "/body")) };
    let mut answer = client.open(request).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "some");
    assert!(matches!(answer.chunk().await, Err(Error::TimedOut { timeout_ms: 50, .. })));
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start([
        ("/loop", redirect(302, "/loop")),
        ("/1", redirect(307, "/2")),
        ("/2", reply(200, "", "there")),
    ])
    .await;
    let client = client(Config { redirects_max: 2, ..Config::default() });
    let error = client.send(Request::get(server.url("a.example", "/loop"))).await.unwrap_err();
    assert_eq!(error.to_string(), "a.example redirects once more after 2 times");
    assert_eq!(server.requests().len(), 3);
    // Cookies that were set on the way do not come back.
    assert!(server.requests().iter().all(|request| !request.contains("cookie")));
    let request = Request::new(Method::Post, server.url("a.example", "/1")).body("a body");
    assert_eq!(client.send(request).await.unwrap().body, "there");
    assert!(server.requests()[4].starts_with("post /2 ") && server.requests()[4].ends_with("a body"));
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    let broken = Reply::Whole(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\ncut".into());
    let server = Server::start([("/broken", broken), ("/none", Reply::Whole(b"SSH-2.0\r\n\r\n".into()))]).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = client(Config { connect_timeout_ms: 500, ..Config::default() });
    let send = async |url: String| client.send(Request::get(url)).await.unwrap_err();
    assert!(matches!(send(server.url("a.example", "/broken")).await, Error::Broken { .. }));
    assert!(matches!(send(server.url("a.example", "/none")).await, Error::Broken { .. }));
    assert!(matches!(send(format!("http://a.example:{}/", closed.port())).await, Error::Connect { .. }));
    for host in ["unknown.example", "nowhere.example"] {
        let error = send(format!("http://{host}/")).await;
        assert!(matches!(&error, Error::Unresolved { host: named, .. } if named == host), "{error}");
    }
    // What speaks no TLS is connected to, but never asked anything.
    let error = send(server.url("a.example", "/").replace("http:", "https:")).await;
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    let head = client.send(Request::new(Method::Head, server.url("a.example", "/broken"))).await.unwrap();
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("100"), 0));
}
