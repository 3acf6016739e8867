use std::collections::VecDeque;
use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use orchestrator_models::http::{self, Event};
use orchestrator_models::{ChatStream, ErrorKind, ProviderError};
use orchestrator_transcript::StreamEvent;
use reqwest::Response;

/// Understands one protocol's answer. Pure: no clock, no I/O.
pub(crate) trait Reader: Send + 'static {
    /// Takes the data of one event.
    fn take(&mut self, data: &str, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError>;
    /// The provider closed the stream properly.
    fn closed(&mut self, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError>;
    /// Takes an answer that came in one piece.
    fn whole(&mut self, answer: &str, out: &mut Vec<StreamEvent>) -> Result<(), ProviderError>;
    /// Whether the end has come.
    fn is_over(&self) -> bool;
}

/// What is not what the protocol says.
pub(crate) fn malformed(error: &serde_json::Error) -> ProviderError {
    ProviderError::new(ErrorKind::Malformed, format!("an event is not what the protocol says: {error}"))
}

/// The provider has not said that the answer is whole.
pub(crate) fn truncated() -> ProviderError {
    ProviderError::new(ErrorKind::StreamTruncated, "the stream ended before the answer did")
}

/// An answer in pieces.
pub(crate) fn pieces(response: Response, reader: impl Reader, request_id: Option<String>) -> ChatStream {
    let reading = Reading {
        events: Box::pin(http::events(response)),
        reader,
        request_id,
        ready: VecDeque::new(),
        failure: None,
        over: false,
    };
    ChatStream::new(futures::stream::unfold(reading, async |mut reading| Some((reading.next().await?, reading))))
}

/// An answer in one piece.
pub(crate) async fn whole(
    response: Response,
    mut reader: impl Reader,
    request_id: Option<String>,
) -> Result<ChatStream, ProviderError> {
    let answer: Box<serde_json::value::RawValue> = http::json(response).await?;
    let mut events = Vec::new();
    match reader.whole(answer.get(), &mut events) {
        Ok(()) => Ok(ChatStream::new(futures::stream::iter(events.into_iter().map(Ok)))),
        Err(error) => Err(ProviderError { request_id, ..error }),
    }
}

struct Reading<R> {
    events: Pin<Box<dyn Stream<Item = Result<Event, ProviderError>> + Send>>,
    reader: R,
    request_id: Option<String>,
    ready: VecDeque<StreamEvent>,
    failure: Option<ProviderError>,
    over: bool,
}

impl<R: Reader> Reading<R> {
    async fn next(&mut self) -> Option<Result<StreamEvent, ProviderError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if let Some(error) = self.failure.take() {
                return Some(Err(ProviderError { request_id: self.request_id.take(), ..error }));
            }
            if self.over {
                return None;
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let mut out = Vec::new();
        let read = match self.events.next().await {
            Some(Ok(event)) => self.reader.take(&event.data, &mut out),
            Some(Err(error)) => Err(error),
            None => self.reader.closed(&mut out).and_then(|()| match self.reader.is_over() {
                true => Ok(()),
                false => Err(truncated()),
            }),
        };
        self.over = self.reader.is_over() || read.is_err();
        self.failure = read.err();
        self.ready.extend(out);
    }
}
