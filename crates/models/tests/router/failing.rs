use std::time::Duration;

use orchestrator_models::{Ask, Error, ErrorKind, Limits, OnRefusal, ProviderHealth, Router};
use orchestrator_transcript::StopReason;
use serde_json::json;
use tokio::time::Instant;

use super::{ask, attempts, parts, router, said, scripted, sick, trace, well, whole};

fn kind(error: &Error) -> Option<ErrorKind> {
    match error {
        Error::Failed { source, .. } => Some(source.kind),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_tried_again_and_then_another_is_asked() {
    let router = router(vec![sick("a", 9, &json!({ "error": "overloaded" })), well("b")]);
    assert_eq!(said(&router).await, "b");
    assert_eq!(attempts(&trace(&router)), ["a: overloaded", "a: overloaded", "a: overloaded", "b"]);
}

#[tokio::test(start_paused = true)]
async fn the_provider_says_how_long_to_wait() {
    let router = router(vec![sick("a", 1, &json!({ "error": "rate_limited", "retryAfterMs": 7000 }))]);
    let begun = Instant::now();
    assert_eq!(said(&router).await, "a");
    assert_eq!(begun.elapsed().as_secs(), 7);
    assert_eq!(trace(&router).attempts[1].waited_ms, 7_000);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_request_is_not_sent_to_anybody_else() {
    let router = router(vec![sick("a", 9, &json!({ "error": "invalid_request" })), well("b")]);
    let error = whole(&router, ask()).await.expect_err("it is wrong");
    assert_eq!(kind(&error), Some(ErrorKind::InvalidRequest));
    assert_eq!(attempts(&trace(&router)), ["a: invalid_request"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_forbids_is_not_tried_again() {
    let router = router(vec![sick("a", 9, &json!({ "error": "server", "shouldRetry": false })), well("b")]);
    assert_eq!(said(&router).await, "b");
    assert_eq!(attempts(&trace(&router)), ["a: server", "b"]);
}

#[tokio::test(start_paused = true)]
async fn who_was_asked_for_alone_is_asked_alone() {
    let router = router(vec![well("a"), sick("b", 9, &json!({ "error": "billing" }))]);
    let alone = Ask { model: Some("b/m".into()), may_fall_back: false, ..ask() };
    assert_eq!(kind(&whole(&router, alone.clone()).await.expect_err("b is alone")), Some(ErrorKind::Billing));
    let with_others = Ask { may_fall_back: true, ..alone };
    assert_eq!(whole(&router, with_others).await.expect("an answer").message.text(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_failure_tells_when_the_first_provider_may_be_asked_again() {
    let wait = |router: Router| async move { whole(&router, ask()).await.expect_err("all are sick").retry_in() };
    let limited = |name: &str, millis: u64| {
        let fault = json!({ "error": "rate_limited", "status": 429, "retryAfterMs": millis });
        sick(name, 99, &fault)
    };
    // Longer than is waited for; the first of two counts.
    assert_eq!(wait(router(vec![limited("a", 300_000)])).await, Some(Duration::from_secs(300)));
    assert_eq!(wait(router(vec![limited("a", 300_000), limited("b", 90_000)])).await, Some(Duration::from_secs(90)));
    let wrong = sick("b", 99, &json!({ "error": "authentication", "status": 401 }));
    assert_eq!(wait(router(vec![limited("a", 300_000), wrong])).await, Some(Duration::from_secs(300)));
    // The circuit is open longer than the provider asked for.
    let limits = Limits { failures_min: 2, rest_ms: 40_000, ..Limits::default() };
    let server = json!({ "error": "server", "status": 500, "retryAfterMs": 0 });
    let opened = Router::new(parts(vec![sick("a", 99, &server)], limits)).expect("a router");
    assert_eq!(wait(opened).await, Some(Duration::from_secs(40)));
    // The request is at fault: waiting does not help.
    let invalid = sick("a", 99, &json!({ "error": "invalid_request", "status": 400 }));
    assert_eq!(wait(router(vec![invalid])).await, None);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_over_all_models() {
    let fault = json!({ "error": "server", "retryAfterMs": 0 });
    let members = ["a", "b", "c", "d"].map(|name| sick(name, 99, &fault)).into();
    let router = router(members);
    whole(&router, ask()).await.expect_err("all are sick");
    assert_eq!(trace(&router).attempts.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_circuit_opens_is_probed_and_closes() {
    let limits = Limits { failures_min: 3, rest_ms: 5_000, ..Limits::default() };
    let router = Router::new(parts(vec![sick("a", 4, &json!({ "error": "server", "retryAfterMs": 0 }))], limits))
        .expect("a router");
    whole(&router, ask()).await.expect_err("three failures");
    assert_eq!(router.status()[0].health, ProviderHealth::Resting);
    let refusal = whole(&router, ask()).await.expect_err("it is left alone");
    assert!(refusal.is_retryable() && refusal.to_string().contains("a/m is left alone for"), "{refusal}");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(router.status()[0].health, ProviderHealth::Probing);
    whole(&router, ask()).await.expect_err("the probe fails");
    assert_eq!(attempts(&trace(&router)), ["a: server"], "one probe, and no retry");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(said(&router).await, "a");
    assert_eq!(router.status()[0].health, ProviderHealth::Healthy);
}

#[tokio::test]
async fn a_refusal_is_the_answer_unless_others_may_be_asked() {
    let refusing = || scripted("a", json!([{ "stop": { "kind": "refusal", "category": "bio" } }]));
    let stop = router(vec![refusing(), well("b")]);
    let reply = whole(&stop, ask()).await.expect("an answer");
    assert!(matches!(reply.stop.reason, StopReason::Refusal { .. }));

    let fallback = |members| {
        let parts = orchestrator_models::Parts { on_refusal: OnRefusal::Fallback, ..parts(members, Limits::default()) };
        Router::new(parts).expect("a router")
    };
    let two = fallback(vec![refusing(), well("b")]);
    assert_eq!(said(&two).await, "b");
    assert_eq!(attempts(&trace(&two)), ["a: refused", "b"]);
    let reply = whole(&fallback(vec![refusing()]), ask()).await.expect("an answer");
    assert!(matches!(reply.stop.reason, StopReason::Refusal { .. }), "nobody is left");
}
