use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::{Attempt, EmbedAttempt};
use crate::{ChatStream, Embeddings, ErrorKind, ProviderError};

/// Bounds the wait for the first event of an answer, and the silence between two events.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutLayer {
    first: Duration,
    idle: Duration,
}

/// Made by [`TimeoutLayer`].
#[derive(Debug, Clone)]
pub struct TimeoutService<S> {
    inner: S,
    layer: TimeoutLayer,
}

impl TimeoutLayer {
    /// `first` counts from sending the request, `idle` from the event before. Both end in [`ErrorKind::Timeout`].
    pub const fn new(first: Duration, idle: Duration) -> Self {
        Self { first, idle }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = TimeoutService<S>;

    fn layer(&self, inner: S) -> TimeoutService<S> {
        TimeoutService { inner, layer: *self }
    }
}

impl<S> Service<Attempt> for TimeoutService<S>
where
    S: Service<Attempt, Response = ChatStream, Error = ProviderError>,
    S::Future: Send + 'static,
{
    type Response = ChatStream;
    type Error = ProviderError;
    type Future = BoxFuture<'static, Result<ChatStream, ProviderError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        let TimeoutLayer { first, idle } = self.layer;
        let answer = self.inner.call(attempt);
        Box::pin(async move {
            let deadline = Instant::now() + first;
            let answered = tokio::time::timeout_at(deadline, answer).await;
            let stream = answered.map_err(|_| silent("the provider did not answer", first))??;
            Ok(bounded(stream, deadline, first, idle))
        })
    }
}

/// An answer in one piece must be there as soon as one in pieces must begin.
impl<S> Service<EmbedAttempt> for TimeoutService<S>
where
    S: Service<EmbedAttempt, Response = Embeddings, Error = ProviderError>,
    S::Future: Send + 'static,
{
    type Response = Embeddings;
    type Error = ProviderError;
    type Future = BoxFuture<'static, Result<Embeddings, ProviderError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, attempt: EmbedAttempt) -> Self::Future {
        let first = self.layer.first;
        let answer = self.inner.call(attempt);
        Box::pin(async move {
            let answered = tokio::time::timeout(first, answer).await;
            answered.map_err(|_| silent("the provider did not answer", first))?
        })
    }
}

fn bounded(stream: ChatStream, deadline: Instant, first: Duration, idle: Duration) -> ChatStream {
    let state = Some((stream, Some(deadline)));
    ChatStream::new(stream::unfold(state, move |state| async move {
        let (mut stream, begin) = state?;
        // Counted from when somebody waits: a slow reader is not the provider's silence.
        let deadline = begin.unwrap_or_else(|| Instant::now() + idle);
        match tokio::time::timeout_at(deadline, stream.next()).await {
            Ok(Some(item)) => Some((item, Some((stream, None)))),
            Ok(None) => None,
            Err(_) if begin.is_some() => Some((Err(silent("the provider did not begin to answer", first)), None)),
            Err(_) => Some((Err(silent("the provider fell silent", idle)), None)),
        }
    }))
}

fn silent(what: &str, span: Duration) -> ProviderError {
    ProviderError::new(ErrorKind::Timeout, format!("{what} within {} ms", span.as_millis()))
}
