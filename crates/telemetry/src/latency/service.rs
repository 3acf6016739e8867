use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tower::Service;

use super::layer::Labelled;

/// The service made by [`LatencyLayer`](super::LatencyLayer).
pub struct Latency<S, R> {
    pub(super) inner: S,
    pub(super) labelled: Arc<Labelled<R>>,
}

impl<S, R> Service<R> for Latency<S, R>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: 'static,
    R: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let value = (self.labelled.value_of)(&request);
        let labelled = Arc::clone(&self.labelled);
        let running = Running { labelled, value, start: Instant::now(), outcome: "cancelled" };
        let reply = self.inner.call(request);
        Box::pin(async move {
            let reply = reply.await;
            running.end(if reply.is_ok() { "ok" } else { "error" });
            reply
        })
    }
}

/// Records when it is dropped, so that calls nobody waits for any more are counted too.
struct Running<R> {
    labelled: Arc<Labelled<R>>,
    value: Cow<'static, str>,
    start: Instant,
    outcome: &'static str,
}

impl<R> Running<R> {
    fn end(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl<R> Drop for Running<R> {
    fn drop(&mut self) {
        let Labelled { metrics, name, label, .. } = &*self.labelled;
        let labels = [(*label, std::mem::take(&mut self.value)), ("outcome", self.outcome.into())];
        metrics.histogram(name, &labels).record_duration(self.start.elapsed());
    }
}

impl<S: Clone, R> Clone for Latency<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), labelled: Arc::clone(&self.labelled) }
    }
}

impl<S, R> fmt::Debug for Latency<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Latency({})", self.labelled.name)
    }
}
