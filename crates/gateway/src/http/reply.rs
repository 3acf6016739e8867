use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode};
use orchestrator_rpc::{Code, Error, ErrorBody, Quota};
use serde::Serialize;

use crate::RetryAfter;

/// Whoever is not let in learns only this, whatever the reason.
pub(crate) const UNAUTHORIZED: &str = "a valid credential is required";

/// When to come again if nobody knows better.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(1);

/// A refusal as plain HTTP and REST speak it.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    /// Boxed to keep results small.
    error: Box<Error>,
    /// What the limit that was asked has left.
    quota: Option<Quota>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: Code, message: &str) -> Self {
        Self { status, error: Box::new(Error::new(code, message)), quota: None }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::from(Error::unauthorized(UNAUTHORIZED))
    }

    pub(crate) fn rate_limited(after: RetryAfter) -> Self {
        Self::from(Error::new(Code::RateLimited, "too many requests").with_retry_after(after.0))
    }

    /// Plain HTTP has one and the same answer for every credential that does not count.
    pub(crate) fn without_reason(self) -> Self {
        if self.is_unauthorized() { Self::unauthorized().with_quota(self.quota) } else { self }
    }

    pub(crate) fn is_unauthorized(&self) -> bool {
        self.error.code == Code::Unauthorized
    }

    #[must_use]
    pub(crate) fn with_quota(mut self, quota: Option<Quota>) -> Self {
        self.quota = quota;
        self
    }

    pub(crate) fn into_error(self) -> Error {
        *self.error
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, error: Box::new(error), quota: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = &self.error;
        let body = ErrorBody::of(error);
        let mut response = json(self.status, &body);
        add_error_headers(response.headers_mut(), error);
        if let Some(quota) = &self.quota {
            add_quota(response.headers_mut(), quota);
        }
        response
    }
}

/// The headers that go with an error, whatever the form of its body.
pub(crate) fn add_error_headers(headers: &mut HeaderMap, error: &Error) {
    if error.code == Code::Unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let soon = (error.code == Code::Unavailable).then_some(UNAVAILABLE_RETRY);
    if let Some(span) = error.retry_after.or(soon) {
        headers.insert(RETRY_AFTER, value(RetryAfter(span)));
    }
}

/// The headers of draft-ietf-httpapi-ratelimit-headers-10. Seconds are rounded up: whoever waits that long has waited
/// long enough.
pub(crate) fn add_quota(headers: &mut HeaderMap, quota: &Quota) {
    let Quota { name, limit, window, remaining, reset } = *quota;
    let (window, reset) = (RetryAfter(window), RetryAfter(reset));
    headers.insert("ratelimit-policy", value(format_args!("\"{name}\";q={limit};w={window}")));
    headers.insert("ratelimit", value(format_args!("\"{name}\";r={remaining};t={reset}")));
}

fn value(text: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::from_str(&text.to_string()).expect("names and numbers are header values")
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
