use std::net::IpAddr;
use std::time::Duration;

use orchestrator_auth::{Limit, Limiter, Source};
use orchestrator_gateway::{Attempt, Limits, RetryAfter};

/// One sliding window per source address for everything that is not authenticated.
#[derive(Debug)]
pub(crate) struct PerAddress(Limiter<Source>);

impl PerAddress {
    pub(crate) fn new(max: u32, window: Duration) -> Self {
        Self(Limiter::new(Limit { max, window, ..Limit::PER_ADDRESS }))
    }
}

impl Limits for PerAddress {
    fn count(&self, address: IpAddr, _: Attempt) -> Result<(), RetryAfter> {
        let decision = self.0.check(&Source::of(address), 1);
        if decision.allowed { Ok(()) } else { Err(RetryAfter(decision.retry_after)) }
    }
}
