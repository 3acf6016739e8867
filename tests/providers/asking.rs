//! Daemons with providers, and what comes of asking them.

use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use super::upstream::{Answer, Upstream};

pub(crate) fn hello() -> Value {
    json!({ "messages": [{ "role": "user", "content": "hello" }] })
}

/// The text blocks of an answer, one after the other.
pub(crate) fn text(answer: &Value) -> String {
    let blocks = answer["message"]["content"].as_array().into_iter().flatten();
    blocks.filter_map(|block| block["text"].as_str().filter(|_| block["type"] == "text")).collect()
}

/// `provider: kind` of each attempt of a decision.
pub(crate) async fn attempts(socket: &mut Socket, trace: &Value) -> Vec<String> {
    let trace = socket.call("model.trace", json!({ "traceId": trace })).await.expect("a trace");
    let attempt = |attempt: &Value| match attempt["failure"]["kind"].as_str() {
        Some(kind) => format!("{}: {kind}", attempt["provider"].as_str().unwrap_or_default()),
        None => attempt["provider"].as_str().unwrap_or_default().to_owned(),
    };
    trace["attempts"].as_array().expect("attempts").iter().map(attempt).collect()
}

pub(crate) async fn daemon(providers: Value, limits: Value) -> anyhow::Result<Daemon> {
    let models = json!({ "providers": providers, "limits": limits });
    crate::builder().without_rate_limits().config(json!({ "models": models })).start().await
}

/// A daemon with the one provider `vendor` that answers so, what came of asking it, each attempt, and how often it was asked.
pub(crate) async fn asked(
    provider: impl FnOnce(&str) -> Value,
    answers: Vec<Answer>,
    limits: Value,
) -> anyhow::Result<(Result<Value, Value>, Vec<String>, usize)> {
    let upstream = Upstream::start(answers).await?;
    let daemon = daemon(json!({ "vendor": provider(&upstream.url) }), limits).await?;
    let mut socket = daemon.admin().await;
    let outcome = socket.call("model.chat", hello()).await;
    let outcome = outcome.map_err(|refusal| refusal.data.unwrap_or_default());
    let trace = outcome.as_ref().map_or_else(|data| data["traceId"].clone(), |answer| answer["traceId"].clone());
    let tried = attempts(&mut socket, &trace).await;
    Ok((outcome, tried, upstream.seen().len()))
}
