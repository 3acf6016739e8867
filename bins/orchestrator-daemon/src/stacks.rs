//! The tower stacks, each built once, outermost layer first.

mod audit;
mod emergency;
mod full_disk;
mod hooks;
mod models;
mod one_request_per_key;
mod rate_limit;
mod tools;
mod trace;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_auth::Limiter;
use orchestrator_gateway::CallService;
use orchestrator_redact::Redactor;
use orchestrator_rpc::{Dispatcher, Error, Request, Table};
use orchestrator_security::{Audit, Emergency};
use orchestrator_telemetry::{LatencyLayer, Metrics};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::load_shed::error::Overloaded;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};

use audit::AuditLayer;
pub(crate) use emergency::StopLayer;
use hooks::PromptLayer;
pub(crate) use models::{model_attempts, model_embeddings, model_requests};
use one_request_per_key::OneRequestPerKeyLayer;
pub(crate) use rate_limit::Credential;
use rate_limit::RateLimitLayer;
pub(crate) use tools::{ToolCalls, tool_calls};
use trace::TraceLayer;

use crate::adapters::Hooking;
use crate::keys::Keys;

/// Calls that may run at once, over all connections; what comes on top is refused at once rather than queued.
const CALLS_MAX: usize = 4_096;
/// When a call that was shed may come again.
const SHED_RETRY: Duration = Duration::from_millis(250);

/// *Client call*: trace, latency, rate limit per credential, load shed, audit of what administrators do and of refusals, the
/// emergency stop, one request per idempotency key, hooks for what people say, then the dispatcher with scope, deadline and parameters.
pub(crate) fn client_calls(
    dispatcher: Dispatcher,
    metrics: &Metrics,
    limiter: Arc<Limiter<Credential>>,
    redactor: &Redactor,
    sample_ratio: f64,
    (keys, audit, (emergency, hooking)): (Keys, Audit, (Emergency, Hooking)),
) -> CallService {
    let table = dispatcher.table().clone();
    let named = table.clone();
    let method = move |request: &Request| label(&named, &request.method);
    let stack = ServiceBuilder::new()
        .layer(TraceLayer { metrics: metrics.clone(), redactor: redactor.clone(), table: table.clone(), sample_ratio })
        .layer(LatencyLayer::new(metrics.clone(), "rpc_call_duration_seconds", "method", method))
        .layer(RateLimitLayer::new(limiter, table.clone(), metrics))
        .map_err(refused)
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(CALLS_MAX))
        .layer(AuditLayer { audit, table: table.clone(), redactor: redactor.clone() })
        .layer(StopLayer(emergency))
        .map_err(full_disk::told)
        .layer(OneRequestPerKeyLayer::new(keys, table))
        .layer(PromptLayer(hooking))
        .service(dispatcher);
    BoxCloneSyncService::new(ServiceBuilder::new().map_err(refused).service(stack))
}

/// What a client sends is no label: only names of the table are.
fn label(table: &Table, method: &str) -> Cow<'static, str> {
    table.get(method).map_or(Cow::Borrowed("unknown"), |operation| Cow::Owned(operation.name().to_owned()))
}

fn refused(error: impl Into<BoxError>) -> Error {
    let error = error.into();
    if error.is::<Overloaded>() {
        return Error::unavailable("too many calls are running").with_retry_after(SHED_RETRY);
    }
    match error.downcast::<Error>() {
        Ok(own) => *own,
        Err(other) => Error::internal(other),
    }
}
