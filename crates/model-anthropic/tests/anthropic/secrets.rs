//! Where the key must not be: in what is printed, in errors, at another address.

use orchestrator_models::{ErrorKind, Provider as _, ProviderError, Request};
use orchestrator_transcript::Message;
use orchestrator_vocab::Label;
use serde_json::json;

use crate::KEY;
use crate::answers::{error, events, start};
use crate::upstream::{Answer, Upstream};

fn request() -> Request {
    Request::new("claude-sonnet-5", vec![Message::user(Label::USER, "hello")])
}

#[track_caller]
fn hides(shown: &str) {
    assert!(!shown.contains(KEY), "{shown}");
}

async fn failure(upstream: &Upstream) -> ProviderError {
    let provider = crate::provider(crate::config(&upstream.url));
    hides(&format!("{provider:?}"));
    match provider.chat(request()).await {
        Ok(stream) => stream.collect(Label::USER).await.unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let thief = Upstream::start(|_| Answer::json(200, &json!({}))).await;
    let address = format!("{}/v1/messages", thief.url);
    let upstream = Upstream::start(move |_| Answer::json(307, &json!({})).with("location", &address)).await;
    let error = failure(&upstream).await;
    assert_eq!((error.kind, error.status), (ErrorKind::Malformed, Some(307)));
    assert_eq!((upstream.seen().len(), thief.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_server_that_repeats_the_key_is_not_repeated() {
    let repeats = || error("authentication_error", &format!("invalid x-api-key: {KEY}"));
    for answer in [
        Answer::json(401, &repeats()),
        Answer::events(events(&[start(), repeats()])),
        Answer { body: format!("no: {KEY}"), ..Answer::json(400, &json!({})) },
    ] {
        let upstream = Upstream::start(move |_| answer.clone()).await;
        let error = failure(&upstream).await;
        hides(&format!("{error} {error:?}"));
        assert_eq!(upstream.seen()[0].headers["x-api-key"], KEY, "but it was sent");
    }
}

#[tokio::test]
async fn nothing_is_tried_twice() {
    let upstream = Upstream::start(|_| Answer::json(500, &error("api_error", "oops"))).await;
    assert_eq!(failure(&upstream).await.kind, ErrorKind::Server);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_without_the_encryption_that_was_asked_for() {
    let mut upstream = Upstream::start(|_| Answer::json(200, &json!({}))).await;
    upstream.url = upstream.url.replace("http:", "https:");
    assert_eq!(failure(&upstream).await.kind, ErrorKind::Connection);
    assert_eq!(upstream.seen().len(), 0);
}
