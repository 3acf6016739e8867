use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use orchestrator_models::layers::{AskProvider, AttemptService, LimitLayer, TimeoutLayer};
use orchestrator_models::{Ask, Attribution, Limits, Member, Parts, Request, Router, Script, Scripted};
use orchestrator_transcript::Message;
use orchestrator_vocab::{Label, OrgId, SystemClock};
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use crate::Scale;
use crate::figure::{Aim, Figure, micros};
use crate::process::processor_time;

/// Pieces of a long answer.
const PIECES: usize = 10_000;

/// What the router and the stack of attempts take of the processor, beside a model that costs next to nothing.
pub(crate) async fn measure(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let calls = scale.of(50_000, 2_000);
    let router = router(r#"{"rules": [{"say": [{"text": "yes"}]}]}"#)?;
    let (taken, _) = asked(&router, calls).await?;
    let each = micros(taken) / calls as f64;
    let conditions =
        format!("{calls} calls of a scripted model, one after the other, read to the end, without a store");
    let call = Figure::new("model.call", each, "µs CPU", conditions).aiming(Aim::AtMost(100.0));

    let answers = scale.of(50, 2);
    let long = serde_json::json!({"rules": [{"pieceChars": 1, "say": [{"text": "x".repeat(PIECES)}]}]});
    let (taken, events) = asked(&self::router(&long.to_string())?, answers).await?;
    let conditions =
        format!("{answers} answers in {PIECES} pieces each, through router and attempt, made by the script");
    let event = Figure::new("model.event", micros(taken) / events as f64, "µs CPU", conditions);
    Ok(vec![call, event.aiming(Aim::AtMost(10.0))])
}

/// Asks so often; the processor time and the events that came.
async fn asked(router: &Router, times: usize) -> anyhow::Result<(Duration, usize)> {
    let (before, mut events) = (processor_time(std::process::id())?, 0);
    for _ in 0..times {
        let request = Request::new("", vec![Message::user(Label::USER, "Is it so?")]);
        let ask =
            Ask { org: OrgId::LOCAL, model: None, may_fall_back: true, request, attribution: Attribution::default() };
        let mut answer = router.chat(ask).await?;
        while let Some(event) = answer.stream.next().await {
            event?;
            events += 1;
        }
    }
    Ok((processor_time(std::process::id())?.saturating_sub(before), events))
}

/// Composed as the daemon does it.
pub(crate) fn router(script: &str) -> anyhow::Result<Router> {
    let limits = Limits::default();
    let provider = Arc::new(Scripted::new("bench", Script::parse(script)?));
    let member = Member { provider, vendor: None, concurrent_max: 8, per_minute_max: None, models: BTreeMap::new() };
    let parts = Parts::new(vec![member], Some("bench/scripted".into()), limits.clone(), Arc::new(SystemClock));
    Router::new(Parts { attempts: attempts(&limits), ..parts }).context("the bench's router")
}

fn attempts(limits: &Limits) -> AttemptService {
    let millis = Duration::from_millis;
    let stack = ServiceBuilder::new()
        .layer(LimitLayer::new(millis(limits.queue_ms)))
        .layer(TimeoutLayer::new(millis(limits.timeout_ms), millis(limits.idle_timeout_ms)))
        .service(AskProvider);
    BoxCloneSyncService::new(stack)
}
