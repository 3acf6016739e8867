use std::ops::{Add, AddAssign};

use orchestrator_vocab::{NanoUsd, Tokens};
use serde::{Deserialize, Serialize};

/// Tokens, and what they cost. Adding saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    /// Of input and output.
    pub tokens: Tokens,
    /// In billionths of a US dollar.
    pub nano_usd: NanoUsd,
}

impl Amount {
    /// So many tokens, for so many billionths of a dollar.
    pub const fn new(tokens: u64, nano_usd: u64) -> Self {
        Self { tokens: Tokens(tokens), nano_usd: NanoUsd(nano_usd) }
    }

    /// What is left of this without `less`; nothing is left of what is smaller.
    #[must_use]
    pub const fn without(self, less: Self) -> Self {
        let tokens = self.tokens.0.saturating_sub(less.tokens.0);
        Self::new(tokens, self.nano_usd.0.saturating_sub(less.nano_usd.0))
    }

    /// `by` parts of `of` of it, rounded down. `of` is 1 or more.
    pub(crate) fn scaled(self, by: u64, of: u64) -> Self {
        let part =
            |number: u64| u64::try_from(u128::from(number) * u128::from(by) / u128::from(of)).unwrap_or(u64::MAX);
        Self::new(part(self.tokens.0), part(self.nano_usd.0))
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { tokens: self.tokens + more.tokens, nano_usd: self.nano_usd + more.nano_usd }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}
