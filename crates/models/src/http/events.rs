use eventsource_stream::{Event, EventStreamError, Eventsource as _};
use futures::{Stream, StreamExt as _};
use reqwest::Response;

use crate::{ErrorKind, ProviderError};

/// The most bytes of one stream: 128 MiB, four times the longest answer, because each piece comes with its wrapping.
pub const EVENTS_BYTES_MAX: usize = 128 * 1024 * 1024;

/// The server-sent events of an answer. An event that has no end is none: it is left out.
///
/// Its errors are [`ErrorKind::StreamTruncated`] if the connection breaks, and [`ErrorKind::Malformed`] if it is not a stream
/// of events, not UTF-8 or longer than [`EVENTS_BYTES_MAX`]. What comes after an error means nothing.
pub fn events(response: Response) -> impl Stream<Item = Result<Event, ProviderError>> + Send + 'static {
    let mut left = EVENTS_BYTES_MAX;
    let bytes = response.bytes_stream().map(move |chunk| {
        let chunk = chunk.map_err(broken)?;
        left = left.checked_sub(chunk.len()).ok_or_else(too_long)?;
        Ok(chunk)
    });
    bytes.eventsource().map(|event| {
        event.map_err(|error| match error {
            EventStreamError::Transport(error) => error,
            EventStreamError::Utf8(error) => not_events(error.to_string()),
            EventStreamError::Parser(error) => not_events(error.code.description().to_owned()),
        })
    })
}

fn broken(error: reqwest::Error) -> ProviderError {
    let message = "the connection broke in the middle of the answer";
    ProviderError::new(ErrorKind::StreamTruncated, message).with_source(error.without_url())
}

fn too_long() -> ProviderError {
    ProviderError::new(ErrorKind::Malformed, format!("the stream is longer than {EVENTS_BYTES_MAX} bytes"))
}

fn not_events(error: String) -> ProviderError {
    ProviderError::new(ErrorKind::Malformed, "the stream is not one of events").with_source(error)
}
