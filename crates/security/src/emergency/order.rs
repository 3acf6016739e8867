use std::fmt;

use orchestrator_vocab::{Actor, OrgId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Error;

/// The longest reason, in characters.
pub(super) const REASON_CHARS_MAX: usize = 500;

/// That everything is to stop. The operator's organisation stops all of them, any other only itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Whose agents, tools and models.
    pub org: OrgId,
    /// Why, for whoever meets it.
    pub reason: String,
    /// Who gave it.
    pub by: Actor,
    /// Since when.
    pub since: Timestamp,
}

/// That an order is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Whose order.
    pub org: OrgId,
    /// Why, for whoever reads the log later.
    pub reason: String,
    /// Who takes it back.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// Why something is not done now: for whoever wanted it. Says of the operator's reasons nothing to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Since when.
    pub since: Timestamp,
    /// Why, where that is the asker's to know.
    pub reason: Option<String>,
}

impl Stopped {
    /// What the organisation `asking` is told of this order.
    pub(super) fn of(order: &Order, asking: OrgId) -> Self {
        Self { since: order.since, reason: (order.org == asking).then(|| order.reason.clone()) }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => {
                write!(
                    f,
                    "the emergency stop is in force since {}, until an administrator releases it: {reason}",
                    self.since
                )
            }
            None => write!(f, "the operator has stopped everything since {}, until it is released", self.since),
        }
    }
}

impl std::error::Error for Stopped {}

/// The reason as it is kept.
pub(super) fn reason(said: &str) -> Result<String, Error> {
    let said = said.trim();
    match said.chars().count() {
        1..=REASON_CHARS_MAX => Ok(said.to_owned()),
        _ => Err(Error::Invalid { field: "reason", problem: format!("expected 1 to {REASON_CHARS_MAX} characters") }),
    }
}
