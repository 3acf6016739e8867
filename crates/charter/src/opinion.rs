use serde::Serialize;

use crate::{Escalation, Line};

/// What a charter says of an action; the later, the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It needs no confirmation. Other policies may still refuse it.
    Allow,
    /// Nothing: other policies decide.
    Abstain,
    /// Somebody has to confirm it first.
    Confirm,
    /// Never.
    Deny,
}

/// What a charter says of an action, and by which line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Opinion {
    /// What it says.
    pub verdict: Verdict,
    /// The line that decides; none if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Line>,
    /// Whether the line decides only because a fact is missing without which it cannot be excluded.
    pub uncertain: bool,
    /// Who is asked, if the action has to be confirmed and somebody is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Escalation>,
    /// The same for people.
    pub reason: String,
}

impl Opinion {
    pub(crate) fn abstained() -> Self {
        let reason = "the charter says nothing of it".to_owned();
        Self { verdict: Verdict::Abstain, rule: None, uncertain: false, escalate: None, reason }
    }

    /// Of several charters the strictest decides; of none, nobody.
    pub fn strictest(opinions: impl IntoIterator<Item = Self>) -> Option<Self> {
        opinions.into_iter().reduce(|one, other| if other.verdict > one.verdict { other } else { one })
    }
}
