use std::convert::Infallible;

use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::{Metrics, Redaction};

fn layer(metrics: &Metrics) -> LatencyLayer<&'static str> {
    LatencyLayer::new(metrics.clone(), "call_seconds", "operation", |request: &&'static str| (*request).into())
}

#[tokio::test]
async fn each_outcome_is_counted_under_its_operation() {
    let metrics = Metrics::new(Redaction::none());
    let answer = |request: &'static str| async move { if request == "bad" { Err("refused") } else { Ok(request) } };
    let service = layer(&metrics).layer(service_fn(answer));
    assert_eq!(service.clone().oneshot("good").await, Ok("good"));
    assert_eq!(service.clone().oneshot("bad").await, Err("refused"));
    let page = metrics.render();
    assert!(page.contains("call_seconds_count{operation=\"good\",outcome=\"ok\"} 1"), "{page}");
    assert!(page.contains("call_seconds_count{operation=\"bad\",outcome=\"error\"} 1"), "{page}");
}

#[tokio::test]
async fn a_call_nobody_waits_for_is_counted_as_cancelled() {
    let metrics = Metrics::new(Redaction::none());
    let never = |_: &'static str| std::future::pending::<Result<(), Infallible>>();
    let mut service = layer(&metrics).layer(service_fn(never));
    let service = service.ready().await.unwrap();
    drop(tower::Service::call(service, "slow"));
    let page = metrics.render();
    assert!(page.contains("call_seconds_count{operation=\"slow\",outcome=\"cancelled\"} 1"), "{page}");
}
