use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode};
use orchestrator_rpc::{Code, Error};
use serde::Serialize;
use serde_json::Value;

use crate::RetryAfter;

/// Whoever is not let in learns only this, whatever the reason.
pub(crate) const UNAUTHORIZED: &str = "a valid credential is required";

/// A refusal as plain HTTP and REST speak it.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    /// Boxed to keep results small.
    error: Box<Error>,
}

#[derive(Serialize)]
struct Wire<'a> {
    error: WireError<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireError<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: Code, message: &str) -> Self {
        Self { status, error: Box::new(Error::new(code, message)) }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::from(Error::unauthorized(UNAUTHORIZED))
    }

    pub(crate) fn rate_limited(after: RetryAfter) -> Self {
        Self::from(Error::new(Code::RateLimited, "too many requests").with_retry_after(after.0))
    }

    pub(crate) fn is_unauthorized(&self) -> bool {
        self.error.code == Code::Unauthorized
    }

    pub(crate) fn into_error(self) -> Error {
        *self.error
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, error: Box::new(error) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = &self.error;
        let public = error.code != Code::Internal;
        let body = Wire {
            error: WireError {
                code: error.code.name(),
                message: if public { &error.message } else { "internal error" },
                field: error.field.as_deref(),
                retry_after_ms: error.retry_after.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
                correlation_id: error.correlation(),
                details: error.data.as_ref().filter(|_| public),
            },
        };
        let mut response = json(self.status, &body);
        add_error_headers(response.headers_mut(), error);
        response
    }
}

/// The headers that go with an error, whatever the form of its body.
pub(crate) fn add_error_headers(headers: &mut HeaderMap, error: &Error) {
    if error.code == Code::Unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(span) = error.retry_after
        && let Ok(seconds) = HeaderValue::from_str(&RetryAfter(span).to_string())
    {
        headers.insert(RETRY_AFTER, seconds);
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_string(body).expect("our own bodies have string keys only");
    text(status, "application/json", body)
}

/// An answer of any textual type. Nothing of what the daemon says belongs in a cache or a browser's guess.
pub(crate) fn text(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
