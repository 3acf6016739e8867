//! How many tokens a request is, by the provider's count.

use orchestrator_rpc::Code;
use serde_json::{Value, json};

use super::anthropic::{claude, fails, says};
use super::upstream::{Answer, Then, Upstream};

/// What the vendor counts, whatever is asked.
const COUNTED: u64 = 42;
const COUNT: &str = "/v1/messages/count_tokens";
const CHAT: &str = "/v1/messages";

fn counts() -> Answer {
    let body = json!({ "input_tokens": COUNTED }).to_string();
    Answer { status: 200, headers: vec![("content-type", "application/json")], body, then: Then::Ends }
}

/// A question of a hundred tokens, by the estimate.
fn long() -> Value {
    json!({ "messages": [{ "role": "user", "content": "word".repeat(100) }], "maxTokens": 5 })
}

/// What came of asking: the tokens of input that were reckoned with, or the refusal; and the paths that the vendor saw.
async fn asked(budget: Value, answers: Vec<Answer>) -> anyhow::Result<(Result<u64, Code>, Vec<String>)> {
    let vendor = Upstream::start(answers).await?;
    let models = json!({ "providers": { "vendor": claude(&vendor.url) } });
    let builder = crate::builder().without_rate_limits().config(json!({ "models": models, "budget": budget }));
    let daemon = builder.start().await?;
    let mut socket = daemon.admin().await;
    let outcome = match socket.call("model.chat", long()).await {
        Ok(_) => {
            let usage = socket.call("usage.list", json!({})).await?;
            Ok(usage["items"][0]["inputExpected"].as_u64().expect("a number"))
        }
        Err(refusal) => Err(refusal.code),
    };
    Ok((outcome, vendor.seen().into_iter().map(|seen| seen.path).collect()))
}

#[tokio::test]
async fn a_provider_counts_what_the_estimate_would_keep_out() -> anyhow::Result<()> {
    let near = json!({ "daily": 60 });
    let (outcome, paths) = asked(near, vec![counts(), says(6)]).await?;
    assert_eq!((outcome, paths), (Ok(COUNTED), vec![COUNT.to_owned(), CHAT.to_owned()]));
    let (outcome, paths) = asked(json!({ "daily": 60, "countTokens": "never" }), vec![counts(), says(6)]).await?;
    assert_eq!((outcome, paths), (Err(Code::BudgetExhausted), vec![]), "by the estimate it does not fit");
    Ok(())
}

#[tokio::test]
async fn far_from_a_limit_nobody_is_asked_to_count_unless_always() -> anyhow::Result<()> {
    let (outcome, paths) = asked(json!({}), vec![says(6)]).await?;
    assert_eq!((outcome, paths), (Ok(100), vec![CHAT.to_owned()]));
    let (outcome, paths) = asked(json!({ "countTokens": "always" }), vec![counts(), says(6)]).await?;
    assert_eq!((outcome, paths), (Ok(COUNTED), vec![COUNT.to_owned(), CHAT.to_owned()]));
    Ok(())
}

#[tokio::test]
async fn the_estimate_counts_where_the_provider_does_not_count_in_time() -> anyhow::Result<()> {
    let silent = Answer { body: String::new(), then: Then::Silence, ..counts() };
    for fault in [fails(500, "api_error", &[]), silent] {
        let (outcome, paths) = asked(json!({ "countTokens": "always" }), vec![fault, says(6)]).await?;
        assert_eq!((outcome, paths), (Ok(100), vec![COUNT.to_owned(), CHAT.to_owned()]));
    }
    Ok(())
}
