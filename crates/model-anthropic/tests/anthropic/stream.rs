//! What comes back, in shapes that the conformance suite does not ask for.

use orchestrator_models::{ErrorKind, Provider as _, ProviderError, Request};
use orchestrator_transcript::{Content, Message, Reply, Stop, StopReason, Usage};
use orchestrator_vocab::Label;
use serde_json::{Value, json};

use crate::answers::{call, closed, delta, error, events, opened, start, stopped, stopped_with, text, whole_text};
use crate::upstream::{Answer, Then, Upstream};

fn request() -> Request {
    Request::new("claude-sonnet-5", vec![Message::user(Label::USER, "hello")])
}

async fn answered(answer: Answer) -> Result<Reply, ProviderError> {
    let upstream = Upstream::start(move |_| answer.clone()).await;
    let provider = crate::provider(crate::config(&upstream.url));
    provider.chat(request()).await?.collect(Label::USER).await
}

async fn said(middle: &[Vec<Value>]) -> Reply {
    let all = [vec![start()], middle.concat()].concat();
    answered(Answer::events(events(&all))).await.unwrap()
}

async fn stop(delta: Value) -> Stop {
    said(&[text(0, &["a"]), stopped_with(&delta)]).await.stop
}

#[tokio::test]
async fn every_reason_to_stop_keeps_its_word() {
    for (raw, reason) in [
        ("end_turn", StopReason::EndTurn),
        ("max_tokens", StopReason::MaxTokens),
        ("tool_use", StopReason::ToolUse),
        ("pause_turn", StopReason::PauseTurn),
        ("model_context_window_exceeded", StopReason::ModelContextWindowExceeded),
        ("compaction", StopReason::Compaction),
        ("tired", StopReason::Other),
    ] {
        assert_eq!(stop(json!({ "stop_reason": raw })).await, Stop::new(reason, raw));
    }
    let sequence = StopReason::StopSequence { sequence: Some("END".into()) };
    let told = json!({ "stop_reason": "stop_sequence", "stop_sequence": "END" });
    assert_eq!(stop(told).await, Stop::new(sequence, "stop_sequence"));
}

#[tokio::test]
async fn a_refusal_says_why() {
    let details = json!({ "type": "refusal", "category": "bio", "explanation": "dangerous" });
    let told = stop(json!({ "stop_reason": "refusal", "stop_details": details })).await;
    let reason = StopReason::Refusal { category: Some("bio".into()), explanation: Some("dangerous".into()) };
    assert_eq!(told, Stop::new(reason, "refusal"));
}

#[tokio::test]
async fn thinking_that_is_not_shown_keeps_its_signature() {
    let thinking = vec![
        opened(0, &json!({ "type": "thinking", "thinking": "", "signature": "" })),
        delta(0, &json!({ "type": "signature_delta", "signature": "proof" })),
        closed(0),
        opened(1, &json!({ "type": "redacted_thinking", "data": "sealed" })),
        closed(1),
    ];
    let reply = said(&[thinking, whole_text(2), stopped("end_turn")]).await;
    let contents: Vec<_> = reply.message.content.into_iter().map(|block| block.content).collect();
    let hidden = Content::Thinking { text: String::new(), signature: Some("proof".into()) };
    assert_eq!(contents[..2], [hidden, Content::RedactedThinking { data: "sealed".into() }]);
}

#[tokio::test]
async fn what_only_the_provider_understands_comes_whole() {
    let server = json!({ "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {} });
    let found =
        json!({ "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{ "url": "https://a" }] });
    let past = json!({ "type": "compaction", "content": null });
    let blocks = vec![
        opened(0, &server),
        delta(0, &json!({ "type": "input_json_delta", "partial_json": "{\"query\":" })),
        delta(0, &json!({ "type": "input_json_delta", "partial_json": " \"tea\"}" })),
        closed(0),
        opened(1, &found),
        closed(1),
        opened(2, &past),
        delta(2, &json!({ "type": "compaction_delta", "content": "so " })),
        delta(2, &json!({ "type": "compaction_delta", "content": "far" })),
        closed(2),
    ];
    let reply = said(&[blocks, text(3, &["Tea."]), stopped("end_turn")]).await;
    let opaque = |value: Value| Content::Opaque { provider: "claude".into(), value };
    let contents: Vec<_> = reply.message.content.into_iter().map(|block| block.content).collect();
    let searched =
        json!({ "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": { "query": "tea" } });
    let past = json!({ "type": "compaction", "content": "so far" });
    assert_eq!(contents[..3], [opaque(searched), opaque(found), opaque(past)]);
}

#[tokio::test]
async fn arguments_may_come_at_once_or_not_at_all() {
    let at_once = json!({ "type": "tool_use", "id": "a", "name": "read", "input": { "path": "a.txt" } });
    let blocks = vec![opened(0, &at_once), closed(0)];
    let reply = said(&[blocks, call(1, "b", &[]), stopped("tool_use")]).await;
    let arguments: Vec<_> = reply.message.tool_calls().map(|call| call.arguments.clone()).collect();
    assert_eq!(arguments, [json!({ "path": "a.txt" }), json!({})]);
}

#[tokio::test]
async fn usage_is_the_last_that_was_told() {
    let mut start = start();
    start["message"]["usage"] = json!({
        "input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 30, "output_tokens": 1,
        "cache_creation": { "ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20 },
    });
    let last = json!({
        "cache_creation_input_tokens": 34, "output_tokens": 50, "output_tokens_details": { "thinking_tokens": 40 },
    });
    let end = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": last });
    let all = [vec![start], text(0, &["a"]), vec![end, json!({ "type": "message_stop" })]].concat();
    let usage = answered(Answer::events(events(&all))).await.unwrap().usage;
    let expected = Usage { input: 5, cache_read: 7, cache_write_5m: 14, cache_write_1h: 20, output: 50, reasoning: 40 };
    assert_eq!(usage, expected);
}

#[tokio::test]
async fn what_is_new_is_passed_over() {
    let new = vec![
        json!({ "type": "moon_phase", "phase": "full" }),
        opened(0, &json!({ "type": "text", "text": "" })),
        delta(0, &json!({ "type": "citations_delta", "citation": { "cited_text": "x" } })),
        delta(0, &json!({ "type": "text_delta", "text": "still here" })),
        closed(0),
    ];
    assert_eq!(said(&[new, stopped("end_turn")]).await.message.text(), "still here");
}

#[tokio::test]
async fn events_in_the_wrong_place_are_malformed() {
    for wrong in [
        vec![start(), start()],
        text(0, &["before the start"]),
        vec![start(), delta(0, &json!({ "type": "text_delta", "text": "not open" }))],
        vec![start(), opened(0, &json!({ "type": "text", "text": "" })), json!({ "type": "message_stop" })],
        vec![start(), opened(0, &json!({ "type": "tool_use", "id": "", "name": "read", "input": {} }))],
    ] {
        let error = answered(Answer::events(events(&wrong))).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{error:?}");
        assert_eq!(error.request_id.as_deref(), Some("req_1"));
    }
}

#[tokio::test]
async fn an_end_without_a_reason_is_no_end() {
    let all = [vec![start()], text(0, &["a"]), vec![json!({ "type": "message_stop" })]].concat();
    let error = answered(Answer::events(events(&all))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::StreamTruncated);
}

#[tokio::test]
async fn a_connection_that_breaks_is_truncated_wherever_it_breaks() {
    let all = [vec![start()], whole_text(0), stopped("end_turn")].concat();
    for length in 1..all.len() {
        let answer = Answer::events(events(&all[..length])).then(Then::Breaks);
        let error = answered(answer).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::StreamTruncated, "after {length} events");
    }
    answered(Answer::events(events(&all)).then(Then::Silence)).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_malformed() {
    let error = answered(Answer::json(200, &json!({ "type": "message" }))).await.unwrap_err();
    assert_eq!((error.kind, error.request_id.as_deref()), (ErrorKind::Malformed, Some("req_1")));
}

#[tokio::test]
async fn an_error_says_all_that_is_known() {
    let answer = Answer::json(429, &error("rate_limit_error", "Slow down")).with("retry-after-ms", "1500");
    let error = answered(answer).await.unwrap_err();
    assert_eq!((error.status, error.raw_kind.as_deref()), (Some(429), Some("rate_limit_error")));
    assert_eq!((error.message.as_str(), error.request_id.as_deref()), ("Slow down", Some("req_1")));
    assert_eq!(error.retry_after().unwrap().as_millis(), 1_500);
}

#[tokio::test]
async fn a_page_of_a_proxy_is_judged_by_its_status() {
    let page = Answer { body: "<html>Bad Gateway</html>".into(), ..Answer::json(502, &json!({})) };
    let error = answered(page).await.unwrap_err();
    assert_eq!((error.kind, error.is_retryable()), (ErrorKind::Server, true));
    assert!(error.message.contains("Bad Gateway"), "{}", error.message);
}

#[tokio::test]
async fn dropping_the_answer_closes_the_request() {
    let begun = [vec![start()], text(0, &["one"])].concat();
    let upstream = Upstream::start(move |_| Answer::events(events(&begun)).then(Then::Silence)).await;
    let provider = crate::provider(crate::config(&upstream.url));
    let mut stream = provider.chat(request()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    upstream.is_abandoned().await;
}
