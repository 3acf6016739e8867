use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_rpc::{Call, Caller, Code, Error, Request};
use serde_json::value::RawValue;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::offer::LIST;
use super::{Offered, Offers};

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Asking {
    /// Where requests are authenticated one by one, a call of the caller; nothing on standard streams, which have one caller.
    pub call: Option<Call>,
}

/// What the server needs of whoever has the operations.
#[async_trait]
pub trait Operations: Send + Sync {
    /// What whoever asks may call.
    ///
    /// # Errors
    /// The refusal, to be told as it is.
    async fn offers(&self, asking: &Asking) -> Result<Offers, Error>;

    /// Calls an operation. One that is not offered to models is [`Code::UnknownMethod`], whether it exists or not. Dropping the
    /// future means that the answer is not wanted any more.
    ///
    /// # Errors
    /// The operation's, to be told to the model.
    async fn call(
        &self,
        asking: &Asking,
        operation: &str,
        params: Option<Box<RawValue>>,
    ) -> Result<Box<RawValue>, Error>;
}

/// Operations behind the stack that every call of a client goes through: rate limits, scopes and records are the same.
#[derive(Clone)]
pub struct OnStack {
    offered: Offered,
    calls: BoxCloneSyncService<Request, Box<RawValue>, Error>,
    caller: Option<Arc<Caller>>,
}

impl OnStack {
    /// The operations of a table, called through `calls`, where [`operations`](super::operations) of the same `offered` are found
    /// too.
    pub fn new(offered: Offered, calls: BoxCloneSyncService<Request, Box<RawValue>, Error>) -> Self {
        Self { offered, calls, caller: None }
    }

    /// Takes whoever is not authenticated for this caller: for standard streams, where there is only one.
    #[must_use]
    pub fn for_caller(mut self, caller: Caller) -> Self {
        self.caller = Some(Arc::new(caller));
        self
    }

    async fn perform(
        &self,
        asking: &Asking,
        method: &str,
        params: Option<Box<RawValue>>,
    ) -> Result<Box<RawValue>, Error> {
        let of_caller = || self.caller.clone().map(|caller| Call::new(caller, "mcp"));
        let call = asking.call.clone().or_else(of_caller);
        let call = call.ok_or_else(|| Error::unauthorized("a valid credential is required"))?;
        self.calls.clone().oneshot(Request { call, method: method.to_owned(), params }).await
    }
}

impl std::fmt::Debug for OnStack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnStack").field("offered", &self.offered).finish_non_exhaustive()
    }
}

#[async_trait]
impl Operations for OnStack {
    async fn offers(&self, asking: &Asking) -> Result<Offers, Error> {
        let answer = self.perform(asking, LIST, None).await?;
        serde_json::from_str(answer.get()).map_err(Error::internal)
    }

    async fn call(
        &self,
        asking: &Asking,
        operation: &str,
        params: Option<Box<RawValue>>,
    ) -> Result<Box<RawValue>, Error> {
        if !self.offered.has(operation) {
            return Err(Error::new(Code::UnknownMethod, "no such tool"));
        }
        self.perform(asking, operation, params).await
    }
}
