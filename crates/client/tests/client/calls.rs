use std::time::Duration;

use futures::future::join_all;
use orchestrator_client::{CallOptions, Error, Repeat};
use orchestrator_rpc::Code;
use serde_json::{Value, json};

use crate::server::{Server, patiently};

#[tokio::test]
async fn many_calls_share_a_connection_and_each_gets_its_own_answer() {
    let server = Server::start().await;
    let client = server.client().await;
    let calls = (0..500_u32).map(|number| {
        let client = client.clone();
        async move { client.call::<_, Value>("thing.echo", &json!({ "number": number })).await.unwrap() }
    });
    let answers = patiently(join_all(calls)).await;
    assert!(answers.iter().enumerate().all(|(number, answer)| answer["number"] == number));
    assert_eq!(server.stage().tokens, ["Bearer orc_secret"]);
}

#[tokio::test]
async fn a_refusal_keeps_its_code_and_field() {
    let server = Server::start().await;
    let client = server.client().await;
    let error = patiently(client.call::<_, Value>("thing.missing", &())).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (Some(Code::NotFound), false));
    let Error::Refused(error) = error else { panic!("{error:?}") };
    assert_eq!((error.message.as_str(), error.field.as_deref()), ("no thing t", Some("thingId")));
}

#[tokio::test]
async fn a_call_that_is_put_off_is_made_again() {
    let server = Server::start().await;
    let client = server.client().await;
    assert_eq!(patiently(client.call::<_, Value>("thing.limited", &())).await.unwrap(), "done");
    assert_eq!(server.stage().seen, ["thing.limited", "thing.limited"]);
}

#[tokio::test]
async fn a_call_that_is_never_answered_times_out() {
    let server = Server::start().await;
    server.stage().swallow = true;
    let client = server.client().await;
    let options = CallOptions { timeout: Some(Duration::from_millis(20)), ..CallOptions::default() };
    let error = patiently(client.call_raw("thing.paint", None, options)).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
    assert_eq!(patiently(client.call::<_, Value>("thing.echo", &json!({}))).await.unwrap(), json!({}));
}

#[tokio::test]
async fn an_answer_of_another_type_is_told_apart() {
    let server = Server::start().await;
    let client = server.client().await;
    let error = patiently(client.call::<_, u32>("thing.echo", &json!({}))).await.unwrap_err();
    assert!(matches!(error, Error::Unexpected { .. }), "{error:?}");
}

/// What becomes of a call whose connection breaks before its answer.
async fn broken(method: &str, params: Value, repeat: Repeat) -> Result<String, Error> {
    let server = Server::start().await;
    server.stage().swallow = true;
    let client = server.client().await;
    let params = serde_json::value::to_raw_value(&params).unwrap();
    let call = client.call_raw(method, Some(params), CallOptions { repeat, ..CallOptions::default() });
    let cut = async {
        server.swallowed.notified().await;
        server.cut();
    };
    let (outcome, ()) = patiently(async { tokio::join!(call, cut) }).await;
    outcome.map(|result| result.get().to_owned())
}

#[tokio::test]
async fn reading_and_keyed_calls_are_sent_again_after_a_break() {
    assert_eq!(broken("thing.get", json!({}), Repeat::IfHarmless).await.unwrap(), r#""done""#);
    assert_eq!(broken("thing.create", json!({"idempotencyKey": "k"}), Repeat::IfHarmless).await.unwrap(), r#""done""#);
    assert_eq!(broken("thing.paint", json!({}), Repeat::Yes).await.unwrap(), r#""done""#);
}

#[tokio::test]
async fn other_calls_fail_after_a_break_and_may_be_retried_by_the_caller() {
    for (method, repeat) in [("thing.create", Repeat::IfHarmless), ("thing.get", Repeat::No)] {
        let error = broken(method, json!({}), repeat).await.unwrap_err();
        assert!(matches!(error, Error::Disconnected) && error.is_retryable(), "{error:?}");
    }
}
