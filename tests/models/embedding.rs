use orchestrator_rpc::Code;
use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use super::scripts;

async fn daemon(embedding: Value, limits: Value) -> anyhow::Result<(Daemon, tempfile::TempDir)> {
    let directory = tempfile::tempdir()?;
    let providers = scripts(directory.path(), &[("a", json!({ "embedding": embedding }))]);
    let models = json!({ "providers": providers, "embedding": "a/vectors", "limits": limits });
    let daemon = Daemon::builder().without_rate_limits().config(json!({ "models": models })).start().await?;
    Ok((daemon, directory))
}

async fn embed(socket: &mut Socket, texts: &[&str]) -> Result<Value, orchestrator_rpc::Error> {
    socket.call("model.embed", json!({ "inputs": texts })).await
}

fn likeness(one: &Value, other: &Value) -> f64 {
    let numbers =
        |vector: &Value| -> Vec<f64> { vector.as_array().into_iter().flatten().filter_map(Value::as_f64).collect() };
    numbers(one).iter().zip(numbers(other)).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn what_is_alike_lies_close_and_the_trace_tells_who_made_it() -> anyhow::Result<()> {
    let (daemon, _directory) = daemon(json!({ "inputsMax": 2 }), json!({})).await?;
    let mut socket = daemon.admin().await;
    let made =
        embed(&mut socket, &["Restart the daemon", "How do I restart the daemon?", "A recipe for bread"]).await?;
    let vectors = &made["vectors"];
    assert_eq!((vectors.as_array().map(Vec::len), &made["dimensions"]), (Some(3), &json!(256)));
    assert!(likeness(&vectors[0], &vectors[1]) > likeness(&vectors[0], &vectors[2]) + 0.3, "{made}");
    assert_eq!(made["answeredBy"], json!({ "provider": "a", "model": "vectors" }));
    let trace = socket.call("model.trace", json!({ "traceId": made["traceId"] })).await?;
    assert_eq!((&trace["ability"], &trace["outcome"]), (&json!("embed"), &json!("answered")));
    assert_eq!((trace["attempts"].as_array().map(Vec::len), &trace["usage"]), (Some(2), &made["usage"]));
    let short = socket.call("model.embed", json!({ "inputs": ["x"], "dimensions": 8, "model": "a/other" })).await?;
    assert_eq!((&short["dimensions"], &short["answeredBy"]["model"]), (&json!(8), &json!("other")));
    Ok(())
}

#[tokio::test]
async fn who_fails_too_often_is_left_alone_and_the_refusal_says_how_long() -> anyhow::Result<()> {
    let fault = json!({ "error": "overloaded", "status": 529, "retryAfterMs": 1 });
    let limits = json!({ "failuresMin": 3, "restMs": 600_000 });
    let (daemon, _directory) = daemon(json!({ "fault": fault }), limits).await?;
    let mut socket = daemon.admin().await;
    for _ in 0..2 {
        let refusal = embed(&mut socket, &["x"]).await.expect_err("it is sick");
        let wait = refusal.retry_after.expect("how long").as_secs();
        assert!(refusal.code == Code::Unavailable && (500..=600).contains(&wait), "{refusal:?}");
    }
    Ok(())
}

#[tokio::test]
async fn wrong_texts_and_missing_models_are_refused_by_name() -> anyhow::Result<()> {
    let (daemon, _directory) = daemon(json!({}), json!({})).await?;
    let mut socket = daemon.admin().await;
    for (wrong, field) in [
        (json!({ "inputs": [] }), "inputs"),
        (json!({ "inputs": [""] }), "inputs"),
        (json!({ "inputs": vec!["x"; 257] }), "inputs"),
        (json!({ "inputs": ["x"], "dimensions": 0 }), "dimensions"),
    ] {
        let refusal = socket.call("model.embed", wrong).await.expect_err("it is wrong");
        assert_eq!((refusal.code, refusal.field.as_deref()), (Code::InvalidParams, Some(field)));
    }
    let nobody = Daemon::builder().start().await?;
    let refusal = embed(&mut nobody.admin().await, &["x"]).await.expect_err("there is no model");
    assert!(refusal.code == Code::Conflict && refusal.message.contains("models.embedding"), "{refusal:?}");
    let reader = daemon.http().with_token(&daemon.token("daemon.read").await);
    let refusal = reader.call("model.embed", json!({ "inputs": ["x"] })).await.expect_err("it costs");
    assert_eq!(refusal.code, Code::Forbidden);
    Ok(())
}
