//! Answers that are not like the usual ones.

use orchestrator_model_openai::Api;
use orchestrator_models::conformance::USAGE;
use orchestrator_models::{ErrorKind, Provider as _, ProviderError, Request};
use orchestrator_transcript::{Content, Message, Reply, StopReason};
use orchestrator_vocab::Label;
use serde_json::{Value, json};

use crate::answers::{
    call, call_piece, chat_usage, chunk, completed, created, done, error, events, json, message, provider, response,
    text,
};
use crate::upstream::{Answer, Ending, Upstream};

fn request() -> Request {
    Request::new("gpt-test", vec![Message::user(Label::USER, "hello")])
}

async fn ask(api: Api, answer: Answer) -> Result<Reply, ProviderError> {
    let upstream = Upstream::new(move |_| answer.clone()).await;
    provider(&upstream, api).chat(request()).await?.collect(Label::USER).await
}

async fn stop(api: Api, said: Vec<Value>) -> (StopReason, String) {
    let stop = ask(api, events(said)).await.unwrap().stop;
    (stop.reason, stop.raw)
}

#[tokio::test]
async fn every_reason_of_chat_completions_is_kept() {
    let ended = async |reason: &'static str| {
        stop(Api::Chat, vec![chunk(json!({ "content": "x" }), Some(reason)), done()]).await
    };
    assert_eq!(ended("stop").await, (StopReason::EndTurn, "stop".into()));
    assert_eq!(ended("length").await, (StopReason::MaxTokens, "length".into()));
    let filtered = StopReason::Refusal { category: None, explanation: None };
    assert_eq!(ended("content_filter").await, (filtered, "content_filter".into()));
    assert_eq!(ended("eos").await, (StopReason::Other, "eos".into()));
    // A call that the request named ends with `stop`.
    let called = vec![call_piece(0, Some("c"), "{}"), chunk(json!({}), Some("stop")), done()];
    assert_eq!(stop(Api::Chat, called).await, (StopReason::ToolUse, "stop".into()));
    let refused =
        vec![chunk(json!({ "refusal": "I " }), None), chunk(json!({ "refusal": "won't" }), Some("stop")), done()];
    let refusal = StopReason::Refusal { category: None, explanation: Some("I won't".into()) };
    assert_eq!(stop(Api::Chat, refused).await, (refusal, "stop".into()));
}

#[tokio::test]
async fn every_reason_of_responses_is_kept() {
    let ended = async |status: &'static str, reason: Value| {
        let mut response = response(status, json!([]));
        response["incomplete_details"] = json!({ "reason": reason });
        ask(
            Api::Responses,
            events([created(), text(0, "x"), json!({ "type": format!("response.{status}"), "response": response })]),
        )
        .await
        .map(|reply| (reply.stop.reason, reply.stop.raw))
    };
    assert_eq!(ended("completed", Value::Null).await.unwrap(), (StopReason::EndTurn, "completed".into()));
    let cut = ended("incomplete", json!("max_output_tokens")).await.unwrap();
    assert_eq!(cut, (StopReason::MaxTokens, "max_output_tokens".into()));
    let filtered = ended("incomplete", json!("content_filter")).await.unwrap();
    assert_eq!(filtered, (StopReason::Refusal { category: None, explanation: None }, "content_filter".into()));
    assert_eq!(ended("incomplete", json!("steered")).await.unwrap(), (StopReason::Other, "steered".into()));
    assert_eq!(ended("cancelled", Value::Null).await.unwrap_err().kind, ErrorKind::StreamTruncated);
}

#[tokio::test]
async fn a_response_that_failed_is_an_error_with_the_id_of_its_request() {
    let mut failed = response("failed", json!([]));
    failed["error"] = json!({ "code": "rate_limit_exceeded", "message": "slowly" });
    let said = [created(), text(0, "x"), json!({ "type": "response.failed", "response": failed })];
    let error = ask(Api::Responses, events(said)).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::RateLimited, "slowly"));
    assert_eq!(error.request_id.as_deref(), Some("req-1"));
}

#[tokio::test]
async fn the_end_of_chat_completions_may_come_without_usage_or_done() {
    for said in [
        vec![chunk(json!({ "content": "hi" }), Some("stop"))],
        vec![chunk(json!({ "content": "hi" }), Some("stop")), done()],
        vec![chunk(json!({ "content": "hi" }), Some("stop")), chat_usage()],
    ] {
        let has_usage = said.len() == 2 && said[1] != done();
        let reply = ask(Api::Chat, events(said)).await.unwrap();
        assert_eq!(reply.message.text(), "hi");
        assert_eq!(reply.usage, if has_usage { USAGE } else { Default::default() });
    }
}

#[tokio::test]
async fn an_answer_without_a_reason_to_stop_is_truncated_however_it_ends() {
    for (said, ending) in [
        (vec![chunk(json!({ "content": "hi" }), None), done()], Ending::Proper),
        (vec![chunk(json!({ "content": "hi" }), None), chat_usage()], Ending::Proper),
        (vec![chunk(json!({ "content": "hi" }), None)], Ending::Broken),
        (vec![chunk(json!({ "content": "hi" }), Some("stop"))], Ending::Broken),
    ] {
        let answer = Answer { ending, ..events(said) };
        assert_eq!(ask(Api::Chat, answer).await.unwrap_err().kind, ErrorKind::StreamTruncated);
    }
    let answer = Answer { ending: Ending::Broken, ..events([created(), message(0, "hi")]) };
    assert_eq!(ask(Api::Responses, answer).await.unwrap_err().kind, ErrorKind::StreamTruncated);
}

#[tokio::test]
async fn calls_of_compatible_servers_keep_apart() {
    let piece = |call: Value| chunk(json!({ "tool_calls": [call] }), None);
    let function = |arguments: &str| json!({ "name": "read", "arguments": arguments });
    let ids = async |said: Vec<Value>| {
        let reply =
            ask(Api::Chat, events(said.into_iter().chain([chunk(json!({}), Some("tool_calls")), done()]))).await;
        reply
            .unwrap()
            .message
            .tool_calls()
            .map(|call| (call.id.clone(), call.arguments.to_string()))
            .collect::<Vec<_>>()
    };
    let expected = [("a".to_owned(), r#"{"n":1}"#.to_owned()), ("b".to_owned(), r#"{"n":2}"#.to_owned())];
    let without_index = vec![
        piece(json!({ "id": "a", "function": function("{\"n\":1}") })),
        piece(json!({ "id": "b", "function": function("{\"n\":2}") })),
    ];
    assert_eq!(ids(without_index).await, expected);
    let same_index = vec![
        piece(json!({ "index": 0, "id": "a", "function": function("{\"n\":1}") })),
        piece(json!({ "index": 0, "id": "b", "function": function("{\"n\":2}") })),
    ];
    assert_eq!(ids(same_index).await, expected);
    let in_turns = vec![
        call_piece(0, Some("a"), "{\"n\""),
        call_piece(1, Some("b"), "{\"n\""),
        call_piece(0, None, ":1}"),
        call_piece(1, None, ":2}"),
    ];
    assert_eq!(ids(in_turns).await, expected);
    let without_ids = vec![piece(json!({ "index": 0, "function": function("{\"n\":1}") }))];
    assert_eq!(ids(without_ids).await, [("call_1_0".to_owned(), r#"{"n":1}"#.to_owned())]);
}

#[tokio::test]
async fn a_call_without_a_name_is_malformed() {
    let said = [chunk(json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "arguments": "{}" } }] }), None)];
    assert_eq!(ask(Api::Chat, events(said)).await.unwrap_err().kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn an_answer_in_one_piece_is_the_same_answer() {
    let calls = json!([{ "id": "c", "type": "function", "function": { "name": "read", "arguments": "{\"n\":1}" } }]);
    let message =
        json!({ "role": "assistant", "content": "Reading.", "reasoning_content": "Hm.", "tool_calls": calls });
    let usage = chat_usage()["usage"].clone();
    let chat = json!({ "id": "chatcmpl-1", "model": "m", "usage": usage,
        "choices": [{ "index": 0, "message": message, "finish_reason": "tool_calls" }] });
    let output = json!([
        { "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "Hm." }], "encrypted_content": "e" },
        { "type": "message", "content": [{ "type": "output_text", "text": "Reading." }] },
        { "type": "function_call", "call_id": "c", "name": "read", "arguments": "{\"n\":1}" },
    ]);
    for (api, whole, proof) in [(Api::Chat, chat, None), (Api::Responses, response("completed", output), Some("e"))] {
        let reply = ask(api, json(200, &whole)).await.unwrap();
        let thought = Content::Thinking { text: "Hm.".into(), signature: proof.map(str::to_owned) };
        assert_eq!(reply.message.content[0].content, thought);
        assert_eq!(reply.message.text(), "Reading.");
        assert_eq!(reply.message.tool_calls().next().unwrap().arguments, json!({ "n": 1 }));
        assert_eq!((reply.usage, reply.stop.reason), (USAGE, StopReason::ToolUse));
    }
}

#[tokio::test]
async fn what_has_no_form_of_its_own_goes_back_as_it_came() {
    let search = json!({ "type": "web_search_call", "id": "ws_1", "status": "completed", "action": { "query": "x" } });
    let done = json!({ "type": "response.output_item.done", "output_index": 0, "item": search });
    let news = json!({ "type": "response.news.delta", "delta": { "not": "a text" } });
    let said = [created(), news, done, text(1, "Found."), message(1, "Found."), completed()];
    let upstream = Upstream::new(move |_| events(said.clone())).await;
    let provider = provider(&upstream, Api::Responses);
    let reply = provider.chat(request()).await.unwrap().collect(Label::USER).await.unwrap();
    let opaque = Content::Opaque { provider: "openai".into(), value: search.clone() };
    assert_eq!(reply.message.content[0].content, opaque);
    let mut again = request();
    again.messages.push(reply.message.for_provider("openai"));
    provider.chat(again).await.unwrap();
    assert_eq!(upstream.last().body["input"][1], search);
}

#[tokio::test]
async fn reasoning_goes_back_encrypted_and_in_its_place() {
    let mut item = json!({ "type": "reasoning", "id": "rs_1", "encrypted_content": "e", "summary": [] });
    let summary = |index, delta: &str| json!({ "type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": index, "delta": delta });
    item["summary"] = json!([{ "type": "summary_text", "text": "One." }, { "type": "summary_text", "text": "Two." }]);
    let reasoned = json!({ "type": "response.output_item.done", "output_index": 0, "item": item });
    let mut said = vec![created(), summary(0, "One."), summary(1, "Two."), reasoned];
    said.extend(call(1, "c", &["{}"]));
    said.push(completed());
    let upstream = Upstream::new(move |_| events(said.clone())).await;
    let provider = provider(&upstream, Api::Responses);
    let reply = provider.chat(request()).await.unwrap().collect(Label::USER).await.unwrap();
    let mut again = request();
    again.messages.push(reply.message);
    provider.chat(again).await.unwrap();
    let input = &upstream.last().body["input"];
    let summary = json!([{ "type": "summary_text", "text": "One.\n\nTwo." }]);
    assert_eq!(input[1], json!({ "type": "reasoning", "summary": summary, "encrypted_content": "e" }));
    assert_eq!(input[2]["call_id"], "c");
}

#[tokio::test]
async fn an_error_as_the_first_event_is_typed_too() {
    let said = [json!({ "error": { "message": "no", "code": 429 } })];
    assert_eq!(ask(Api::Chat, events(said)).await.unwrap_err().kind, ErrorKind::RateLimited);
    let error = ask(Api::Chat, error(400, "invalid_request_error", "context_length_exceeded")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ContextWindowExceeded);
    assert_eq!((error.status, error.request_id.as_deref()), (Some(400), Some("req-1")));
}
