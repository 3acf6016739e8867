use std::net::IpAddr;

use orchestrator_auth::{Limit, Limiter, Source};
use orchestrator_gateway::{Attempt, Limits, RetryAfter};

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
    fn count(&self, address: IpAddr, _: Attempt) -> Result<(), RetryAfter> {
        let decision = self.0.check(&Source::of(address), 1);
        if decision.allowed { Ok(()) } else { Err(RetryAfter(decision.retry_after)) }
    }
}
