use std::task::{Context, Poll};

use futures::future::BoxFuture;
use orchestrator_rpc::{Error, Request};
use orchestrator_telemetry::{Metrics, TraceContext};
use tower::{Layer, Service};
use tracing::Instrument as _;

/// Opens the span of a call. Refusals are logged in it: who was refused what, and why.
#[derive(Debug, Clone)]
pub(super) struct TraceLayer(pub(super) Metrics);

#[derive(Debug, Clone)]
pub(super) struct Trace<S> {
    inner: S,
    metrics: Metrics,
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, metrics: self.0.clone() }
    }
}

impl<S> Service<Request> for Trace<S>
where
    S: Service<Request, Error = Error>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<S::Response, Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        // A trace that came from outside goes on; else one begins here, so that all that follows can be found by it.
        let given = request.call.traceparent.as_deref().and_then(|header| header.parse::<TraceContext>().ok());
        let trace = given.map_or_else(TraceContext::root, |given| given.child());
        request.call.traceparent = Some(trace.to_string());
        let span = tracing::debug_span!(
            "call",
            method = %request.method,
            org = %request.call.caller.org,
            subject = %request.call.caller.subject,
            correlation = %request.call.correlation,
            trace = %trace,
        );
        let answer = self.inner.call(request);
        let metrics = self.metrics.clone();
        let logged = async move {
            answer.await.inspect_err(|error| {
                tracing::debug!(%error, "refused");
                metrics.counter("rpc_errors_total", &[("code", error.code.name().into())]).add(1);
            })
        };
        Box::pin(logged.instrument(span))
    }
}
