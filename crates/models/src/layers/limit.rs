use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;
use tower::{Layer, Service};

use super::{Attempt, EmbedAttempt};
use crate::pool::Seat;
use crate::{ChatStream, Embeddings, ErrorKind, ProviderError};

/// Lets through what the provider's limits allow, after a wait; a place is kept until the answer ends or is dropped.
#[derive(Debug, Clone, Copy)]
pub struct LimitLayer {
    patience: Duration,
}

/// Made by [`LimitLayer`].
#[derive(Debug, Clone)]
pub struct LimitService<S> {
    inner: S,
    patience: Duration,
}

impl LimitLayer {
    /// A request waits so long for a place, and is refused with [`ErrorKind::Busy`] then.
    pub const fn new(patience: Duration) -> Self {
        Self { patience }
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = LimitService<S>;

    fn layer(&self, inner: S) -> LimitService<S> {
        LimitService { inner, patience: self.patience }
    }
}

impl<S> Service<Attempt> for LimitService<S>
where
    S: Service<Attempt, Response = ChatStream, Error = ProviderError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = ChatStream;
    type Error = ProviderError;
    type Future = BoxFuture<'static, Result<ChatStream, ProviderError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next); // the one that was polled ready
        let patience = self.patience;
        Box::pin(async move {
            let place = place(&attempt.seat, patience).await?;
            let stream = ready.call(attempt).await?;
            // Moved into the stream: dropped with it.
            Ok(ChatStream::new(stream.inspect(move |_| {
                let _ = &place;
            })))
        })
    }
}

impl<S> Service<EmbedAttempt> for LimitService<S>
where
    S: Service<EmbedAttempt, Response = Embeddings, Error = ProviderError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Embeddings;
    type Error = ProviderError;
    type Future = BoxFuture<'static, Result<Embeddings, ProviderError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, attempt: EmbedAttempt) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next); // the one that was polled ready
        let patience = self.patience;
        Box::pin(async move {
            let _place = place(&attempt.seat, patience).await?;
            ready.call(attempt).await
        })
    }
}

async fn place(seat: &Seat, patience: Duration) -> Result<OwnedSemaphorePermit, ProviderError> {
    seat.place(patience).await.ok_or_else(|| {
        let provider = seat.member.provider.name();
        let message = format!("{provider} has no place free within {} ms", patience.as_millis());
        ProviderError::new(ErrorKind::Busy, message)
    })
}
