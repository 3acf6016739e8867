//! Who is connected to, seen from both ends.

use orchestrator_egress::{Client, Config, Error, Request};

use crate::support::{Script, Server, redirect, reply};

fn allowing(hosts: &[&str]) -> Config {
    Config { allow_hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(), ..Config::default() }
}

async fn hello() -> Server {
    Server::start([("/", reply(200, "", "hello"))]).await
}

#[tokio::test]
async fn a_name_of_this_machine_is_refused_unless_it_is_listed() {
    let (server, script) = (hello().await, Script::new(&[("a.example", &[&["127.0.0.1"]])]));
    let url = server.url("a.example", "/");

    let error = script.client(Config::default()).send(Request::get(&url)).await.unwrap_err();
    assert_eq!(error.to_string(), "a.example is refused: its address is a loopback address");
    assert!(error.is_refusal() && !error.is_retryable());
    assert!(server.requests().is_empty());

    let networks = Config { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], ..Config::default() };
    for config in [allowing(&["a.example"]), allowing(&["*.example"]), networks] {
        let response = script.client(config).send(Request::get(&url)).await.unwrap();
        assert_eq!((response.status, &*response.body), (200, b"hello".as_slice()));
    }
    script.client(allowing(&["b.example"])).send(Request::get(&url)).await.unwrap_err();
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn an_address_in_the_place_of_a_name_is_refused_unless_it_is_listed() {
    let (server, script) = (hello().await, Script::new(&[]));
    for host in ["127.0.0.1", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let error = script.client(Config::default()).send(Request::get(server.url(host, "/"))).await.unwrap_err();
        assert!(matches!(error, Error::Reserved { .. }), "{error}");
    }
    let response = script.client(allowing(&["127.0.0.1"])).send(Request::get(server.url("0x7f.1", "/"))).await.unwrap();
    assert_eq!(response.url, server.url("127.0.0.1", "/"));
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn the_system_resolver_is_checked_like_any_other() {
    let server = hello().await;
    let error =
        Client::new(Config::default()).unwrap().send(Request::get(server.url("localhost", "/"))).await.unwrap_err();
    assert!(matches!(error, Error::Reserved { .. }), "{error}");
    Client::new(allowing(&["localhost"])).unwrap().send(Request::get(server.url("localhost", "/"))).await.unwrap();
}

#[tokio::test]
async fn one_bad_address_among_good_ones_is_refused() {
    let script = Script::new(&[("a.example", &[&["93.184.215.14", "10.0.0.1"]])]);
    let error = script.client(Config::default()).send(Request::get("http://a.example/")).await.unwrap_err();
    let Error::Reserved { address, network, .. } = error else { panic!("{error}") };
    assert_eq!((address.to_string().as_str(), network), ("10.0.0.1", "a private network"));
}

#[tokio::test]
async fn a_name_is_asked_for_once_for_each_connection() {
    let (server, answers): (_, &[&[&str]]) = (hello().await, &[&["127.0.0.1"], &["127.0.0.2"]]);
    let script = Script::new(&[("a.example", answers)]);
    let client = script.client(Config { allow_networks: vec!["127.0.0.1/32".parse().unwrap()], ..Config::default() });

    // What was checked is what is connected to: a second answer is not asked for, so it cannot take the place of the first.
    client.send(Request::get(server.url("a.example", "/"))).await.unwrap();
    assert_eq!(script.asked(), ["a.example"]);
    // The server closed that connection. The next one is checked again.
    let error = client.send(Request::get(server.url("a.example", "/"))).await.unwrap_err();
    assert!(matches!(error, Error::Reserved { .. }), "{error}");
    assert_eq!((server.requests().len(), script.asked().len()), (1, 2));
}

#[tokio::test]
async fn a_redirect_is_checked_like_a_request() {
    let target = hello().await;
    let to = target.url("b.example", "/");
    let server =
        Server::start([("/", redirect(302, &to)), ("/literal", redirect(302, &target.url("127.0.0.1", "/")))]).await;
    let script = Script::new(&[("a.example", &[&["127.0.0.1"]]), ("b.example", &[&["127.0.0.1"]])]);

    for path in ["/", "/literal"] {
        let request = Request::get(server.url("a.example", path));
        let error = script.client(allowing(&["a.example"])).send(request).await.unwrap_err();
        assert!(matches!(error, Error::Reserved { .. }), "{error}");
    }
    assert!(target.requests().is_empty());
    let both = allowing(&["a.example", "b.example"]);
    let only_first = Config { only_hosts: Some(vec!["a.example".parse().unwrap()]), ..both.clone() };
    let error = script.client(only_first).send(Request::get(server.url("a.example", "/"))).await.unwrap_err();
    assert_eq!(error.to_string(), "b.example is none of the hosts that may be asked");

    let request =
        Request::get(server.url("a.example", "/")).header("Authorization", "Bearer x").header("Cookie", "c=d");
    let response = script.client(both).send(request).await.unwrap();
    assert_eq!((response.status, response.url.as_str()), (200, to.as_str()));
    assert!(server.requests().last().unwrap().contains("authorization: bearer x"));
    let [reached] = &target.requests()[..] else { panic!("one request") };
    assert!(!reached.contains("authorization") && !reached.contains("cookie"), "{reached}");
}

#[tokio::test]
async fn with_only_hosts_no_other_is_even_looked_up() {
    let (server, script) = (hello().await, Script::new(&[("a.example", &[&["127.0.0.1"]])]));
    let config = Config { only_hosts: Some(vec!["a.example".parse().unwrap()]), ..allowing(&["a.example"]) };
    let client = script.client(config);
    let error = client.send(Request::get("http://b.example/")).await.unwrap_err();
    assert!(matches!(error, Error::NotListed { .. }), "{error}");
    assert!(script.asked().is_empty());
    client.send(Request::get(server.url("a.example", "/"))).await.unwrap();
}
