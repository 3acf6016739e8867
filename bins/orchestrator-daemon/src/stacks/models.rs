use std::time::Duration;

use orchestrator_models::Limits;
use orchestrator_models::layers::{
    AskProvider, AttemptService, EmbedService, LimitLayer, LimitService, TimeoutLayer, TimeoutService,
};
use orchestrator_runtime_llm::ModelService;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceBuilder, service_fn};

use crate::adapters::{SpendingLayer, Through};

/// *Model attempt*: the budget, the provider's limits, then time-outs, then the provider. Waiting for a place is not the provider's slowness.
pub(crate) fn model_attempts(limits: &Limits, spending: &SpendingLayer) -> AttemptService {
    BoxCloneSyncService::new(spending.layer(stack(limits)))
}

/// *Model embeddings*: the same for vectors.
pub(crate) fn model_embeddings(limits: &Limits, spending: &SpendingLayer) -> EmbedService {
    BoxCloneSyncService::new(spending.layer(stack(limits)))
}

fn stack(limits: &Limits) -> LimitService<TimeoutService<AskProvider>> {
    let millis = Duration::from_millis;
    ServiceBuilder::new()
        .layer(LimitLayer::new(millis(limits.queue_ms)))
        .layer(TimeoutLayer::new(millis(limits.timeout_ms), millis(limits.idle_timeout_ms)))
        .service(AskProvider)
}

/// *Model request*: whoever routes it. What governs requests of agents goes in front.
pub(crate) fn model_requests(through: Through) -> ModelService {
    BoxCloneSyncService::new(service_fn(move |request| through.clone().ask(request)))
}
