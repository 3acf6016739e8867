use orchestrator_models::{Instead, Thrift};

use super::*;

/// Of `a/m`, `b/m` is asked instead.
fn thrift() -> Thrift {
    Arc::new(|_, target| {
        let instead = (target.provider == "a").then(|| Instead {
            model: "b/m".into(),
            limit: "organisation per day".into(),
            used_permille: 812,
        });
        Box::pin(async { instead })
    })
}

fn sparing(members: Vec<Member>) -> Router {
    Router::new(Parts { thrift: Some(thrift()), ..parts(members, Limits::default()) }).expect("a router")
}

fn named(model: &str) -> Ask {
    Ask { model: Some(model.into()), may_fall_back: false, ..ask() }
}

#[tokio::test]
async fn a_cheaper_model_is_asked_and_the_trace_says_which_limit_is_why() {
    let router = sparing(vec![well("a"), well("b")]);
    for asked in [ask(), named("a/m")] {
        assert_eq!(whole(&router, asked).await.expect("an answer").message.text(), "b");
        let trace = trace(&router);
        let degraded = &trace.degraded[0];
        assert_eq!((degraded.model.to_string(), degraded.instead.to_string()), ("a/m".into(), "b/m".into()));
        assert_eq!((degraded.limit.as_str(), degraded.used_permille), ("organisation per day", 812));
        assert_eq!(trace.candidates.len(), 2, "each of them once");
    }
}

#[tokio::test]
async fn a_cheaper_model_that_cannot_do_it_is_not_asked() {
    let mut small = well("b");
    small.models.insert("m".into(), Facts { context_window: Some(1), ..Facts::default() });
    let router = sparing(vec![well("a"), small]);
    assert_eq!(said(&router).await, "a");
    let trace = trace(&router);
    assert!(trace.degraded.is_empty(), "{:?}", trace.degraded);
    let skipped = |provider: &str| {
        trace.candidates.iter().find(|candidate| candidate.target.provider == provider).map(|one| one.skipped.is_some())
    };
    assert_eq!((skipped("b"), skipped("a")), (Some(true), Some(false)));
}

#[tokio::test(start_paused = true)]
async fn the_dear_model_is_asked_when_all_others_have_failed() {
    let router = sparing(vec![well("a"), sick("b", 99, &json!({ "error": "overloaded" })), well("c")]);
    assert_eq!(said(&router).await, "c");
    let router = sparing(vec![well("a"), sick("b", 99, &json!({ "error": "overloaded" }))]);
    assert_eq!(said(&router).await, "a");
}
