use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::Either;
use orchestrator_auth::Limiter;
use orchestrator_rpc::{Error, QuotaSlot, Request, Table};
use orchestrator_telemetry::{Counter, Metrics};
use orchestrator_vocab::OrgId;
use serde_json::json;
use tower::{Layer, Service};

use crate::adapters::quota;

/// Two organisations may hold tokens of one id: they must not share a window.
pub(crate) type Credential = (OrgId, String);

/// Refuses calls of a credential that makes too many, before anything is looked at. Pings, heartbeats and
/// acknowledgements are free.
#[derive(Debug, Clone)]
pub(super) struct RateLimitLayer {
    limiter: Arc<Limiter<Credential>>,
    table: Arc<Table>,
    refused: Counter,
}

#[derive(Debug, Clone)]
pub(super) struct RateLimit<S> {
    inner: S,
    layer: RateLimitLayer,
}

impl RateLimitLayer {
    pub(super) fn new(limiter: Arc<Limiter<Credential>>, table: Arc<Table>, metrics: &Metrics) -> Self {
        let refused = metrics.counter("rate_limited_total", &[("by", "credential".into())]);
        Self { limiter, table, refused }
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        if self.table.get(&request.method).is_some_and(orchestrator_rpc::Operation::is_free) {
            return Ok(());
        }
        let caller = &request.call.caller;
        let decision = self.limiter.check(&(caller.org, caller.credential.clone()), 1);
        let quota = quota("credential", &decision);
        if let (Some(slot), Some(quota)) = (request.call.extensions.get::<QuotaSlot>(), quota) {
            slot.put(quota);
        }
        if decision.allowed {
            return Ok(());
        }
        self.refused.add(1);
        // Refused means that the window is full.
        let max = self.limiter.max();
        let rates = json!({ "currentRate": max, "maxRate": max });
        Err(Error::rate_limited(decision.retry_after).with_data(rates))
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit { inner, layer: self.clone() }
    }
}

impl<S> Service<Request> for RateLimit<S>
where
    S: Service<Request, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Either<std::future::Ready<Result<S::Response, Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.layer.check(&request) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(refusal) => Either::Left(std::future::ready(Err(refusal))),
        }
    }
}
