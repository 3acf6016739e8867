use std::path::Path;

use orchestrator_rpc::Code;
use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use crate::{EACH, asked, rules};

/// Of this much a request is ten hundredths: one request is all that goes before it is degraded.
const LIMIT: u64 = 10 * EACH;

/// A daemon with a model that is dear, and `cheap`, of which this is known.
async fn daemon(directory: &Path, degrade: Value, cheap: Value) -> anyhow::Result<Daemon> {
    let script = directory.join("script.json");
    std::fs::write(&script, json!({ "rules": rules() }).to_string())?;
    let stage = json!({ "kind": "scripted", "script": script, "models": { "cheap": cheap } });
    let models = json!({ "providers": { "stage": stage }, "primary": "stage/dear" });
    let budget = json!({ "daily": LIMIT, "alertThreshold": 0.1, "degrade": degrade });
    Daemon::builder().without_rate_limits().config(json!({ "models": models, "budget": budget })).start().await
}

fn cheaper() -> Value {
    json!({ "models": { "stage/dear": "stage/cheap" } })
}

/// Who answered, and the trace.
async fn answered(socket: &mut Socket) -> anyhow::Result<(String, Value)> {
    let answer = socket.call("model.chat", asked("hello")).await?;
    let trace = socket.call("model.trace", json!({ "traceId": answer["traceId"] })).await?;
    Ok((trace["answeredBy"]["model"].as_str().unwrap_or_default().to_owned(), trace))
}

#[tokio::test]
async fn past_the_soft_limit_a_cheaper_model_is_asked_until_the_limit_is_raised() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let daemon = daemon(directory.path(), cheaper(), json!({})).await?;
    let mut socket = daemon.admin().await;
    let (model, trace) = answered(&mut socket).await?;
    assert_eq!((model.as_str(), &trace["degraded"]), ("dear", &Value::Null), "{trace}");
    let (model, trace) = answered(&mut socket).await?;
    assert_eq!(model, "cheap", "{trace}");
    let why = &trace["degraded"][0];
    assert_eq!((&why["limit"], &why["usedPermille"]), (&json!("organisation per day"), &json!(100)), "{trace}");
    assert_eq!((&why["model"]["model"], &why["instead"]["model"]), (&json!("dear"), &json!("cheap")), "{trace}");
    let status = socket.call("budget.status", json!({})).await?;
    assert_eq!(status["binding"]["degraded"], true, "{status}");
    let events = socket.call("event.list", json!({ "events": ["budget.degraded"] })).await?;
    let told = events["items"].as_array().expect("events");
    assert_eq!(told.len(), 1, "once for all requests: {events}");
    assert_eq!(
        (&told[0]["payload"]["scope"], &told[0]["payload"]["window"]),
        (&json!("organisation"), &json!("day")),
        "{events}"
    );
    let metrics = daemon.admin_http().get("/metrics").await.body;
    assert!(metrics.contains("budget_degraded_requests_total{how=\"cheaper\"} 1"), "{metrics}");

    let raised = json!({ "scope": "organisation", "window": "day", "tokens": 100 * LIMIT });
    socket.call("budget.set", raised).await?;
    let (model, trace) = answered(&mut socket).await?;
    assert_eq!((model.as_str(), &trace["degraded"]), ("dear", &Value::Null), "{trace}");
    Ok(())
}

#[tokio::test]
async fn without_it_the_same_model_is_asked_up_to_the_limit() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let daemon = daemon(directory.path(), json!({}), json!({})).await?;
    let mut socket = daemon.admin().await;
    for _ in 0..10 {
        assert_eq!(answered(&mut socket).await?.0, "dear");
    }
    let refused = socket.call("model.chat", asked("hello")).await.expect_err("it is spent");
    assert_eq!(refused.code, Code::BudgetExhausted);
    let events = socket.call("event.list", json!({ "events": ["budget.degraded"] })).await?;
    assert_eq!(events["items"], json!([]));
    Ok(())
}

#[tokio::test]
async fn a_cheaper_model_that_lacks_what_is_needed_is_not_asked() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let daemon = daemon(directory.path(), cheaper(), json!({ "outputMax": 4 })).await?;
    let mut socket = daemon.admin().await;
    answered(&mut socket).await?;
    let (model, trace) = answered(&mut socket).await?;
    assert_eq!((model.as_str(), &trace["degraded"]), ("dear", &Value::Null), "{trace}");
    assert_eq!(trace["candidates"][0]["skipped"]["reason"], "output_max", "{trace}");
    Ok(())
}

#[tokio::test]
async fn past_the_soft_limit_requests_are_throttled_if_they_are_to_be() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let daemon = daemon(directory.path(), json!({ "throttlePerMinute": 1 }), json!({})).await?;
    let mut socket = daemon.admin().await;
    for _ in 0..2 {
        socket.call("model.chat", asked("hello")).await?;
    }
    let refused = socket.call("model.chat", asked("hello")).await.expect_err("one began in this minute");
    assert_eq!(refused.code, Code::Unavailable, "{refused:?}");
    assert!(refused.message.contains("organisation per day"), "{refused:?}");
    let wait = refused.retry_after.expect("a time").as_secs();
    assert!((1..=60).contains(&wait), "{wait}");
    socket.call("config.set", json!({ "values": { "budget.degrade.throttlePerMinute": null } })).await?;
    socket.call("model.chat", asked("hello")).await?;
    Ok(())
}

#[tokio::test]
async fn a_cheaper_model_of_nobody_stops_the_start() -> anyhow::Result<()> {
    let budget = json!({ "degrade": { "models": { "stage/dear": "nobody/cheap" } } });
    let directory = tempfile::tempdir()?;
    let script = directory.path().join("script.json");
    std::fs::write(&script, json!({ "rules": rules() }).to_string())?;
    let models = json!({ "providers": { "stage": { "kind": "scripted", "script": script } } });
    let refused = Daemon::builder().config(json!({ "models": models, "budget": budget })).refused().await?;
    assert!(refused.output.contains("no provider that is configured has `nobody/cheap`"), "{}", refused.output);
    Ok(())
}
