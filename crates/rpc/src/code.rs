use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What went wrong, as a caller can act on it. The same set in every dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The bytes are not JSON.
    Parse,
    /// JSON, but not a message of the dialect.
    InvalidRequest,
    /// No operation has this name.
    UnknownMethod,
    /// The parameters do not fit; [`Error::field`](crate::Error::field) names the one.
    InvalidParams,
    /// A defect or a failed backend; the log has the cause under the correlation id.
    Internal,
    /// The credential is missing, wrong, expired or revoked.
    Unauthorized,
    /// The credential lacks the scope, or a policy says no.
    Forbidden,
    /// The thing is not in the state the call needs, or someone else was first: read it again.
    Conflict,
    /// Too many calls; wait [`Error::retry_after`](crate::Error::retry_after).
    RateLimited,
    /// The daemon is starting, draining or full: try again later.
    Unavailable,
    /// The deadline passed; the call may or may not have had its effect.
    Timeout,
    /// The two sides share no protocol version.
    ProtocolMismatch,
    /// No such thing, or it belongs to another organisation: the two are not told apart.
    NotFound,
    /// A spending limit is reached.
    BudgetExhausted,
    /// The body is not JSON by its content type (HTTP only).
    UnsupportedMedia,
    /// The message is larger than the transport allows.
    PayloadTooLarge,
}

impl Code {
    /// All codes, in declaration order.
    pub const ALL: [Self; 16] = [
        Self::Parse,
        Self::InvalidRequest,
        Self::UnknownMethod,
        Self::InvalidParams,
        Self::Internal,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Conflict,
        Self::RateLimited,
        Self::Unavailable,
        Self::Timeout,
        Self::ProtocolMismatch,
        Self::NotFound,
        Self::BudgetExhausted,
        Self::UnsupportedMedia,
        Self::PayloadTooLarge,
    ];

    /// The number in a JSON-RPC 2.0 error object; -32700 to -32603 are the specification's own.
    pub const fn json_rpc(self) -> i32 {
        self.forms().0
    }

    /// The name in every dialect's error data, for example `NOT_FOUND`.
    pub const fn name(self) -> &'static str {
        self.forms().1
    }

    /// The status of a REST answer.
    pub const fn http_status(self) -> u16 {
        self.forms().2
    }

    /// The code of a JSON-RPC number, if it is one of ours.
    pub fn from_json_rpc(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.json_rpc() == number)
    }

    const fn forms(self) -> (i32, &'static str, u16) {
        match self {
            Self::Parse => (-32700, "PARSE", 400),
            Self::InvalidRequest => (-32600, "INVALID_REQUEST", 400),
            Self::UnknownMethod => (-32601, "UNKNOWN_METHOD", 404),
            Self::InvalidParams => (-32602, "INVALID_PARAMS", 422),
            Self::Internal => (-32603, "INTERNAL", 500),
            Self::Unauthorized => (-32000, "UNAUTHORIZED", 401),
            Self::Forbidden => (-32001, "FORBIDDEN", 403),
            Self::Conflict => (-32002, "CONFLICT", 409),
            Self::RateLimited => (-32003, "RATE_LIMITED", 429),
            Self::Unavailable => (-32004, "UNAVAILABLE", 503),
            Self::Timeout => (-32005, "TIMEOUT", 504),
            Self::ProtocolMismatch => (-32006, "PROTOCOL_MISMATCH", 400),
            Self::NotFound => (-32007, "NOT_FOUND", 404),
            Self::BudgetExhausted => (-32008, "BUDGET_EXHAUSTED", 402),
            Self::UnsupportedMedia => (-32009, "UNSUPPORTED_MEDIA", 415),
            Self::PayloadTooLarge => (-32010, "PAYLOAD_TOO_LARGE", 413),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number_and_spelled_the_same_in_json() {
        for code in Code::ALL {
            assert_eq!(Code::from_json_rpc(code.json_rpc()), Some(code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }
}
