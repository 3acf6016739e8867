use std::time::Duration;

use async_trait::async_trait;
use futures::stream;
use orchestrator_models::{
    Ask, ChatStream, Error, ErrorKind, Limits, ListedModel, Outcome, Provider, ProviderError, Request, Router,
};
use orchestrator_transcript::{Opening, Origin, StopReason, StreamEvent, Usage};
use serde_json::{Value, json};

use super::{ask, attempts, member, parts, router, said, scripted, trace, well, whole};

fn failing_after(pieces: u32, fault: Value) -> Value {
    let mut fault = fault;
    fault["afterPieces"] = json!(pieces);
    json!([{ "say": [{ "text": "half of an answer" }], "pieceChars": 4, "fault": fault }])
}

#[tokio::test(start_paused = true)]
async fn before_the_first_piece_another_may_answer_and_after_it_nobody_else() {
    let before = router(vec![scripted("a", failing_after(0, json!({ "error": "overloaded" }))), well("b")]);
    assert_eq!(said(&before).await, "b");
    let after = router(vec![scripted("a", failing_after(1, json!({ "error": "overloaded" }))), well("b")]);
    let error = whole(&after, ask()).await.expect_err("it broke off");
    assert!(matches!(&error, Error::Failed { source, .. } if source.kind == ErrorKind::Overloaded), "{error:?}");
    assert_eq!((attempts(&trace(&after)), trace(&after).outcome), (vec!["a: overloaded".into()], Outcome::Failed));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_in_a_time_out() {
    let limits = Limits { idle_timeout_ms: 2_000, timeout_ms: 9_000, ..Limits::default() };
    let silent = scripted("a", failing_after(1, json!({ "silent": true })));
    let in_the_middle = Router::new(parts(vec![silent], limits.clone())).expect("a router");
    let error = whole(&in_the_middle, ask()).await.expect_err("it fell silent");
    assert!(matches!(&error, Error::Failed { source, .. } if source.kind == ErrorKind::Timeout), "{error:?}");
    let mute = scripted("a", json!([{ "fault": { "silent": true } }]));
    let at_once = Router::new(parts(vec![mute, well("b")], limits)).expect("a router");
    assert_eq!(said(&at_once).await, "b");
    assert_eq!(trace(&at_once).attempts[0].took_ms, 9_000);
}

/// Keeps to no promise.
#[derive(Debug)]
struct Rude(fn() -> Vec<StreamEvent>);

#[async_trait]
impl Provider for Rude {
    fn name(&self) -> &str {
        "rude"
    }

    async fn chat(&self, _: Request) -> Result<ChatStream, ProviderError> {
        Ok(ChatStream::new(stream::iter((self.0)().into_iter().map(Ok))))
    }

    async fn count_tokens(&self, _: &Request) -> Result<u64, ProviderError> {
        Ok(0)
    }

    async fn list(&self) -> Result<Vec<ListedModel>, ProviderError> {
        Ok(vec![])
    }
}

fn started() -> StreamEvent {
    StreamEvent::Start { origin: Origin { provider: "rude".into(), model: "m".into() }, id: None }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_just_ends_is_truncated_and_never_an_answer() {
    let call = || {
        let block = Opening::ToolCall { id: "1".into(), name: "t".into() };
        vec![started(), StreamEvent::BlockStart { index: 0, block }, StreamEvent::BlockStop { index: 0 }]
    };
    for events in [(|| vec![]) as fn() -> Vec<StreamEvent>, || vec![started()], call] {
        let error = whole(&router(vec![member(Rude(events))]), ask()).await.expect_err("it is not whole");
        assert!(
            matches!(&error, Error::Failed { source, .. } if source.kind == ErrorKind::StreamTruncated),
            "{error:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn events_at_the_wrong_place_are_malformed() {
    let events = || vec![started(), StreamEvent::BlockStop { index: 3 }];
    let twice = || {
        let block =
            || StreamEvent::BlockStart { index: 0, block: Opening::ToolCall { id: "1".into(), name: "t".into() } };
        vec![started(), block(), block()]
    };
    assert_eq!(whole(&router(vec![member(Rude(events)), well("b")]), ask()).await.expect("b").message.text(), "b");
    let error = whole(&router(vec![member(Rude(twice)), well("b")]), ask()).await.expect_err("it is nonsense");
    assert!(matches!(&error, Error::Failed { source, .. } if source.kind == ErrorKind::Malformed), "{error:?}");
}

#[tokio::test]
async fn a_paused_turn_goes_on_as_one_answer_a_bounded_number_of_times() {
    let paused = json!({ "kind": "pause_turn" });
    let usage = json!({ "input": 10, "output": 5 });
    let rules = json!([
        { "when": { "turn": 1 }, "say": [{ "text": "one " }], "stop": paused, "usage": usage },
        { "when": { "turn": 2 }, "say": [{ "text": "two " }], "stop": paused, "usage": usage },
        { "say": [{ "text": "three" }], "usage": usage },
    ]);
    let all = router(vec![scripted("a", rules.clone())]);
    let reply = whole(&all, ask()).await.expect("an answer");
    assert_eq!((reply.message.text().as_str(), reply.stop.reason), ("one two three", StopReason::EndTurn));
    assert_eq!(reply.usage, Usage { input: 30, output: 15, ..Usage::default() });
    assert_eq!(trace(&all).continuations, 2);

    let limits = Limits { continuations_max: 1, ..Limits::default() };
    let capped = Router::new(parts(vec![scripted("a", rules)], limits)).expect("a router");
    let reply = whole(&capped, ask()).await.expect("an answer");
    assert_eq!((reply.message.text().as_str(), reply.stop.reason), ("one two ", StopReason::PauseTurn));
}

#[tokio::test]
async fn who_goes_away_leaves_a_trace_and_a_free_place() {
    let mut only = well("a");
    only.concurrent_max = 1;
    let router = router(vec![only]);
    drop(router.chat(ask()).await.expect("an answer"));
    assert_eq!(trace(&router).outcome, Outcome::Abandoned);
    assert_eq!(router.status()[0].in_flight, 0);
    assert_eq!(said(&router).await, "a");
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_is_sent_on() {
    let mut narrow =
        scripted("a", json!([{ "say": [{ "text": "a long answer, in pieces" }], "pieceDelayMs": 60_000 }]));
    narrow.concurrent_max = 1;
    let limits = Limits { idle_timeout_ms: 600_000, queue_ms: 1_000, ..Limits::default() };
    let router = Router::new(parts(vec![narrow, well("b")], limits)).expect("a router");
    let first = router.chat(ask()).await.expect("an answer");
    assert_eq!(said(&router).await, "b");
    assert_eq!(attempts(&trace(&router)), ["a: busy", "b"]);
    drop(first);
    let alone = Ask { model: Some("a/m".into()), may_fall_back: false, ..ask() };
    whole(&router, alone).await.expect("the place is free");
}

#[tokio::test(start_paused = true)]
async fn requests_per_minute_are_waited_for() {
    let mut slow = well("a");
    slow.per_minute_max = Some(1);
    let limits = Limits { queue_ms: 90_000, ..Limits::default() };
    let router = Router::new(parts(vec![slow], limits)).expect("a router");
    let begun = tokio::time::Instant::now();
    said(&router).await;
    said(&router).await;
    assert!(begun.elapsed() >= Duration::from_secs(60));
}
