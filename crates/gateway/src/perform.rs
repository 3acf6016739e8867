use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use orchestrator_rpc::{Error, Request};
use serde_json::value::RawValue;
use tower::ServiceExt as _;

use crate::shared::Shared;

/// Sends a call through the stack. A panic in one of its layers ends that call only.
pub(crate) async fn perform(shared: &Shared, request: Request) -> Result<Box<RawValue>, Error> {
    let answer = AssertUnwindSafe(shared.calls.clone().oneshot(request)).catch_unwind().await;
    answer.unwrap_or_else(|_| {
        shared.counters.panics.increment();
        Err(Error::internal("a layer of the call stack panicked"))
    })
}
