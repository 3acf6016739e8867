use std::borrow::Cow;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use orchestrator_security::Emergency;
use orchestrator_telemetry::{LatencyLayer, Metrics};
use orchestrator_tools::{Error, Output, Permit, Registry};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};
use tracing::Instrument as _;

/// A call that is permitted, and what it comes back with.
pub(crate) type ToolCalls = BoxCloneSyncService<Permit, Output, Error>;

/// *Tool call*: trace, latency, outcome, the emergency stop, then the registry with arguments, time-out and output. Whether it may
/// be made was decided before: there is no permit otherwise.
pub(crate) fn tool_calls(registry: Registry, metrics: &Metrics, emergency: Emergency) -> ToolCalls {
    let tool = |permit: &Permit| -> Cow<'static, str> { permit.call().tool.to_string().into() };
    let stack = ServiceBuilder::new()
        .layer(LatencyLayer::new(metrics.clone(), "tool_call_duration_seconds", "tool", tool))
        .service(Counted { registry, metrics: metrics.clone(), emergency });
    BoxCloneSyncService::new(stack)
}

/// Names of tools are labels: only those that are registered get this far.
#[derive(Clone)]
struct Counted {
    registry: Registry,
    metrics: Metrics,
    emergency: Emergency,
}

impl Service<Permit> for Counted {
    type Response = Output;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Output, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, permit: Permit) -> Self::Future {
        let Self { registry, metrics, emergency } = self.clone();
        let (tool, org) = (permit.call().tool.to_string(), permit.call().context.org);
        let span = tracing::debug_span!(
            "tool.call",
            traceparent = tracing::field::Empty,
            otel.kind = "internal",
            gen_ai.tool.name = %tool,
            %org,
        );
        Box::pin(
            async move {
                // Dropped in the middle, a tool ends what it started.
                let called = match emergency.unless_stopped(org, registry.call(permit)).await {
                    Ok(called) => called,
                    Err(stopped) => Err(Error::Refused(stopped.to_string())),
                };
                let outcome = match &called {
                    Ok(output) if output.is_error => "said_error",
                    Ok(_) => "ok",
                    Err(error) => error.kind(),
                };
                let labels = [("tool", tool.into()), ("outcome", outcome.into())];
                metrics.counter("tool_calls_total", &labels).add(1);
                called
            }
            .instrument(span),
        )
    }
}
