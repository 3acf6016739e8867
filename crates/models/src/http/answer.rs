use orchestrator_vocab::Timestamp;
use reqwest::Response;
use serde::de::DeserializeOwned;

use crate::{ErrorKind, ProviderError, RetryHints};

/// The most bytes of an answer that is read as a whole: 16 MiB.
const WHOLE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most bytes of what is said with an error: 64 KiB.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// How much of it is shown if it is not what the protocol says, in characters.
const EXCERPT_MAX: usize = 200;

/// What the body of a refusal says, in its protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What it is.
    pub kind: ErrorKind,
    /// In the provider's words.
    pub message: String,
    /// The provider's own kind.
    pub raw_kind: Option<String>,
}

/// Makes an error of an answer whose status is not 200. `request_id` is the header that has the provider's id of the request;
/// `read` understands the body, given the status. What it does not understand is judged by the status alone.
pub async fn refused(
    response: Response,
    request_id: &str,
    now: Timestamp,
    read: impl FnOnce(u16, &str) -> Option<Told> + Send,
) -> ProviderError {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let hints = RetryHints::read(header, now);
    let request_id = header(request_id).map(str::to_owned);
    let status = response.status().as_u16();
    let body = bounded(response, ERROR_BYTES_MAX).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body);
    let Told { kind, message, raw_kind } = read(status, &body).unwrap_or_else(|| by_status(status, &body));
    ProviderError { kind, message, status: Some(status), raw_kind, request_id, hints, source: None }
}

fn by_status(status: u16, body: &str) -> Told {
    let excerpt: String = body.chars().filter(|c| !c.is_control()).take(EXCERPT_MAX).collect();
    let (kind, what) = match status {
        // Whoever answers like this is not who was meant.
        0..400 => (ErrorKind::Malformed, "which no provider answers with; redirects are not followed"),
        _ => (ErrorKind::of_status(status), "and says nothing that can be understood"),
    };
    Told { kind, message: format!("the status is {status}, {what}: {excerpt}"), raw_kind: None }
}

/// Reads an answer of status 200 as a whole.
///
/// # Errors
/// [`ErrorKind::Connection`] if it breaks off, [`ErrorKind::Malformed`] if it is not what is expected or longer than 16 MiB.
pub async fn json<T: DeserializeOwned>(response: Response) -> Result<T, ProviderError> {
    let body = bounded(response, WHOLE_BYTES_MAX).await?;
    serde_json::from_slice(&body).map_err(|error| {
        ProviderError::new(ErrorKind::Malformed, format!("the answer is not what the protocol says: {error}"))
    })
}

async fn bounded(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|error| {
            let message = "the connection broke in the middle of the answer";
            ProviderError::new(ErrorKind::Connection, message).with_source(error.without_url())
        })?;
        let Some(chunk) = chunk else { return Ok(body) };
        if body.len() + chunk.len() > bytes_max {
            let message = format!("the answer is longer than {bytes_max} bytes");
            return Err(ProviderError::new(ErrorKind::Malformed, message));
        }
        body.extend_from_slice(&chunk);
    }
}
