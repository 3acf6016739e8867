use std::time::Duration;

use orchestrator_models::{Ability, EmbedAsk, Error, Fault, Limits, Outcome, Script, Scripted};
use serde_json::json;

use super::*;

fn scripted(name: &str, embedding: Value) -> Member {
    let script = Script::parse(&json!({ "embedding": embedding }).to_string()).expect("a script");
    member(Scripted::new(name, script))
}

fn asked(inputs: &[&str]) -> EmbedAsk {
    let inputs = inputs.iter().map(|input| (*input).to_owned()).collect();
    EmbedAsk { org: OrgId::LOCAL, model: None, inputs, dimensions: None }
}

fn router_of(member: Member, limits: Limits) -> Router {
    let embedder = Some(format!("{}/e", member.provider.name()));
    Router::new(Parts { embedder, ..parts(vec![member], limits) }).expect("a router")
}

#[tokio::test(start_paused = true)]
async fn vectors_come_in_order_from_as_many_requests_as_needed() {
    let router = router_of(scripted("a", json!({ "inputsMax": 2, "dimensions": 32 })), Limits::default());
    let texts = ["one", "two", "three", "four", "five"];
    let made = router.embed(asked(&texts)).await.expect("vectors");
    assert!(made.vectors.len() == 5 && made.vectors.iter().all(|vector| vector.len() == 32));
    let alone = router.embed(asked(&["three"])).await.expect("a vector");
    assert_eq!(made.vectors[2], alone.vectors[0]);
    let trace = router.trace(OrgId::LOCAL, made.trace).expect("a trace");
    assert_eq!((trace.ability, trace.outcome, trace.attempts.len()), (Ability::Embed, Outcome::Answered, 3));
    assert_eq!((trace.usage, trace.usage.input), (made.usage, 6));
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_is_asked_again_and_rests_when_it_fails_too_often() {
    let fault = json!({ "error": "overloaded", "retryAfterMs": 10 });
    let limits = Limits { failures_min: 3, rest_ms: 5_000, ..Limits::default() };
    let router = router_of(scripted("a", json!({ "fault": fault, "times": 2 })), limits.clone());
    router.embed(asked(&["x"])).await.expect("the third attempt");
    assert_eq!(attempts(&trace(&router)), ["a: overloaded", "a: overloaded", "a"]);
    let router = router_of(scripted("a", json!({ "fault": fault })), limits);
    let failed = router.embed(asked(&["x"])).await.expect_err("it is sick");
    assert_eq!(failed.fault(), Fault::Provider { retry_in: Duration::from_secs(5) }, "as long as its circuit is open");
    let resting = router.embed(asked(&["x"])).await.expect_err("it rests");
    assert!(matches!(resting, Error::NoCandidate { .. }), "{resting}");
    assert_eq!(resting.retry_in(), Some(Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_and_limits_hold() {
    let silent = scripted("a", json!({ "fault": { "silent": true } }));
    let router = router_of(silent, Limits { timeout_ms: 50, retries_max: 0, ..Limits::default() });
    let failed = router.embed(asked(&["x"])).await.expect_err("nobody says anything");
    assert!(matches!(&failed, Error::Failed { source, .. } if source.kind == ErrorKind::Timeout), "{failed:?}");
}

#[tokio::test]
async fn who_makes_none_refuses_and_nobody_is_asked_instead() {
    let router = router_of(member(Mute), Limits::default());
    let refused = router.embed(asked(&["x"])).await.expect_err("it makes none");
    assert_eq!(refused.fault(), Fault::Request);
    let none = super::router(vec![well("a")]);
    assert!(matches!(none.embed(asked(&["x"])).await, Err(Error::NoEmbedder)));
    for wrong in [asked(&[]), asked(&["x", ""]), EmbedAsk { dimensions: Some(0), ..asked(&["x"]) }] {
        assert!(matches!(none.embed(wrong).await, Err(Error::Invalid { .. })));
    }
}

/// Talks, and makes no vectors.
#[derive(Debug)]
struct Mute;

#[async_trait::async_trait]
impl Provider for Mute {
    fn name(&self) -> &str {
        "mute"
    }

    async fn chat(&self, _: Request) -> Result<orchestrator_models::ChatStream, orchestrator_models::ProviderError> {
        Err(orchestrator_models::ProviderError::new(ErrorKind::Server, "not today"))
    }

    async fn count_tokens(&self, _: &Request) -> Result<u64, orchestrator_models::ProviderError> {
        Ok(0)
    }

    async fn list(&self) -> Result<Vec<orchestrator_models::ListedModel>, orchestrator_models::ProviderError> {
        Ok(vec![])
    }
}
