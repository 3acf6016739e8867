use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::RetryHints;

/// Why a provider did not answer, or stopped doing so.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", kind.as_str())]
pub struct ProviderError {
    /// What it is.
    pub kind: ErrorKind,
    /// In the provider's words, or in ours if it gave none. May contain what the caller sent; never credentials.
    pub message: String,
    /// The HTTP status, if there was one that was not 200.
    pub status: Option<u16>,
    /// The provider's own kind, such as `rate_limit_error` or `insufficient_quota`.
    pub raw_kind: Option<String>,
    /// The provider's id of the request, for its support.
    pub request_id: Option<String>,
    /// What the provider says about trying again.
    pub hints: RetryHints,
    /// What failed beneath, if something did.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What can be done about it differs for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Correct the request: 400, 422.
    InvalidRequest,
    /// Correct the credentials: 401.
    Authentication,
    /// Pay: 402, and a 429 that says `insufficient_quota`.
    Billing,
    /// Ask for permission, or another model: 403.
    Permission,
    /// No such model: 404.
    NotFound,
    /// Somebody else changed the same: 409.
    Conflict,
    /// Send less: 413.
    TooLarge,
    /// The conversation is longer than the model can read: make it shorter. A 400 that says so.
    ContextWindowExceeded,
    /// The provider's policy forbids the request itself. A 400 that says so; what a model refuses in its answer is a stop reason.
    Refused,
    /// Slow down: 429.
    RateLimited,
    /// Come back later: 529, 503.
    Overloaded,
    /// The provider's fault: 500 and other statuses from there on.
    Server,
    /// The provider took too long, or said so: 408, 504.
    Timeout,
    /// No connection, or a broken one before the answer began.
    Connection,
    /// The answer ended before its end.
    StreamTruncated,
    /// What came is not what the protocol says.
    Malformed,
    /// Our own limit for the provider is reached; nothing was sent.
    Busy,
    /// A limit on spending is in the way; nothing was sent, or the answer was stopped. Wait as long as it says, or raise the limit.
    BudgetExhausted,
    /// Nobody knows what the model costs, and so it may not be asked; nothing was sent. Say what it costs.
    UnknownPrice,
    /// Exchanges are played back, and this one was not recorded; nothing was sent. Record it, or ask what was asked then.
    NotRecorded,
}

impl ErrorKind {
    /// What a status means that comes without a better word.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            409 => Self::Conflict,
            413 => Self::TooLarge,
            429 => Self::RateLimited,
            503 | 529 => Self::Overloaded,
            500.. => Self::Server,
            _ => Self::InvalidRequest,
        }
    }

    /// Whether the vendors' own clients would try again: after 408, 409, 429, everything from 500 on, and broken connections;
    /// not when money or quota is what is missing. An answer that broke off or made no sense can be asked for again too.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Conflict
                | Self::RateLimited
                | Self::Overloaded
                | Self::Server
                | Self::Timeout
                | Self::Connection
                | Self::StreamTruncated
                | Self::Malformed
        )
    }

    /// Whether it tells that the provider is not well. A limit that was reached, ours or theirs, does not.
    pub const fn is_outage(self) -> bool {
        matches!(
            self,
            Self::Overloaded
                | Self::Server
                | Self::Timeout
                | Self::Connection
                | Self::StreamTruncated
                | Self::Malformed
                | Self::Authentication
                | Self::Billing
        )
    }

    /// One word for it, as on the wire and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Authentication => "authentication",
            Self::Billing => "billing",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::ContextWindowExceeded => "context_window_exceeded",
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Server => "server",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::StreamTruncated => "stream_truncated",
            Self::Malformed => "malformed",
            Self::Busy => "busy",
            Self::BudgetExhausted => "budget_exhausted",
            Self::UnknownPrice => "unknown_price",
            Self::NotRecorded => "not_recorded",
        }
    }
}

impl ProviderError {
    /// An error of which nothing else is known.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            status: None,
            raw_kind: None,
            request_id: None,
            hints: RetryHints::default(),
            source: None,
        }
    }

    /// With what failed beneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether the same request may be sent again: as the provider says (`x-should-retry`), else as its kind tells.
    pub fn is_retryable(&self) -> bool {
        self.hints.should_retry.unwrap_or_else(|| self.kind.is_retryable())
    }

    /// How long the provider asks to be left alone.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.hints.retry_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_retry_what_they_retry() {
        for status in [408, 409, 429, 500, 502, 503, 504, 529, 599] {
            assert!(ErrorKind::of_status(status).is_retryable(), "{status}");
        }
        for status in [400, 401, 402, 403, 404, 413, 422] {
            assert!(!ErrorKind::of_status(status).is_retryable(), "{status}");
        }
        assert!(!ErrorKind::Billing.is_retryable());
    }

    #[test]
    fn the_provider_has_the_last_word() {
        let mut error = ProviderError::new(ErrorKind::Server, "no");
        error.hints.should_retry = Some(false);
        assert!(!error.is_retryable());
        let mut error = ProviderError::new(ErrorKind::InvalidRequest, "no");
        error.hints.should_retry = Some(true);
        assert!(error.is_retryable());
    }

    #[test]
    fn the_word_is_that_of_the_wire() {
        for kind in [ErrorKind::StreamTruncated, ErrorKind::TooLarge, ErrorKind::ContextWindowExceeded] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
