use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use orchestrator_vocab::Timestamp;
use serde::{Deserialize, Serialize};

/// How urgent a task is. Higher is more urgent; a lower one is never passed over for ever, see [`Priority::ready_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// When there is nothing else to do.
    Low,
    /// The default.
    #[default]
    Medium,
    /// Before ordinary work.
    High,
    /// Before everything else.
    Critical,
}

/// The text is not a priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected critical, high, medium or low")]
pub struct InvalidPriority;

impl Priority {
    /// Every priority, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The name, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// What the priority counts in the order of the backlog.
    pub const fn weight(self) -> u32 {
        match self {
            Self::Critical => 100,
            Self::High => 75,
            Self::Medium => 50,
            Self::Low => 25,
        }
    }

    /// What the priority adds to the score of an assignment.
    pub const fn bonus(self) -> u32 {
        match self {
            Self::Critical => 10,
            Self::High => 7,
            Self::Medium => 4,
            Self::Low => 0,
        }
    }

    /// The place in the order of the backlog: lower goes first.
    ///
    /// Each point of weight is worth `step` of waiting, so a task ages without its row being touched. A task stands behind
    /// at most those that became ready less than `(100 − 25) × step` after it: 450 s with the default step of 6 s.
    pub fn ready_key(self, ready_at: Timestamp, step: Duration) -> i64 {
        (ready_at - step.saturating_mul(self.weight())).millis()
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = InvalidPriority;

    fn from_str(text: &str) -> Result<Self, InvalidPriority> {
        Self::ALL.into_iter().find(|priority| priority.as_str() == text).ok_or(InvalidPriority)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEP: Duration = Duration::from_secs(6);
    const BOUND_MS: i64 = 450_000;

    #[test]
    fn a_priority_survives_its_text() {
        for priority in Priority::ALL {
            assert_eq!(priority.as_str().parse(), Ok(priority));
            assert_eq!(serde_json::to_value(priority).unwrap(), priority.as_str());
        }
        assert_eq!("urgent".parse::<Priority>(), Err(InvalidPriority));
    }

    #[test]
    fn of_two_that_are_ready_at_once_the_more_urgent_goes_first() {
        let keys = Priority::ALL.map(|priority| priority.ready_key(Timestamp(0), STEP));
        assert_eq!(keys, [-600_000, -450_000, -300_000, -150_000]);
    }

    proptest! {
        #[test]
        fn nothing_waits_behind_what_became_ready_450_seconds_later(
            a in 0..4usize, b in 0..4usize, first in 0i64..1 << 40, later in BOUND_MS..BOUND_MS * 10,
        ) {
            let old = Priority::ALL[a].ready_key(Timestamp(first), STEP);
            let new = Priority::ALL[b].ready_key(Timestamp(first + later), STEP);
            prop_assert!(old <= new);
        }
    }
}
