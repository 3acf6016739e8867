use std::net::IpAddr;

use orchestrator_auth::{Decision, Limit, Limiter, Source};
use orchestrator_gateway::{Attempt, Counted, Limits, RetryAfter};
use orchestrator_rpc::Quota;

/// One sliding window per source address for everything that is not authenticated.
#[derive(Debug)]
pub(crate) struct PerAddress(Limiter<Source>);

impl PerAddress {
    pub(crate) fn new(limit: Option<Limit>) -> Self {
        Self(Limiter::configured(limit))
    }

    pub(crate) fn reconfigure(&self, limit: Option<Limit>) {
        self.0.reconfigure(limit);
    }
}

impl Limits for PerAddress {
    fn count(&self, address: IpAddr, _: Attempt) -> Counted {
        let decision = self.0.check(&Source::of(address), 1);
        let refused = (!decision.allowed).then_some(RetryAfter(decision.retry_after));
        Counted { refused, quota: quota("address", &decision) }
    }
}

/// What a decision leaves, for the headers of the answer; nothing if nothing is limited.
pub(crate) fn quota(name: &'static str, decision: &Decision) -> Option<Quota> {
    let (limit, window) = decision.limit?;
    Some(Quota { name, limit, window, remaining: decision.remaining, reset: decision.reset_after })
}
