use std::collections::VecDeque;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use orchestrator_models::ProviderError;
use orchestrator_models::http::Event;
use orchestrator_transcript::StreamEvent;
use secrecy::{ExposeSecret as _, SecretString};

use crate::answer::{Next, Reader};

/// An answer that is arriving. Dropping it closes the request.
pub(crate) struct Running {
    events: BoxStream<'static, Result<Event, ProviderError>>,
    reader: Reader,
    key: SecretString,
    ready: VecDeque<StreamEvent>,
    is_over: bool,
}

impl Running {
    pub(crate) fn new(
        events: impl Stream<Item = Result<Event, ProviderError>> + Send + 'static,
        reader: Reader,
        key: SecretString,
    ) -> Self {
        Self { events: events.boxed(), reader, key, ready: VecDeque::new(), is_over: false }
    }

    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<StreamEvent, ProviderError>> + Send + 'static {
        futures::stream::unfold(self, |mut running| async move { Some((running.next().await?, running)) })
    }

    async fn next(&mut self) -> Option<Result<StreamEvent, ProviderError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.is_over {
                return None;
            }
            if let Err(mut error) = self.read().await {
                self.is_over = true;
                self.ready.clear();
                // A server may repeat what it was sent.
                error.message = error.message.replace(self.key.expose_secret(), "***");
                return Some(Err(error));
            }
        }
    }

    async fn read(&mut self) -> Result<(), ProviderError> {
        let event = self.events.next().await.unwrap_or_else(|| Err(self.reader.truncated()))?;
        self.is_over = self.reader.take(&event.data, &mut self.ready)? == Next::Over;
        Ok(())
    }
}
