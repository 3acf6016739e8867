use orchestrator_rpc::Code;
use orchestrator_testkit::patiently;
use serde_json::json;

use super::{ask, attempts, daemon, sick, text, well};

#[tokio::test]
async fn another_model_answers_where_one_fails_and_the_trace_tells_why() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let fault = json!({ "error": "overloaded", "status": 529, "retryAfterMs": 1 });
    let providers = [("sick", sick("sick", 99, &fault)), ("well", well("well"))];
    let daemon = daemon(directory.path(), &providers, json!({})).await?;
    let mut socket = daemon.admin().await;
    let answer = ask(&mut socket).await?;
    assert_eq!((text(&answer), answer["answeredBy"]["provider"].as_str()), ("well says hello", Some("well")));
    let tried = attempts(&mut socket, &answer["traceId"]).await;
    assert_eq!(
        tried,
        ["sick: overloaded", "sick: overloaded", "sick: overloaded", "well"],
        "two retries, then another"
    );

    let wrong = json!({ "error": "invalid_request", "status": 400 });
    let providers = [("sick", sick("sick", 99, &wrong)), ("well", well("well"))];
    let strict = super::daemon(directory.path(), &providers, json!({})).await?;
    let refusal = ask(&mut strict.admin().await).await.expect_err("nobody else is asked");
    let details = refusal.data.expect("details");
    assert_eq!((refusal.code, &details["kind"]), (Code::InvalidParams, &json!("invalid_request")));
    assert_eq!(attempts(&mut strict.admin().await, &details["traceId"]).await, ["sick: invalid_request"]);
    Ok(())
}

#[tokio::test]
async fn a_circuit_opens_and_the_provider_is_left_alone() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let fault = json!({ "error": "server", "status": 500, "retryAfterMs": 0 });
    let limits = json!({ "failuresMin": 3, "restMs": 600_000 });
    let daemon = daemon(directory.path(), &[("a", sick("a", 99, &fault))], limits).await?;
    let mut socket = daemon.admin().await;
    let refusal = ask(&mut socket).await.expect_err("three failures");
    assert_eq!(refusal.code, Code::Unavailable);
    let open = ask(&mut socket).await.expect_err("it is left alone");
    assert!(open.code == Code::Unavailable && open.retry_after.is_some(), "{open:?}");
    let status = socket.call("daemon.status", json!({})).await?;
    assert_eq!(status["providers"][0]["health"], "resting", "{status}");
    let trace = open.data.expect("details")["traceId"].clone();
    let trace = socket.call("model.trace", json!({ "traceId": trace })).await?;
    assert_eq!(trace["candidates"][0]["skipped"]["reason"], "circuit_open");
    assert_eq!((&trace["outcome"], &trace["attempts"]), (&json!("no_candidate"), &json!([])));
    let metrics = daemon.admin_http().get("/metrics").await.body;
    assert!(metrics.contains("model_errors_total{provider=\"a\",kind=\"server\"} 3"), "{metrics}");
    assert!(metrics.contains("model_provider_health{provider=\"a\"} 0"), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn a_circuit_is_probed_and_closes() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let fault = json!({ "error": "server", "status": 500, "retryAfterMs": 0 });
    let limits = json!({ "failuresMin": 3, "restMs": 100 });
    let daemon = daemon(directory.path(), &[("a", sick("a", 3, &fault))], limits).await?;
    let mut socket = daemon.admin().await;
    ask(&mut socket).await.expect_err("three failures");
    let recovering = async {
        loop {
            if let Ok(answer) = ask(&mut socket).await {
                break answer;
            }
        }
    };
    let answer = patiently("the circuit to close", recovering).await;
    assert_eq!(text(&answer), "a says hello");
    let status = socket.call("daemon.status", json!({})).await?;
    assert_eq!(status["providers"][0]["health"], "healthy", "{status}");
    let metrics = daemon.admin_http().get("/metrics").await.body;
    assert!(metrics.contains("model_provider_health{provider=\"a\"} 1"), "{metrics}");
    let tokens = "model_tokens_total{provider=\"a\",model=\"m\",kind=\"output\"}";
    assert!(metrics.contains(tokens), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn each_skip_is_explained() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let scripts = super::scripts(directory.path(), &[("a", well("a"))]);
    let mut provider = scripts["a"].clone();
    provider["models"] = json!({
        "blind": { "vision": false }, "mute": { "tools": false }, "small": { "contextWindow": 1 },
        "gone": { "retires": "2020-01-01" }, "able": { "price": { "input": 1000, "output": 2000 } },
    });
    let models = json!({
        "providers": { "a": provider }, "primary": "a/blind", "fallbacks": ["a/mute", "a/small", "a/gone", "a/able"],
    });
    let daemon = orchestrator_testkit::Daemon::builder().config(json!({ "models": models })).start().await?;
    let mut socket = daemon.admin().await;
    let image = json!({ "type": "image", "source": { "kind": "base64", "mediaType": "image/png", "data": "AA==" } });
    let tool = json!({ "name": "t", "description": "d", "parameters": { "type": "object" } });
    let asked = json!({ "messages": [{ "role": "user", "content": [image] }], "tools": [tool] });
    let answer = socket.call("model.chat", asked).await?;
    assert_eq!(answer["answeredBy"]["model"], "able");
    let trace = socket.call("model.trace", json!({ "traceId": answer["traceId"] })).await?;
    let reasons: Vec<_> = (0..5).map(|place| trace["candidates"][place]["skipped"]["reason"].clone()).collect();
    assert_eq!(json!(reasons), json!(["no_vision", "no_tools", "context_window", "retired", null]));
    assert!(trace["costNanoUsd"].as_u64() > Some(0), "{trace}");

    let other = daemon.organisation("other").await.http(&daemon);
    let foreign = other.call("model.trace", json!({ "traceId": answer["traceId"] })).await.expect_err("not theirs");
    assert_eq!(foreign.code, Code::NotFound);
    assert_eq!(other.call("model.traces", json!({})).await?["items"], json!([]));
    assert_eq!(socket.call("model.traces", json!({})).await?["items"].as_array().map(Vec::len), Some(1));
    Ok(())
}
