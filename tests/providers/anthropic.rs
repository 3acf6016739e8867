use std::time::{Duration, Instant};

use orchestrator_rpc::Code;
use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use super::aimock::Aimock;
use super::upstream::{Answer, Then, Upstream};
use super::{attempts, hello, text};

/// What a model of these tests says, in the shapes of the protocol.
const SAYS: [&str; 6] = [
    r#"{"type":"message_start","message":{"id":"msg_1","model":"claude-test","usage":{"input_tokens":3,"output_tokens":1}}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüezi."}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#,
    r#"{"type":"message_stop"}"#,
];

fn says(events: usize) -> Answer {
    let body = SAYS[..events].iter().map(|event| format!("data: {event}\n\n")).collect();
    Answer { status: 200, headers: vec![("content-type", "text/event-stream")], body, then: Then::Ends }
}

fn fails(status: u16, kind: &str, headers: &[(&'static str, &'static str)]) -> Answer {
    let body = json!({ "type": "error", "error": { "type": kind, "message": "not now" } }).to_string();
    Answer { status, headers: headers.to_vec(), body, then: Then::Ends }
}

fn claude(url: &str) -> Value {
    json!({ "kind": "anthropic", "apiKey": "sk-ant-of-a-test", "baseUrl": url, "model": "claude-test" })
}

async fn daemon(providers: Value, limits: Value) -> anyhow::Result<Daemon> {
    let models = json!({ "providers": providers, "limits": limits });
    Daemon::builder().without_rate_limits().config(json!({ "models": models })).start().await
}

/// A daemon with one provider that answers so, what came of asking it, each attempt, and how often it was asked.
async fn asked(answers: Vec<Answer>, limits: Value) -> anyhow::Result<(Result<Value, Value>, Vec<String>, usize)> {
    let upstream = Upstream::start(answers).await?;
    let daemon = daemon(json!({ "claude": claude(&upstream.url) }), limits).await?;
    let mut socket = daemon.admin().await;
    let outcome = socket.call("model.chat", hello()).await;
    let outcome = outcome.map_err(|refusal| refusal.data.unwrap_or_default());
    let trace = outcome.as_ref().map_or_else(|data| data["traceId"].clone(), |answer| answer["traceId"].clone());
    let tried = attempts(&mut socket, &trace).await;
    Ok((outcome, tried, upstream.seen().len()))
}

/// Asks for the weather, answers the call, and gives the last answer. The pieces of all answers are sent under `stream`.
async fn weather(socket: &mut Socket, stream: Option<&str>) -> anyhow::Result<Value> {
    let question = json!({ "role": "user", "content": "weather in Bern?" });
    let parameters = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let tools = json!([{ "name": "weather", "description": "The weather", "parameters": parameters }]);
    let mut request = json!({ "messages": [question], "tools": tools, "thinking": "low", "maxTokens": 8_000 });
    if let Some(stream) = stream {
        request["streamId"] = json!(stream);
    }
    let answer = socket.call("model.chat", request.clone()).await?;
    let blocks = answer["message"]["content"].as_array().expect("content");
    let called = blocks.iter().find(|block| block["type"] == "toolCall").expect("a call");
    assert_eq!((&called["name"], &called["arguments"]), (&json!("weather"), &json!({ "city": "Bern" })));
    assert_eq!(answer["stop"], json!({ "reason": { "kind": "tool_use" }, "raw": "tool_use" }));
    assert_eq!((&blocks[0]["type"], &blocks[0]["text"]), (&json!("thinking"), &json!("I had better look.")));
    let result =
        json!({ "type": "toolResult", "callId": called["id"], "content": [{ "type": "text", "text": "rain" }] });
    let messages = request["messages"].as_array_mut().expect("messages");
    messages.extend([answer["message"].clone(), json!({ "role": "user", "content": [result] })]);
    Ok(socket.call("model.chat", request).await?)
}

fn fixtures() -> Value {
    let call = json!({ "name": "weather", "arguments": "{\"city\":\"Bern\"}" });
    let asks = json!({ "reasoning": "I had better look.", "content": "Let me look.", "toolCalls": [call] });
    json!({ "fixtures": [
        { "match": { "userMessage": "weather in Bern", "hasToolResult": false }, "response": asks },
        { "match": { "userMessage": "weather in Bern", "hasToolResult": true }, "response": { "content": "It rains in Bern." } },
    ]})
}

#[tokio::test]
async fn a_conversation_with_a_tool_goes_from_its_question_to_its_answer() -> anyhow::Result<()> {
    let vendor = Aimock::start(&fixtures()).await?;
    let daemon = daemon(json!({ "claude": claude(&vendor.url) }), json!({})).await?;
    let answer = weather(&mut daemon.admin().await, None).await?;
    assert_eq!((text(&answer).as_str(), &answer["stop"]["raw"]), ("It rains in Bern.", &json!("end_turn")));
    assert_eq!(answer["answeredBy"], json!({ "provider": "claude", "model": "claude-test" }));
    Ok(())
}

#[tokio::test]
async fn its_pieces_reach_who_listens() -> anyhow::Result<()> {
    let vendor = Aimock::start(&fixtures()).await?;
    let daemon = daemon(json!({ "claude": claude(&vendor.url) }), json!({})).await?;
    let mut listening = daemon.admin().await;
    listening.subscribe(&["stream.*"]).await;
    weather(&mut daemon.admin().await, Some("mine")).await?;
    let (mut said, mut ends) = (String::new(), 0);
    while ends < 2 {
        let event = listening.next_event().await;
        said.push_str(event.payload["content"].as_str().unwrap_or_default());
        ends += usize::from(event.name == "stream.end");
    }
    assert!(said.contains("Let me look.") && said.ends_with("It rains in Bern."), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_limit_is_waited_for_as_long_as_the_vendor_says() -> anyhow::Result<()> {
    let limit = fails(429, "rate_limit_error", &[("retry-after", "1")]);
    let begun = Instant::now();
    let (outcome, tried, requests) = asked(vec![limit, says(6)], json!({})).await?;
    assert_eq!(text(&outcome.expect("the second attempt")), "Grüezi.");
    assert_eq!((tried, requests), (vec!["claude: rate_limited".into(), "claude".into()], 2));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    Ok(())
}

#[tokio::test]
async fn another_answers_while_one_is_overloaded() -> anyhow::Result<()> {
    let overloaded = fails(529, "overloaded_error", &[("retry-after-ms", "1")]);
    let (busy, spare) = (Upstream::start(vec![overloaded]).await?, Upstream::start(vec![says(6)]).await?);
    let providers = json!({ "a": claude(&busy.url), "b": claude(&spare.url) });
    let daemon = daemon(providers, json!({})).await?;
    let mut socket = daemon.admin().await;
    let answer = socket.call("model.chat", hello()).await?;
    assert_eq!((text(&answer).as_str(), &answer["answeredBy"]["provider"]), ("Grüezi.", &json!("b")));
    let tried = attempts(&mut socket, &answer["traceId"]).await;
    assert_eq!(tried, ["a: overloaded", "a: overloaded", "a: overloaded", "b"]);
    assert_eq!((busy.seen().len(), spare.seen().len()), (3, 1), "two retries, and no storm");
    Ok(())
}

/// Something was said, so nobody else may go on, and nothing is made up for what is missing.
#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_of_its_kind() -> anyhow::Result<()> {
    let garbage = Answer { body: says(3).body + "data: {\"type\": oops\n\n", ..says(3) };
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"too much"}}"#;
    let fails = Answer { body: says(3).body + &format!("data: {overloaded}\n\n"), ..says(3) };
    for (answer, kind) in [
        (Answer { then: Then::Breaks, ..says(3) }, "stream_truncated"),
        (says(3), "stream_truncated"),
        (says(5), "stream_truncated"),
        (garbage, "malformed"),
        (fails, "overloaded"),
        (Answer { then: Then::Silence, ..says(3) }, "timeout"),
    ] {
        let (outcome, tried, requests) = asked(vec![answer], json!({ "idleTimeoutMs": 700 })).await?;
        assert_eq!(outcome.expect_err("half of an answer")["kind"], kind);
        assert_eq!((tried, requests), (vec![format!("claude: {kind}")], 1));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_said_once() -> anyhow::Result<()> {
    for (status, raw, kind) in [
        (400, "invalid_request_error", "invalid_request"),
        (401, "authentication_error", "authentication"),
        (402, "billing_error", "billing"),
        (404, "not_found_error", "not_found"),
    ] {
        let (outcome, _, requests) = asked(vec![fails(status, raw, &[])], json!({})).await?;
        let told = outcome.expect_err("refused");
        assert_eq!((&told["kind"], &told["status"], requests), (&json!(kind), &json!(status), 1));
    }
    Ok(())
}

#[tokio::test]
async fn models_are_listed_and_the_key_is_tried() -> anyhow::Result<()> {
    let models = json!({ "data": [{ "id": "claude-test", "display_name": "Test" }], "has_more": false }).to_string();
    let listed = Answer { headers: vec![("content-type", "application/json")], body: models, ..says(0) };
    let upstream = Upstream::start(vec![listed, fails(401, "authentication_error", &[])]).await?;
    let daemon = daemon(json!({ "claude": claude(&upstream.url) }), json!({})).await?;
    let mut socket = daemon.admin().await;
    let listed = socket.call("model.list", json!({})).await?;
    assert!(listed.to_string().contains("claude-test"), "{listed}");
    let probed = socket.call("model.probe", json!({})).await?;
    assert!(probed.to_string().contains("authentication"), "{probed}");
    assert!(upstream.seen().iter().all(|seen| seen.path.starts_with("/v1/models?") && seen.key == "sk-ant-of-a-test"));
    Ok(())
}

#[tokio::test]
async fn an_address_is_not_set_while_the_daemon_runs() -> anyhow::Result<()> {
    let upstream = Upstream::start(vec![says(6)]).await?;
    let daemon = daemon(json!({ "claude": claude(&upstream.url) }), json!({})).await?;
    let mut admin = daemon.admin().await;
    let set = |key: &str, value: &str| json!({ "values": { format!("models.providers.claude.{key}"): value } });
    let refused =
        admin.call("config.set", set("baseUrl", "http://127.0.0.1:9")).await.expect_err("the key would go there");
    assert!(refused.code == Code::Conflict && refused.message.contains("baseUrl"), "{refused:?}");
    admin.call("config.set", set("model", "claude-other")).await?;
    Ok(())
}
