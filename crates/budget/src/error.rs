use std::time::Duration;

use orchestrator_vocab::{NanoUsd, Timestamp, Tokens};

use crate::{Amount, Limit, Scope};

/// What the ledger refuses, or fails at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Correct the field.
    #[error("{field}: {problem}")]
    Invalid {
        /// As the configuration and the wire spell it.
        field: &'static str,
        /// What was expected.
        problem: String,
    },
    /// Wait for the next window, or raise the limit.
    #[error(transparent)]
    Exhausted(#[from] Box<Refusal>),
    /// Say what the model costs.
    #[error("nobody knows what {model} costs: set budget.prices.{model}, or budget.unknownPriceCeiling")]
    UnknownPrice {
        /// As `provider/model`.
        model: String,
    },
    /// It was settled already, by this or by another daemon.
    #[error("no such reservation")]
    NoReservation,
    /// Retry later, or page an operator.
    #[error("the ledger failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A limit that is in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{scope} may spend {} per {}; {} tokens (${}) are spent, {} (${}) reserved, {} (${}) wanted",
    told(.limit), .limit.window, .spent.tokens, .spent.nano_usd, .reserved.tokens, .reserved.nano_usd, .wanted.tokens, .wanted.nano_usd
)]
pub struct Refusal {
    /// Which limit. Of several, that which is in the way longest.
    pub limit: Limit,
    /// Whose spending it is about.
    pub scope: Scope,
    /// What is spent in its window.
    pub spent: Amount,
    /// What is reserved in it.
    pub reserved: Amount,
    /// What was to be reserved on top.
    pub wanted: Amount,
    /// When its next window begins.
    pub resets_at: Timestamp,
}

fn told(limit: &Limit) -> String {
    let tokens = limit.tokens.map(|Tokens(tokens)| format!("{tokens} tokens"));
    let money = limit.usd.map(|usd: NanoUsd| format!("${usd}"));
    tokens.into_iter().chain(money).collect::<Vec<_>>().join(" and ")
}

impl Refusal {
    /// Whether the same may be reserved in the next window: not if it is more than the whole limit.
    pub fn is_temporary(&self) -> bool {
        self.limit.allows(self.wanted)
    }

    /// From `now` until the same may be reserved; `None` if waiting is of no use.
    pub fn retry_in(&self, now: Timestamp) -> Option<Duration> {
        self.is_temporary().then(|| self.resets_at.since(now).max(Duration::from_millis(1)))
    }
}

impl Error {
    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { field, problem: problem.into() }
    }

    pub(crate) fn store(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Store(source.into())
    }

    /// Whether the same may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Exhausted(refusal) => refusal.is_temporary(),
            Self::Store(_) => true,
            Self::Invalid { .. } | Self::UnknownPrice { .. } | Self::NoReservation => false,
        }
    }
}
