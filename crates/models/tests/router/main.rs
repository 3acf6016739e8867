//! How a request finds its answer: over scripted providers, with time that is paused.

mod embedding;
mod failing;
mod layers;
mod sparing;
mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_models::layers::{AskProvider, LimitLayer, TimeoutLayer};
use orchestrator_models::{
    Ask, Attribution, Error, ErrorKind, Facts, Limits, Member, OnRefusal, Parts, Provider, Request, Router, Script,
    Scripted, Strategy, Trace,
};
use orchestrator_transcript::{Message, Reply};
use orchestrator_vocab::{Label, OrgId, SystemClock};
use serde_json::{Value, json};
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

fn scripted(name: &str, rules: Value) -> Member {
    let script = Script::parse(&json!({ "rules": rules }).to_string()).expect("a script");
    member(Scripted::new(name, script))
}

fn member(provider: impl Provider + 'static) -> Member {
    let provider = Arc::new(provider);
    Member { provider, vendor: None, concurrent_max: 8, per_minute_max: None, models: BTreeMap::new() }
}

/// Says its name.
fn well(name: &str) -> Member {
    scripted(name, json!([{ "say": [{ "text": name }] }]))
}

/// Fails so often, then is well.
fn sick(name: &str, times: u32, fault: &Value) -> Member {
    scripted(name, json!([{ "times": times, "fault": fault }, { "say": [{ "text": name }] }]))
}

fn parts(members: Vec<Member>, limits: Limits) -> Parts {
    let mut names = members.iter().map(|member| format!("{}/m", member.provider.name()));
    let attempts = ServiceBuilder::new()
        .layer(LimitLayer::new(Duration::from_millis(limits.queue_ms)))
        .layer(TimeoutLayer::new(
            Duration::from_millis(limits.timeout_ms),
            Duration::from_millis(limits.idle_timeout_ms),
        ))
        .service(AskProvider);
    Parts {
        primary: names.next(),
        fallbacks: names.collect(),
        members,
        strategy: Strategy::Failover,
        on_refusal: OnRefusal::Stop,
        limits,
        thrift: None,
        attempts: BoxCloneSyncService::new(attempts.clone()),
        embedder: None,
        embeddings: BoxCloneSyncService::new(attempts),
        clock: Arc::new(SystemClock),
        listener: Arc::new(|_| {}),
    }
}

fn router(members: Vec<Member>) -> Router {
    Router::new(parts(members, Limits::default())).expect("a router")
}

fn ask() -> Ask {
    let request = Request::new("", vec![Message::user(Label::USER, "hello")]);
    Ask { org: OrgId::LOCAL, attribution: Attribution::default(), model: None, may_fall_back: true, request }
}

async fn whole(router: &Router, ask: Ask) -> Result<Reply, Error> {
    let label = ask.request.label();
    let answer = router.chat(ask).await?;
    let (target, trace) = (answer.target.clone(), answer.trace);
    answer.stream.collect(label).await.map_err(|source| Error::Failed {
        target,
        source: source.into(),
        retry_in: None,
        trace,
    })
}

async fn said(router: &Router) -> String {
    whole(router, ask()).await.expect("an answer").message.text()
}

/// The newest.
fn trace(router: &Router) -> Arc<Trace> {
    router.traces(OrgId::LOCAL, None, 1).pop().expect("a trace")
}

/// `provider: outcome` of each attempt.
fn attempts(trace: &Trace) -> Vec<String> {
    let outcome = |attempt: &orchestrator_models::Attempted| match &attempt.failure {
        Some(failure) => format!("{}: {}", attempt.target.provider, failure.kind.as_str()),
        None if attempt.refused => format!("{}: refused", attempt.target.provider),
        None => attempt.target.provider.clone(),
    };
    trace.attempts.iter().map(outcome).collect()
}

#[tokio::test]
async fn without_a_model_the_operator_is_told_what_to_set() {
    let refusal = whole(&router(vec![]), ask()).await.expect_err("nobody is there");
    assert_eq!(refusal.to_string(), "no model configured: set OPENAI_API_KEY, ANTHROPIC_API_KEY or models.*");
}

#[tokio::test]
async fn a_model_is_named_alone_where_only_one_can_be_meant() {
    let mut known = well("b");
    known.models.insert("big".into(), Facts { tools: Some(true), ..Facts::default() });
    let router = router(vec![well("a"), known]);
    let named = |model: &str| Ask { model: Some(model.into()), ..ask() };
    for (model, expected) in [("b/whatever", "b"), ("a/x/y", "a"), ("big", "b")] {
        assert_eq!(whole(&router, named(model)).await.expect("an answer").message.text(), expected, "{model}");
    }
    for model in ["unknown", "c/m", ""] {
        let refusal = whole(&router, named(model)).await.expect_err("nobody can be meant");
        assert!(matches!(refusal, Error::UnknownModel(_)), "{model}: {refusal}");
    }
}

#[tokio::test]
async fn a_trace_tells_who_was_skipped_and_belongs_to_its_organisation() {
    let mut blind = well("blind");
    blind.models.insert("m".into(), Facts { tools: Some(false), ..Facts::default() });
    let router = router(vec![blind, well("able")]);
    let parameters = json!({ "type": "object" });
    let tool = orchestrator_models::Tool { name: "t".into(), description: String::new(), parameters };
    let request = Request { tools: vec![tool], ..ask().request };
    assert_eq!(whole(&router, Ask { request, ..ask() }).await.expect("an answer").message.text(), "able");
    let trace = trace(&router);
    let seen = serde_json::to_value(&*trace).expect("JSON");
    assert_eq!(seen["candidates"][0]["skipped"]["reason"], "no_tools");
    assert_eq!((seen["answeredBy"]["provider"].as_str(), seen["outcome"].as_str()), (Some("able"), Some("answered")));
    assert_eq!(seen["candidates"][1].get("skipped"), None);
    assert!(router.trace(OrgId::LOCAL, trace.id).is_some());
    assert!(router.trace(OrgId::new(), trace.id).is_none());
}

#[tokio::test]
async fn traces_are_bounded_per_organisation() {
    let limits = Limits { traces_max: 2, ..Limits::default() };
    let router = Router::new(parts(vec![well("a")], limits)).expect("a router");
    let other = OrgId::new();
    whole(&router, Ask { org: other, ..ask() }).await.expect("an answer");
    for _ in 0..3 {
        said(&router).await;
    }
    assert_eq!((router.traces(OrgId::LOCAL, None, 9).len(), router.traces(other, None, 9).len()), (2, 1));
    let newest = trace(&router).id;
    assert_eq!(router.traces(OrgId::LOCAL, Some(newest), 9).len(), 1);
}
