//! Keys, redirects, and requests that nobody wants any more.

use std::error::Error as _;
use std::sync::Arc;

use orchestrator_model_openai::{Api, Config, OpenAi, Options};
use orchestrator_models::{ErrorKind, Provider as _, ProviderError, Request};
use orchestrator_transcript::Message;
use orchestrator_vocab::{Label, SystemClock};
use serde_json::json;
use tokio::net::TcpListener;

use crate::answers::{KEY, chunk, config, error, events, json, provider};
use crate::upstream::{Answer, Ending, Upstream};

fn request() -> Request {
    Request::new("gpt-test", vec![Message::user(Label::USER, "hello")])
}

/// All that can be printed of an error.
fn printed(error: &ProviderError) -> String {
    let mut all = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        all.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    all
}

#[tokio::test]
async fn credentials_go_in_headers_and_nowhere_else() {
    let upstream = Upstream::new(|_| json(200, &json!({ "data": [{ "id": "b" }, { "id": "a" }] }))).await;
    let config = Config {
        base_url: format!("{}/", upstream.url),
        options: Options { organization: Some("org-1".into()), project: Some("proj-1".into()), ..Options::default() },
        ..config()
    };
    let provider = OpenAi::new("openai", config, Arc::new(SystemClock)).unwrap();
    let models: Vec<_> = provider.list().await.unwrap().into_iter().map(|model| model.id).collect();
    assert_eq!(models, ["a", "b"]);
    let asked = upstream.last();
    assert_eq!(asked.path, "/v1/models");
    assert_eq!(asked.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(
        (asked.headers["openai-organization"].as_str(), asked.headers["openai-project"].as_str()),
        ("org-1", "proj-1")
    );
    assert!(!format!("{provider:?}").contains(KEY));
}

#[tokio::test]
async fn a_key_that_the_server_repeats_is_not_told() {
    let said =
        json!({ "error": { "message": format!("Incorrect API key provided: {KEY}."), "code": "invalid_api_key" } });
    let upstream = Upstream::new(move |_| json(401, &said)).await;
    let error = provider(&upstream, Api::Chat).chat(request()).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Authentication, "Incorrect API key provided: ***."));
    assert!(!printed(&error).contains(KEY));
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = Config { base_url: format!("http://{address}/v1"), ..config() };
    let provider = OpenAi::new("openai", nobody, Arc::new(SystemClock)).unwrap();
    assert!(!printed(&provider.probe().await.unwrap_err()).contains(KEY));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Upstream::new(|_| json(200, &json!({ "data": [] }))).await;
    let to: &'static str = Box::leak(format!("{}/models", elsewhere.url).into_boxed_str());
    let upstream = Upstream::new(move |_| {
        let mut answer = json(307, &json!({}));
        answer.headers.push(("location", to));
        answer
    })
    .await;
    for error in [
        provider(&upstream, Api::Chat).list().await.unwrap_err(),
        provider(&upstream, Api::Responses).chat(request()).await.unwrap_err(),
    ] {
        assert_eq!((error.kind, error.status), (ErrorKind::Malformed, Some(307)));
    }
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn nothing_is_tried_twice() {
    let upstream = Upstream::new(|_| error(503, "server_error", "")).await;
    provider(&upstream, Api::Chat).chat(request()).await.unwrap_err();
    assert_eq!(upstream.asked().len(), 1);
    let broken = Answer { ending: Ending::Broken, ..events([chunk(json!({ "content": "x" }), None)]) };
    let upstream = Upstream::new(move |_| broken.clone()).await;
    let stream = provider(&upstream, Api::Chat).chat(request()).await.unwrap();
    stream.collect(Label::USER).await.unwrap_err();
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn dropping_the_stream_ends_the_request() {
    let silent = Answer { ending: Ending::Silence, ..events([chunk(json!({ "content": "x" }), None)]) };
    let mut upstream = Upstream::new(move |_| silent.clone()).await;
    let provider = provider(&upstream, Api::Chat);
    let mut stream = provider.chat(request()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    upstream.left().await;
}
