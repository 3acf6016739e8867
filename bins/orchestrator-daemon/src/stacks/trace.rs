use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use orchestrator_redact::Redactor;
use orchestrator_rpc::{Error, FreshTrace, Request, Table};
use orchestrator_telemetry::{Metrics, TraceContext};
use tower::{Layer, Service};
use tracing::Instrument as _;

/// Opens the span of a call. Refusals are counted, and logged in it: who was refused what, and why.
#[derive(Clone)]
pub(super) struct TraceLayer {
    pub(super) metrics: Metrics,
    pub(super) redactor: Redactor,
    pub(super) table: Arc<Table>,
    /// Which part of the traces that begin here is recorded.
    pub(super) sample_ratio: f64,
}

#[derive(Clone)]
pub(super) struct Trace<S> {
    inner: S,
    layer: TraceLayer,
}

impl TraceLayer {
    /// Counts a refusal, logs it, and takes out of its texts what a client must not learn from them.
    fn refused(&self, mut error: Error) -> Error {
        tracing::debug!(%error, "refused");
        self.metrics.counter("rpc_errors_total", &[("code", error.code.name().into())]).add(1);
        error.message = self.redactor.redact(&error.message).into_owned();
        error.field = error.field.map(|field| self.redactor.redact(&field).into_owned());
        error.data = error.data.map(|data| self.redactor.redact_json(data));
        error
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, layer: self.clone() }
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
        // The transport may have begun it, because it names the trace in its answer.
        let is_begun_here = request.call.extensions.get::<FreshTrace>().is_some();
        let given = given.map(|given| if is_begun_here { given.sampled_at(self.layer.sample_ratio) } else { given });
        let begun = || TraceContext::root().sampled_at(self.layer.sample_ratio);
        let trace = given.map_or_else(begun, |given| given.child());
        request.call.traceparent = Some(trace.to_string());
        let name = super::label(&self.layer.table, &request.method);
        let span = tracing::debug_span!(
            "call",
            otel.name = &*name,
            otel.kind = "server",
            traceparent = given.as_ref().filter(|_| !is_begun_here).map(tracing::field::display),
            rpc.system.name = "jsonrpc",
            rpc.method = &*name,
            error = tracing::field::Empty,
            org = %request.call.caller.org,
            subject = %request.call.caller.subject,
            correlation = %request.call.correlation,
            trace = %trace,
        );
        let answer = self.inner.call(request);
        let layer = self.layer.clone();
        let logged = async move {
            answer.await.map_err(|error| {
                tracing::Span::current().record("error", error.code.name());
                layer.refused(error)
            })
        };
        Box::pin(logged.instrument(span))
    }
}
