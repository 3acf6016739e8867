use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::Code;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What a refused or failed call answers.
///
/// Serialises as a JSON-RPC error object, `{code, message, data: {code, field?, retryAfterMs?, correlationId?, details?}}`,
/// and reads the same back, for clients. The source of an [`internal`](Self::internal) error is for the log:
/// what is serialised says only `internal error` and the correlation id.
#[derive(Debug, Clone)]
pub struct Error {
    /// What kind of error it is.
    pub code: Code,
    /// A sentence for a person: lowercase, no full stop.
    pub message: String,
    /// The parameter at fault, as a path: `dependsOn[2]`.
    pub field: Option<String>,
    /// How long to wait before trying again.
    pub retry_after: Option<Duration>,
    /// More for programs; sent as `data.details`.
    pub data: Option<Value>,
    hidden: Option<Box<Hidden>>, // boxed to keep results small
}

#[derive(Debug, Clone, Default)]
struct Hidden {
    source: Option<Arc<Source>>,
    correlation: Option<String>,
}

impl Error {
    /// An error with this code and message and nothing else.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, retry_after: None, data: None, hidden: None }
    }

    /// The bytes are not JSON.
    pub fn parse(message: impl Into<String>) -> Self {
        Self::new(Code::Parse, message)
    }

    /// JSON, but not a message.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, message)
    }

    /// The parameters are wrong as a whole; prefer [`Error::invalid_field`].
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParams, message)
    }

    /// The parameter `field` is wrong; `expected` says what was expected. The message begins with the field.
    pub fn invalid_field(field: impl Into<String>, expected: impl fmt::Display) -> Self {
        let field = field.into();
        Self::new(Code::InvalidParams, format!("`{field}`: {expected}")).with_field(field)
    }

    /// The credential is not accepted. Say the same whatever the reason, or the reason becomes an oracle.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(Code::Unauthorized, message)
    }

    /// The caller may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, message)
    }

    /// The thing does not exist for this caller.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// The thing is not in the state the call needs.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Code::Conflict, message)
    }

    /// Too many calls.
    pub fn rate_limited(retry_after: Duration) -> Self {
        Self::new(Code::RateLimited, "too many calls").with_retry_after(retry_after)
    }

    /// Not now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// The deadline passed.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(Code::Timeout, message)
    }

    /// A spending limit is reached.
    pub fn budget_exhausted(message: impl Into<String>) -> Self {
        Self::new(Code::BudgetExhausted, message)
    }

    /// A defect or a failed backend. The source is logged by the [`Dispatcher`](crate::Dispatcher) and never sent.
    pub fn internal(source: impl Into<Source>) -> Self {
        let mut error = Self::new(Code::Internal, INTERNAL);
        error.hidden().source = Some(Arc::new(source.into()));
        error
    }

    /// Names the parameter at fault.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says how long to wait.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// Attaches details for programs.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.hidden().source = Some(Arc::new(source.into()));
        self
    }

    /// Names the call in the log, so that the person who reports the error and the one who reads the log can meet.
    #[must_use]
    pub fn with_correlation(mut self, correlation: impl Into<String>) -> Self {
        self.hidden().correlation = Some(correlation.into());
        self
    }

    /// The call's id in the log, if it was attached.
    pub fn correlation(&self) -> Option<&str> {
        self.hidden.as_ref()?.correlation.as_deref()
    }

    /// Whether the same call may succeed later. After [`Code::Timeout`] only repeat what carries an idempotency key
    /// or changes nothing.
    pub fn is_retryable(&self) -> bool {
        matches!(self.code, Code::RateLimited | Code::Unavailable | Code::Timeout)
    }

    /// The message as it may be sent.
    pub(crate) fn public_message(&self) -> &str {
        if self.code == Code::Internal { INTERNAL } else { &self.message }
    }

    /// The details as they may be sent.
    pub(crate) fn public_data(&self) -> Option<&Value> {
        self.data.as_ref().filter(|_| self.code != Code::Internal)
    }

    /// Everything that may be sent, for dialects that have no form of their own.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            code: self.code.name(),
            message: self.public_message(),
            field: self.field.as_deref(),
            retryable: self.is_retryable(),
            retry_after_ms: self.retry_after.map(whole_millis),
            correlation_id: self.correlation(),
            details: self.public_data(),
        }
    }

    fn hidden(&mut self) -> &mut Hidden {
        self.hidden.get_or_insert_default()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.hidden.as_ref()?.source.as_ref()?;
        Some(&***source)
    }
}

const INTERNAL: &str = "internal error";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
}

#[derive(Serialize, Deserialize)]
struct Object<'a> {
    code: i32,
    message: Cow<'a, str>,
    #[serde(default)]
    data: Option<Data<'a>>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(default)]
    code: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Cow<'a, Value>>,
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = Data {
            code: Some(self.code.name().into()),
            field: self.field.as_deref().map(Cow::Borrowed),
            retry_after_ms: self.retry_after.map(whole_millis),
            correlation_id: self.correlation().map(Cow::Borrowed),
            details: self.public_data().map(Cow::Borrowed),
        };
        let message = self.public_message().into();
        Object { code: self.code.json_rpc(), message, data: Some(data) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Object::deserialize(deserializer)?;
        let data = object.data.unwrap_or_default();
        // A number of another server means nothing to us: the caller can only report it.
        let code = Code::from_json_rpc(object.code).unwrap_or(Code::Internal);
        let mut error = Self::new(code, object.message);
        error.field = data.field.map(Cow::into_owned);
        error.retry_after = data.retry_after_ms.map(Duration::from_millis);
        error.data = data.details.map(Cow::into_owned);
        Ok(match data.correlation_id {
            Some(correlation) => error.with_correlation(correlation),
            None => error,
        })
    }
}

/// Rounded up: whoever waits that long has waited long enough.
pub(crate) fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_becomes_an_error_object_and_back() {
        let error =
            Error::rate_limited(Duration::from_micros(1_500)).with_field("limit").with_data(json!({"limit": 5}));
        let object = serde_json::to_value(&error).unwrap();
        let data = json!({"code": "RATE_LIMITED", "field": "limit", "retryAfterMs": 2, "details": {"limit": 5}});
        assert_eq!(object, json!({"code": -32003, "message": "too many calls", "data": data}));
        let back: Error = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(serde_json::to_value(&back).unwrap(), object);
        assert!(back.is_retryable());
    }

    #[test]
    fn the_cause_of_an_internal_error_is_for_the_log_only() {
        let error = Error::internal(std::io::Error::other("disk /dev/sda1 is full")).with_correlation("c-7");
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("sda1"));
        let named = Error::new(Code::Internal, "disk /dev/sda1").with_data(json!("sda1"));
        for error in [error, named] {
            let object = serde_json::to_string(&error).unwrap();
            assert!(!object.contains("sda1") && object.contains("internal error"), "{object}");
        }
    }

    #[test]
    fn errors_stay_small_enough_to_return_by_value() {
        assert!(size_of::<Error>() <= 120, "{}", size_of::<Error>());
    }
}
