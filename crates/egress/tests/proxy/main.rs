//! What a guest of the proxy gets, and what it does not.
#![cfg(feature = "proxy")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../client/support.rs"]
#[allow(dead_code, reason = "it is of the client's tests, which use all of it")]
mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use orchestrator_egress::{Asked, Guest, Outcome, Proxy, ProxyConfig};
use support::{Reply, Script, Server, reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A proxy with one guest.
struct Stage {
    address: SocketAddr,
    proxy: Proxy,
    asked: Arc<Mutex<Vec<Asked>>>,
    resolver: Arc<Script>,
    _serving: JoinSet<()>,
}

impl Stage {
    async fn new(config: ProxyConfig, hosts: &[String]) -> Self {
        let resolver = Script::new(&[
            ("good.example", &[&["127.0.0.1"]]),
            ("a.good.example", &[&["127.0.0.1"]]),
            ("bad.example", &[&["127.0.0.1"]]),
            // What it says first is public, and what it says then is not.
            ("turning.example", &[&["127.0.0.1"], &["169.254.169.254"]]),
            ("metadata.example", &[&["169.254.169.254"]]),
        ]);
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let told = asked.clone();
        let tell = Arc::new(move |one: Asked| -> futures::future::BoxFuture<'static, ()> {
            told.lock().unwrap().push(one);
            Box::pin(std::future::ready(()))
        });
        let proxy = Proxy::with_resolver(config, tell, resolver.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hosts = hosts.iter().map(|rule| rule.parse().unwrap()).collect();
        let guest = Guest { hosts, about: Arc::new([("server", "one".to_owned())].into()) };
        let (mut serving, served) = (JoinSet::new(), proxy.clone());
        serving.spawn(async move { served.serve(listener, guest).await });
        Self { address, proxy, asked, resolver, _serving: serving }
    }

    /// Says this, and reads until the other side has nothing more to say.
    async fn said(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut read = String::new();
        stream.read_to_string(&mut read).await.unwrap();
        read
    }

    async fn get(&self, url: &str) -> String {
        self.said(&format!("GET {url} HTTP/1.1\r\nHost: elsewhere\r\nProxy-Connection: x\r\nConnection: close, X-Own\r\nX-Own: 1\r\nX-Kept: 1\r\n\r\n")).await
    }

    async fn connect(&self, target: &str) -> String {
        self.said(&format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n")).await
    }

    fn outcomes(&self) -> Vec<(String, Outcome)> {
        self.asked.lock().unwrap().iter().map(|one| (format!("{}:{}", one.host, one.port), one.outcome)).collect()
    }
}

/// One that lets through what these tests listen at.
fn inside() -> ProxyConfig {
    ProxyConfig { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], ..ProxyConfig::default() }
}

async fn server() -> Server {
    Server::start([
        ("/a?b=c", reply(200, "x-of-it: 1\r\nkeep-alive: 1\r\n", "from it")),
        ("/", Reply::Stalled(Vec::new())),
    ])
    .await
}

#[tokio::test]
async fn a_host_that_is_listed_is_asked_in_plain_words() {
    let server = server().await;
    let port = server.address.port();
    let stage = Stage::new(inside(), &[format!("good.example:{port}"), format!("*.good.example:{port}")]).await;
    for host in ["good.example", "a.good.example", "GOOD.example"] {
        let answer = stage.get(&server.url(host, "/a?b=c")).await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 200") && answer.ends_with("from it"), "{answer}");
        assert!(answer.contains("x-of-it: 1") && !answer.contains("keep-alive: 1"), "{answer}");
    }
    let asked = server.requests();
    assert!(asked[0].starts_with("get /a?b=c http/1.1\r\n"), "{asked:?}");
    assert!(
        asked[0].contains(&format!("host: good.example:{port}\r\n")) && asked[0].contains("x-kept: 1"),
        "{asked:?}"
    );
    assert!(
        !asked[0].contains("x-own") && !asked[0].contains("proxy-") && !asked[0].contains("elsewhere"),
        "{asked:?}"
    );
    assert_eq!(stage.asked.lock().unwrap()[0].about["server"], "one");
}

#[tokio::test]
async fn a_tunnel_carries_both_ways() {
    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = echo.local_addr().unwrap().port();
    let stage = Stage::new(inside(), &[format!("good.example:{port}")]).await;
    let mut client = TcpStream::connect(stage.address).await.unwrap();
    client.write_all(format!("CONNECT good.example:{port} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    let (mut far, _) = echo.accept().await.unwrap();
    let mut head = vec![0; 512];
    let read = client.read(&mut head).await.unwrap();
    assert!(String::from_utf8_lossy(&head[..read]).starts_with("HTTP/1.1 200"));
    client.write_all(b"ping").await.unwrap();
    let mut four = [0; 4];
    far.read_exact(&mut four).await.unwrap();
    far.write_all(b"pong").await.unwrap();
    client.read_exact(&mut four).await.unwrap();
    assert_eq!(&four, b"pong");
    drop(far);
    assert_eq!(client.read(&mut head).await.unwrap(), 0);
    assert_eq!(stage.outcomes(), [(format!("good.example:{port}"), Outcome::Connected)]);
}

#[tokio::test]
async fn whoever_is_not_listed_is_refused_with_the_reason_and_not_even_looked_up() {
    let server = server().await;
    let port = server.address.port();
    let stage = Stage::new(inside(), &[format!("good.example:{port}"), "*.good.example".to_owned()]).await;
    for target in [
        format!("bad.example:{port}"),
        format!("good.example.bad.example:{port}"),
        format!("127.0.0.1:{port}"),
        format!("0x7f.1:{port}"),
        format!("[::1]:{port}"),
        "good.example:1".to_owned(),
        format!("a.good.example:{port}"),
    ] {
        let answer = stage.connect(&target).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("`hosts` of its sandbox"), "{target}: {answer}");
        let answer = stage.get(&format!("http://{target}/a?b=c")).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("`hosts` of its sandbox"), "{target}: {answer}");
    }
    assert!(server.requests().is_empty() && stage.resolver.asked().is_empty());
    let asked = stage.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|one| one.outcome == Outcome::NotListed));
    // 0x7f.1 is 127.0.0.1.
    assert_eq!(asked.iter().filter(|one| !one.is_repeated).count(), 6);
}

#[tokio::test]
async fn what_is_no_request_to_a_proxy_is_refused() {
    let stage = Stage::new(inside(), &["good.example".to_owned()]).await;
    for url in
        ["/", "https://good.example/", "http://user@good.example/", "http://good.example:0/", "ftp://good.example/"]
    {
        let answer = stage.get(url).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{url}: {answer}");
    }
    for target in ["good.example", "user@good.example:443"] {
        let answer = stage.connect(target).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{target}: {answer}");
    }
    assert!(stage.outcomes().is_empty());
}

#[tokio::test]
async fn a_name_with_an_address_inside_is_refused_unless_that_is_let_through() {
    let port = server().await.address.port();
    let rules = [format!("good.example:{port}"), "metadata.example".to_owned()];
    let stage = Stage::new(ProxyConfig::default(), &rules).await;
    for target in [format!("good.example:{port}"), "metadata.example:80".to_owned()] {
        let answer = stage.connect(&target).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("proxy.allowNetworks"), "{target}: {answer}");
        assert!(!answer.contains("127.0.0.1") && !answer.contains("169.254"), "{answer}");
    }
    stage.proxy.reconfigure(inside()).unwrap();
    let server = server().await;
    let let_through = Stage::new(inside(), &[format!("good.example:{}", server.address.port())]).await;
    assert!(let_through.get(&server.url("good.example", "/a?b=c")).await.starts_with("HTTP/1.1 200"));
    let by_name = ProxyConfig { allow_hosts: vec!["good.example".parse().unwrap()], ..ProxyConfig::default() };
    let_through.proxy.reconfigure(by_name).unwrap();
    assert!(let_through.get(&server.url("good.example", "/a?b=c")).await.starts_with("HTTP/1.1 200"));
    assert!(stage.outcomes().iter().all(|(_, outcome)| matches!(outcome, Outcome::Reserved(_))));
}

#[tokio::test]
async fn an_address_that_is_listed_as_it_is_needs_nothing_more() {
    let server = server().await;
    let port = server.address.port();
    let stage = Stage::new(ProxyConfig::default(), &[format!("127.0.0.1:{port}")]).await;
    assert!(stage.get(&server.url("127.0.0.1", "/a?b=c")).await.starts_with("HTTP/1.1 200"));
    assert!(stage.get(&format!("http://127.0.0.2:{port}/")).await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn each_connection_is_checked_and_goes_where_was_checked() {
    let server = server().await;
    let stage = Stage::new(inside(), &[format!("turning.example:{}", server.address.port())]).await;
    let url = server.url("turning.example", "/a?b=c");
    assert!(stage.get(&url).await.starts_with("HTTP/1.1 200"));
    assert!(stage.get(&url).await.starts_with("HTTP/1.1 403"));
    assert_eq!(stage.resolver.asked().len(), 2);
}

#[tokio::test]
async fn a_host_that_is_not_there_or_says_nothing_is_told_of() {
    let stalled = server().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let hosts =
        [format!("good.example:{}", stalled.address.port()), format!("good.example:{free}"), "gone.example".to_owned()];
    let config = ProxyConfig { idle_timeout_ms: 100, ..inside() };
    let stage = Stage::new(config, &hosts).await;
    assert!(stage.connect(&format!("good.example:{free}")).await.starts_with("HTTP/1.1 502"));
    assert!(stage.connect("gone.example:443").await.starts_with("HTTP/1.1 502"));
    assert!(stage.outcomes().iter().all(|(_, outcome)| *outcome == Outcome::Failed));
    // Both ends carry nothing: whichever notices first ends it.
    let answer = stage.get(&stalled.url("good.example", "/")).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 502"), "{answer}");
}

#[tokio::test]
async fn what_one_connection_carries_is_bounded() {
    let large = "x".repeat(100_000);
    let server = Server::start([("/large", reply(200, "", &large))]).await;
    let stage = |bytes_max| {
        let config = ProxyConfig { bytes_max, ..inside() };
        let hosts = [format!("good.example:{}", server.address.port())];
        async move { Stage::new(config, &hosts).await }
    };
    let whole = stage(1 << 20).await.get(&server.url("good.example", "/large")).await;
    assert!(whole.len() > large.len());
    let cut = stage(50_000).await.get(&server.url("good.example", "/large")).await;
    assert!(cut.len() <= 51_000, "{}", cut.len());
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let server = server().await;
    let config = ProxyConfig { connections_max: 1, ..inside() };
    let stage = Stage::new(config, &[format!("good.example:{}", server.address.port())]).await;
    let first = TcpStream::connect(stage.address).await.unwrap();
    let url = server.url("good.example", "/a?b=c");
    let second = stage.get(&url);
    tokio::pin!(second);
    assert!(futures::poll!(&mut second).is_pending());
    drop(first);
    assert!(second.await.starts_with("HTTP/1.1 200"));
}
