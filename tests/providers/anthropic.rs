use std::time::{Duration, Instant};

use orchestrator_rpc::Code;
use serde_json::{Value, json};

use super::aimock::Aimock;
use super::asking::{asked, attempts, daemon, hello, text};
use super::upstream::{Answer, Then, Upstream};
use super::weather;

/// What a model of these tests says, in the shapes of the protocol.
const SAYS: [&str; 6] = [
    r#"{"type":"message_start","message":{"id":"msg_1","model":"claude-test","usage":{"input_tokens":3,"output_tokens":1}}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüezi."}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#,
    r#"{"type":"message_stop"}"#,
];

pub(crate) fn says(events: usize) -> Answer {
    let body = SAYS[..events].iter().map(|event| format!("data: {event}\n\n")).collect();
    Answer { status: 200, headers: vec![("content-type", "text/event-stream")], body, then: Then::Ends }
}

pub(crate) fn fails(status: u16, kind: &str, headers: &[(&'static str, &'static str)]) -> Answer {
    let body = json!({ "type": "error", "error": { "type": kind, "message": "not now" } }).to_string();
    Answer { status, headers: headers.to_vec(), body, then: Then::Ends }
}

pub(crate) fn claude(url: &str) -> Value {
    json!({ "kind": "anthropic", "apiKey": "sk-ant-of-a-test", "baseUrl": url, "model": "claude-test" })
}

#[tokio::test]
async fn a_conversation_with_a_tool_goes_from_its_question_to_its_answer() -> anyhow::Result<()> {
    let vendor = Aimock::start(&weather::fixtures()).await?;
    let daemon = daemon(json!({ "claude": claude(&vendor.url) }), json!({})).await?;
    let answer = weather::ask(&mut daemon.admin().await, "tool_use").await?;
    assert_eq!((text(&answer).as_str(), &answer["stop"]["raw"]), ("It rains in Bern.", &json!("end_turn")));
    assert_eq!(answer["answeredBy"], json!({ "provider": "claude", "model": "claude-test" }));
    Ok(())
}

#[tokio::test]
async fn its_pieces_reach_who_listens() -> anyhow::Result<()> {
    let vendor = Aimock::start(&weather::fixtures()).await?;
    let daemon = daemon(json!({ "claude": claude(&vendor.url) }), json!({})).await?;
    weather::listen(&daemon, "tool_use").await
}

#[tokio::test]
async fn a_limit_is_waited_for_as_long_as_the_vendor_says() -> anyhow::Result<()> {
    let limit = fails(429, "rate_limit_error", &[("retry-after", "1")]);
    let begun = Instant::now();
    let (outcome, tried, requests) = asked(claude, vec![limit, says(6)], json!({})).await?;
    assert_eq!(text(&outcome.expect("the second attempt")), "Grüezi.");
    assert_eq!((tried, requests), (vec!["vendor: rate_limited".into(), "vendor".into()], 2));
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
        let (outcome, tried, requests) = asked(claude, vec![answer], json!({ "idleTimeoutMs": 700 })).await?;
        assert_eq!(outcome.expect_err("half of an answer")["kind"], kind);
        assert_eq!((tried, requests), (vec![format!("vendor: {kind}")], 1));
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
        let (outcome, _, requests) = asked(claude, vec![fails(status, raw, &[])], json!({})).await?;
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

#[tokio::test]
async fn the_demonstration_asks_a_real_model_where_there_is_a_key_and_says_so() -> anyhow::Result<()> {
    let upstream = Upstream::start(vec![says(SAYS.len())]).await?;
    let here = tempfile::tempdir()?;
    std::fs::write(here.path().join("README.md"), "# A project\n")?;
    let demo = crate::builder().arg("demo").arg("--once").working_directory(here.path());
    let demo = demo.env("ANTHROPIC_API_KEY", "sk-ant-of-a-test").env("ANTHROPIC_BASE_URL", &upstream.url);
    let ended = demo.ended("the demonstration").await?;
    assert!(ended.status.success() && ended.output.contains("is done: Grüezi."), "{}", ended.output);
    let seen = upstream.seen().pop().expect("it was asked");
    let model = seen.body["model"].as_str().unwrap_or_default();
    assert!(ended.output.contains(&format!("The agents' model is anthropic/{model}, a real one")), "{}", ended.output);
    assert!(seen.body["system"].to_string().contains("You lead a small team"), "the same agents: {}", seen.body);
    assert!(seen.body["tools"].to_string().contains("agent_spawn"), "with the same tools: {}", seen.body);
    Ok(())
}
