use std::fmt;
use std::time::Duration;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Nobody could be reached, or the connection broke: try again.
    Unreachable,
    /// It took too long. The message may have arrived.
    TimedOut,
    /// The other side is busy or sick: try again, not before it says.
    Busy,
    /// The other side will not take it, now or later: look at the destination.
    Refused,
    /// A rule of this side forbids it: look at the configuration.
    Forbidden,
}

/// Why a message did not arrive. Its text names the host and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
    /// How long the other side wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl FailureKind {
    /// Whether the same may arrive later.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Unreachable | Self::TimedOut | Self::Busy)
    }

    /// As labels spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timedOut",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Forbidden => "forbidden",
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
