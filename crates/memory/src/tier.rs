use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How long something is remembered, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Working notes of one session; gone some time after it.
    Scratchpad,
    /// What happened; after a while only summaries of it are left.
    Episodic,
    /// What is known: facts, preferences, procedures. It stays until it is erased.
    Semantic,
}

/// The text names no tier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected scratchpad, episodic or semantic")]
pub struct InvalidTier;

impl Tier {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Scratchpad, Self::Episodic, Self::Semantic];

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scratchpad => "scratchpad",
            Self::Episodic => "episodic",
            Self::Semantic => "semantic",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Tier {
    type Err = InvalidTier;

    fn from_str(text: &str) -> Result<Self, InvalidTier> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == text).ok_or(InvalidTier)
    }
}
