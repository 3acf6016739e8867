use std::time::Duration;

use orchestrator_models::Limits;
use orchestrator_models::layers::{
    AskProvider, AttemptService, EmbedService, LimitLayer, LimitService, TimeoutLayer, TimeoutService,
};
use orchestrator_runtime_llm::{ModelError, ModelRequest, ModelService};
use orchestrator_security::Emergency;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceBuilder, service_fn};

use super::StopLayer;
use crate::adapters::{SpendingLayer, Through};

/// *Model attempt*: the emergency stop, the budget, the provider's limits, then time-outs, then the provider. Waiting for a place is not the provider's slowness.
pub(crate) fn model_attempts(limits: &Limits, spending: &SpendingLayer, stop: &StopLayer) -> AttemptService {
    BoxCloneSyncService::new(stop.layer(spending.layer(stack(limits))))
}

/// *Model embeddings*: the same for vectors.
pub(crate) fn model_embeddings(limits: &Limits, spending: &SpendingLayer, stop: &StopLayer) -> EmbedService {
    BoxCloneSyncService::new(stop.layer(spending.layer(stack(limits))))
}

fn stack(limits: &Limits) -> LimitService<TimeoutService<AskProvider>> {
    let millis = Duration::from_millis;
    ServiceBuilder::new()
        .layer(LimitLayer::new(millis(limits.queue_ms)))
        .layer(TimeoutLayer::new(millis(limits.timeout_ms), millis(limits.idle_timeout_ms)))
        .service(AskProvider)
}

/// *Model request*: the emergency stop, then whoever routes it. What governs requests of agents goes in front.
pub(crate) fn model_requests(through: Through, emergency: Emergency) -> ModelService {
    BoxCloneSyncService::new(service_fn(move |request: ModelRequest| {
        let (through, emergency) = (through.clone(), emergency.clone());
        async move {
            // Its session is ended meanwhile, and goes on later: that is no failure of it.
            let unavailable = |message| ModelError::Unavailable { message, retry_at: None };
            emergency.check(request.org).map_err(|stopped| unavailable(stopped.to_string()))?;
            through.ask(request).await
        }
    }))
}

/// The layers lie in an order that matters: each test fails if the two that it names are exchanged.
#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use futures::future::join_all;
    use orchestrator_budget::{Config, Ledger, NoWitness, Owner};
    use orchestrator_events::MemoryLog;
    use orchestrator_models::{Ask, Attribution, Member, Parts, Request, Router, Script, Scripted};
    use orchestrator_security::emergency::MemoryStore;
    use orchestrator_telemetry::{Metrics, Redaction};
    use orchestrator_transcript::Message;
    use orchestrator_vocab::{Actor, Label, OrgId, SystemClock, Tokens};
    use serde_json::json;

    use super::*;
    use crate::adapters::Degrading;

    /// One model with one place, that thinks for 700 ms.
    fn router(limits: Limits, attempts: AttemptService) -> Router {
        let script = json!({"rules": [{"delayMs": 700, "say": [{"text": "yes"}]}]}).to_string();
        let provider = Arc::new(Scripted::new("stage", Script::parse(&script).unwrap()));
        let member =
            Member { provider, vendor: None, concurrent_max: 1, per_minute_max: None, models: BTreeMap::new() };
        let parts = Parts::new(vec![member], Some("stage/m".into()), limits, Arc::new(SystemClock));
        Router::new(Parts { attempts, ..parts }).unwrap()
    }

    async fn asked(router: &Router) -> Result<(), String> {
        let request = Request::new("", vec![Message::user(Label::USER, "Is it so?")]);
        let attribution = Attribution::default();
        let ask = Ask { org: OrgId::LOCAL, model: None, may_fall_back: true, request, attribution };
        let mut answer = router.chat(ask).await.map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
        while let Some(event) = answer.stream.next().await {
            event.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn limits() -> Limits {
        Limits { queue_ms: 60_000, timeout_ms: 1_000, retries_max: 0, ..Limits::default() }
    }

    /// A ledger whose organisation has nothing left.
    fn poor() -> SpendingLayer {
        let parts = orchestrator_budget::Parts {
            store: Arc::new(orchestrator_budget::MemoryStore::new(Arc::new(MemoryLog::default()))),
            clock: Arc::new(SystemClock),
            owner: Owner { node: "node".into(), epoch: 1 },
            config: Config { daily: Some(Tokens(1)), ..Config::default() },
            witness: Arc::new(NoWitness),
            vendors: BTreeMap::new(),
        };
        let ledger = Ledger::new(parts).unwrap();
        let degrading = Degrading::new(ledger.clone(), Metrics::new(Redaction::none()));
        SpendingLayer::new(ledger, BTreeSet::from(["stage".to_owned()]), degrading)
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_place_is_not_the_slowness_of_the_provider() {
        let router = router(limits(), BoxCloneSyncService::new(stack(&limits())));
        let answers = join_all((0..3).map(|_| asked(&router))).await;
        assert_eq!(answers, [Ok(()), Ok(()), Ok(())], "the third waits longer than it may take");
    }

    #[tokio::test(start_paused = true)]
    async fn where_everything_is_stopped_nobody_asks_what_is_left_to_spend() {
        let store = Arc::new(MemoryStore::new(Arc::new(MemoryLog::default())));
        let emergency = Emergency::open(store, Arc::new(SystemClock)).await.unwrap();
        let router = router(limits(), model_attempts(&limits(), &poor(), &StopLayer(emergency.clone())));
        let refused = asked(&router).await.unwrap_err();
        assert!(refused.contains("budget"), "{refused}");
        emergency.stop(OrgId::LOCAL, "a drill", Actor::system("test")).await.unwrap();
        let refused = asked(&router).await.unwrap_err();
        assert!(refused.contains("a drill") && !refused.contains("budget"), "{refused}");
    }
}
