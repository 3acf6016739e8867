use std::time::Duration;

use orchestrator_client::{Client, Config, Error, Reconnect};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::server::{Server, patiently};

async fn refused(config: Config) -> Error {
    patiently(Client::connect(config)).await.expect_err("it should not connect")
}

#[tokio::test]
async fn nobody_there_is_told_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = refused(Config::new(format!("http://{address}"))).await;
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn somebody_silent_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let error = refused(Config { connect_timeout: Duration::from_millis(20), ..Config::new(url) }).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_credential_that_is_refused_is_not_tried_again() {
    let server = Server::start().await;
    server.stage().refusals.push_back(401);
    assert!(matches!(refused(server.config()).await, Error::Unauthorized(_)));

    let client = server.client().await;
    server.stage().refusals.push_back(401);
    server.cut();
    let error = patiently(client.call::<_, Value>("thing.paint", &json!({}))).await.unwrap_err();
    // The call may have left just before the break; the one after it meets the ended client.
    assert!(matches!(error, Error::Unauthorized(_) | Error::Disconnected), "{error:?}");
    let error = patiently(client.call::<_, Value>("thing.paint", &json!({}))).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized(_)), "{error:?}");
    assert_eq!(server.stage().tokens.len(), 3);
}

#[tokio::test]
async fn a_daemon_that_is_busy_is_tried_again() {
    let server = Server::start().await;
    let client = server.client().await;
    server.stage().refusals.extend([503, 429, 502]);
    server.cut();
    assert_eq!(patiently(client.call::<_, Value>("thing.get", &json!({}))).await.unwrap(), "done");
    assert_eq!(server.stage().tokens.len(), 5);
}

#[tokio::test]
async fn attempts_may_be_bounded() {
    let server = Server::start().await;
    let reconnect = Reconnect { attempts_max: Some(2), ..server.config().reconnect };
    let client = patiently(Client::connect(Config { reconnect, ..server.config() })).await.unwrap();
    server.stage().refusals.extend([503, 503, 503]);
    server.cut();
    let error = patiently(client.call::<_, Value>("thing.get", &json!({}))).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    assert_eq!(server.stage().tokens.len(), 3);
}

#[tokio::test]
async fn a_token_is_not_sent_unencrypted_over_a_network() {
    let error = refused(Config::new("http://daemon.example:8787").token("orc_secret")).await;
    assert!(matches!(&error, Error::Insecure { host } if host == "daemon.example"), "{error:?}");
    assert!(!format!("{:?}", Config::new("http://a").token("orc_secret")).contains("orc_secret"));
}

#[tokio::test]
async fn a_closed_client_answers_nothing_more() {
    let server = Server::start().await;
    server.stage().swallow = true;
    let client = server.client().await;
    let other = client.clone();
    let call = other.call::<_, Value>("thing.paint", &());
    let close = async {
        server.swallowed.notified().await;
        client.close().await;
    };
    let (outcome, ()) = patiently(async { tokio::join!(call, close) }).await;
    assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
    assert!(matches!(other.call::<_, Value>("thing.echo", &()).await, Err(Error::Closed)));
}

#[tokio::test]
async fn a_daemon_that_falls_silent_is_given_up_and_found_again() {
    // The first connection is accepted and never answers anything, not even pings.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deaf = std::sync::atomic::AtomicU32::new(0);
    let server = Server::on(listener, move |stream| {
        let number = deaf.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            if number > 0 {
                return Some(stream);
            }
            let ws = tokio_tungstenite::accept_async(stream).await.unwrap();
            std::mem::forget(ws); // open, but nobody reads
            None
        }
    })
    .await;
    let config = Config { silence_max: Duration::from_millis(20), ..server.config() };
    let client = patiently(Client::connect(config)).await.unwrap();
    assert_eq!(patiently(client.call::<_, Value>("thing.get", &json!({}))).await.unwrap(), "done");
}
