use std::time::Duration;

use orchestrator_models::Limits;
use orchestrator_models::layers::{AskProvider, AttemptService, LimitLayer, TimeoutLayer};
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

/// *Model attempt*: the provider's limits, then time-outs, then the provider. Waiting for a place is not the provider's slowness.
pub(crate) fn model_attempts(limits: &Limits) -> AttemptService {
    let millis = Duration::from_millis;
    let stack = ServiceBuilder::new()
        .layer(LimitLayer::new(millis(limits.queue_ms)))
        .layer(TimeoutLayer::new(millis(limits.timeout_ms), millis(limits.idle_timeout_ms)))
        .service(AskProvider);
    BoxCloneSyncService::new(stack)
}
