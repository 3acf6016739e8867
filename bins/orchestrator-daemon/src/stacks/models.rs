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
