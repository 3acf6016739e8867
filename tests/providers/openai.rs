mod says;

use std::time::{Duration, Instant};

use serde_json::json;

use super::aimock::Aimock;
use super::asking::{asked, attempts, daemon, hello, text};
use super::upstream::{Answer, Then, Upstream};
use super::weather;
use says::Api::{Chat, Responses};
use says::{KEY, fails, found};

#[tokio::test]
async fn a_conversation_with_a_tool_goes_from_its_question_to_its_answer() -> anyhow::Result<()> {
    let vendor = Aimock::start(&weather::fixtures()).await?;
    for (api, stream) in [(Chat, true), (Chat, false), (Responses, true), (Responses, false)] {
        let daemon = daemon(json!({ "gpt": api.provider(&vendor.url, stream) }), json!({})).await?;
        let answer = weather::ask(&mut daemon.admin().await, api.by(["tool_calls", "completed"])).await?;
        assert_eq!(text(&answer), "It rains in Bern.", "{api:?} {stream}");
        let stop = json!({ "reason": { "kind": "end_turn" }, "raw": api.by(["stop", "completed"]) });
        assert_eq!(answer["stop"], stop, "{api:?} {stream}");
        assert_eq!(answer["answeredBy"], json!({ "provider": "gpt", "model": "gpt-test" }));
    }
    Ok(())
}

#[tokio::test]
async fn its_pieces_reach_who_listens() -> anyhow::Result<()> {
    let vendor = Aimock::start(&weather::fixtures()).await?;
    for (api, stream) in [(Chat, true), (Chat, false), (Responses, true), (Responses, false)] {
        let daemon = daemon(json!({ "gpt": api.provider(&vendor.url, stream) }), json!({})).await?;
        weather::listen(&daemon, api.by(["tool_calls", "completed"])).await?;
    }
    Ok(())
}

#[tokio::test]
async fn it_is_asked_where_and_as_the_options_say() -> anyhow::Result<()> {
    for (api, stream) in [(Chat, true), (Chat, false), (Responses, true), (Responses, false)] {
        let answer = if stream { api.says(6) } else { api.says_at_once() };
        let upstream = Upstream::start(vec![answer]).await?;
        let mut provider = api.provider(&upstream.url, stream);
        provider["openai"]["organization"] = json!("org-of-a-test");
        let daemon = daemon(json!({ "gpt": provider }), json!({})).await?;
        let answer = daemon.admin().await.call("model.chat", hello()).await?;
        assert_eq!(text(&answer), "Grüezi.");
        let seen = upstream.seen().pop().expect("it was asked");
        assert_eq!((seen.path.as_str(), seen.key.as_str()), (api.path(), KEY));
        assert_eq!(seen.organization, "org-of-a-test");
        assert_eq!((&seen.body["model"], seen.body["stream"] == true), (&json!("gpt-test"), stream), "{}", seen.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_limit_is_waited_for_as_long_as_the_vendor_says() -> anyhow::Result<()> {
    for api in [Chat, Responses] {
        let limit = fails(429, "requests", Some("rate_limit_exceeded"), &[("retry-after", "1")]);
        let begun = Instant::now();
        let (outcome, tried, requests) = asked(api.streamed(), vec![limit, api.says(6)], json!({})).await?;
        assert_eq!(text(&outcome.expect("the second attempt")), "Grüezi.");
        assert_eq!((tried, requests), (vec!["vendor: rate_limited".into(), "vendor".into()], 2));
        assert!(begun.elapsed() >= Duration::from_secs(1));
    }
    Ok(())
}

#[tokio::test]
async fn another_answers_while_one_cannot() -> anyhow::Result<()> {
    for (api, status, kind) in [(Chat, 500, "server"), (Responses, 500, "server"), (Chat, 503, "overloaded")] {
        let failing = fails(status, "server_error", None, &[("retry-after-ms", "1")]);
        let (busy, spare) = (Upstream::start(vec![failing]).await?, Upstream::start(vec![api.says(6)]).await?);
        let providers = json!({ "a": api.provider(&busy.url, true), "b": api.provider(&spare.url, true) });
        let daemon = daemon(providers, json!({})).await?;
        let mut socket = daemon.admin().await;
        let answer = socket.call("model.chat", hello()).await?;
        assert_eq!((text(&answer).as_str(), &answer["answeredBy"]["provider"]), ("Grüezi.", &json!("b")));
        let failed = format!("a: {kind}");
        assert_eq!(attempts(&mut socket, &answer["traceId"]).await, [&failed, &failed, &failed, "b"]);
        assert_eq!((busy.seen().len(), spare.seen().len()), (3, 1), "two retries, and no storm");
    }
    Ok(())
}

/// Something was said, so nobody else may go on, and nothing is made up for what is missing.
#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_of_its_kind() -> anyhow::Result<()> {
    let then = |answer: Answer, then: Then| Answer { then, ..answer };
    let with = |answer: Answer, event: &str| Answer { body: format!("{}data: {event}\n\n", answer.body), ..answer };
    let overloaded = r#"{"type":"error","error":{"type":"server_error","code":"server_is_overloaded","message":"no"}}"#;
    for (api, answer, kind) in [
        (Chat, then(Chat.says(2), Then::Breaks), "stream_truncated"),
        (Chat, then(Chat.says(4), Then::Breaks), "stream_truncated"),
        (Chat, Chat.says(3), "stream_truncated"),
        (Chat, with(Chat.says(2), r#"{"choices": [oops"#), "malformed"),
        (Chat, with(Chat.says(2), overloaded), "overloaded"),
        (Chat, then(Chat.says(2), Then::Silence), "timeout"),
        (Responses, then(Responses.says(2), Then::Breaks), "stream_truncated"),
        (Responses, Responses.says(3), "stream_truncated"),
        (Responses, Responses.says(5), "stream_truncated"),
        (Responses, with(Responses.says(2), r#"{"type": oops"#), "malformed"),
        (Responses, with(Responses.says(2), overloaded), "overloaded"),
        (Responses, then(Responses.says(2), Then::Silence), "timeout"),
    ] {
        // The second answer would be whole: it must not be asked for.
        let answers = vec![answer, api.says(6)];
        let (outcome, tried, requests) = asked(api.streamed(), answers, json!({ "idleTimeoutMs": 700 })).await?;
        assert_eq!(outcome.expect_err("half of an answer")["kind"], kind, "{api:?}");
        assert_eq!((tried, requests), (vec![format!("vendor: {kind}")], 1), "{api:?}");
    }
    Ok(())
}

#[tokio::test]
async fn before_anything_is_said_it_is_asked_again() -> anyhow::Result<()> {
    for api in [Chat, Responses] {
        for (answer, kind) in [
            (Answer { then: Then::Breaks, ..api.says(0) }, "stream_truncated"),
            (api.says(1), "stream_truncated"),
            (Answer { body: "data: {oops\n\n".into(), ..api.says(0) }, "malformed"),
            (Answer { then: Then::Silence, ..api.says(0) }, "timeout"),
        ] {
            let (answers, limits) = (vec![answer, api.says(6)], json!({ "timeoutMs": 1_500 }));
            let (outcome, tried, _) = asked(api.streamed(), answers, limits).await?;
            assert_eq!(text(&outcome.expect("the second attempt")), "Grüezi.", "{api:?} {kind}");
            assert_eq!(tried, [format!("vendor: {kind}"), "vendor".into()], "{api:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn half_of_an_answer_that_was_to_come_whole_is_none() -> anyhow::Result<()> {
    for api in [Chat, Responses] {
        for (then, kind) in [(Then::Ends, "malformed"), (Then::Breaks, "connection")] {
            let whole = api.says_at_once();
            let half = Answer { body: whole.body[..40].to_owned(), then, ..whole.clone() };
            let (outcome, tried, _) = asked(api.whole(), vec![half, whole], json!({})).await?;
            assert_eq!(text(&outcome.expect("the second attempt")), "Grüezi.", "{api:?} {kind}");
            assert_eq!(tried, [format!("vendor: {kind}"), "vendor".into()], "{api:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_said_once() -> anyhow::Result<()> {
    let invalid = "invalid_request_error";
    for (status, raw, code, kind) in [
        (400, invalid, "invalid_value", "invalid_request"),
        (400, invalid, "context_length_exceeded", "context_window_exceeded"),
        (401, invalid, "invalid_api_key", "authentication"),
        (404, invalid, "model_not_found", "not_found"),
        (429, "insufficient_quota", "insufficient_quota", "billing"),
    ] {
        let refused = fails(status, raw, Some(code), &[]);
        let (outcome, _, requests) = asked(Chat.streamed(), vec![refused], json!({})).await?;
        let told = outcome.expect_err("refused");
        assert_eq!((&told["kind"], &told["status"], requests), (&json!(kind), &json!(status), 1));
    }
    Ok(())
}

#[tokio::test]
async fn models_are_listed_and_the_key_is_tried() -> anyhow::Result<()> {
    let listed = found(&json!({ "object": "list", "data": [{ "id": "gpt-test", "object": "model" }] }));
    let refused = fails(401, "invalid_request_error", Some("invalid_api_key"), &[]);
    let upstream = Upstream::start(vec![listed, refused]).await?;
    let daemon = daemon(json!({ "gpt": Chat.provider(&upstream.url, true) }), json!({})).await?;
    let mut socket = daemon.admin().await;
    let listed = socket.call("model.list", json!({})).await?;
    assert!(listed.to_string().contains("gpt-test"), "{listed}");
    let probed = socket.call("model.probe", json!({})).await?;
    assert!(probed.to_string().contains("authentication"), "{probed}");
    assert!(upstream.seen().iter().all(|seen| seen.path == "/v1/models" && seen.key == KEY));
    Ok(())
}

#[tokio::test]
async fn vectors_are_made_in_several_requests_and_a_limit_is_waited_for() -> anyhow::Result<()> {
    let answer = |body: serde_json::Value| Answer {
        status: 200,
        headers: vec![("content-type", "application/json")],
        body: body.to_string(),
        then: Then::Ends,
    };
    let vectors =
        |numbers: serde_json::Value| json!({ "data": numbers, "usage": { "prompt_tokens": 2, "total_tokens": 2 } });
    let first = json!([{ "index": 1, "embedding": [3.0, 4.0] }, { "index": 0, "embedding": "AACAPwAAAEA=" }]);
    let limit = fails(429, "requests", Some("rate_limit_exceeded"), &[("retry-after-ms", "1")]);
    let second = json!([{ "index": 0, "embedding": [5.0, 6.0] }]);
    let upstream = Upstream::start(vec![limit, answer(vectors(first)), answer(vectors(second))]).await?;
    let mut provider = Chat.provider(&upstream.url, true);
    provider["openai"]["embeddings"] = json!({ "inputsMax": 2 });
    let daemon = daemon(json!({ "gpt": provider }), json!({})).await?;
    let asked = json!({ "model": "gpt/vectors", "inputs": ["a", "b", "c"], "dimensions": 2 });
    let made = daemon.admin().await.call("model.embed", asked).await?;
    assert_eq!(made["vectors"], json!([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]));
    assert_eq!((&made["usage"]["input"], &made["dimensions"]), (&json!(4), &json!(2)));
    let seen = upstream.seen();
    assert!(seen.len() == 3 && seen.iter().all(|seen| seen.path == "/v1/embeddings" && seen.key == KEY), "{seen:?}");
    assert_eq!((&seen[1].body["input"], &seen[2].body["input"]), (&json!(["a", "b"]), &json!(["c"])));
    Ok(())
}
