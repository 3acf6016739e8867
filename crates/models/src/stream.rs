use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use orchestrator_transcript::{Accumulator, Reply, StreamEvent};
use orchestrator_vocab::Label;

use crate::{ErrorKind, ProviderError};

/// An answer as it arrives. Dropping it ends the request.
pub struct ChatStream(BoxStream<'static, Result<StreamEvent, ProviderError>>);

impl ChatStream {
    /// Of the events of a provider.
    pub fn new(events: impl Stream<Item = Result<StreamEvent, ProviderError>> + Send + 'static) -> Self {
        Self(events.boxed())
    }

    /// Of an answer that came in one piece.
    pub fn whole(reply: Reply) -> Self {
        Self::new(futures::stream::iter(reply.into_events().into_iter().map(Ok)))
    }

    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<StreamEvent, ProviderError>> {
        self.0.next().await
    }

    /// Waits for the whole answer; its blocks get `label`.
    ///
    /// # Errors
    /// What the provider reports; [`ErrorKind::StreamTruncated`] if the events end before the answer does;
    /// [`ErrorKind::Malformed`] if one comes where it cannot.
    pub async fn collect(mut self, label: Label) -> Result<Reply, ProviderError> {
        let mut answer = Accumulator::new(label);
        while let Some(event) = self.next().await {
            answer.push(event?).map_err(|error| ProviderError::new(ErrorKind::Malformed, error.to_string()))?;
        }
        answer.finish().map_err(|error| ProviderError::new(ErrorKind::StreamTruncated, error.to_string()))
    }
}

impl Stream for ChatStream {
    type Item = Result<StreamEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatStream").finish_non_exhaustive()
    }
}
