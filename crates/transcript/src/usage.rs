use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Tokens of one answer, or of several together, counted so that nothing is in two fields but `reasoning`.
///
/// Providers count differently: where `prompt_tokens` include what was cached, the cached ones are to be subtracted; where
/// `input_tokens` exclude them, not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Usage {
    /// Read by the model, neither from a cache nor into one.
    pub input: u64,
    /// Read from the provider's cache.
    pub cache_read: u64,
    /// Written to the provider's cache for five minutes, or for however long it keeps things by default.
    #[serde(rename = "cacheWrite5m")]
    pub cache_write_5m: u64,
    /// Written to the provider's cache for an hour.
    #[serde(rename = "cacheWrite1h")]
    pub cache_write_1h: u64,
    /// Written by the model, thoughts included.
    pub output: u64,
    /// The thoughts among `output`, if the provider tells.
    pub reasoning: u64,
}

impl Usage {
    /// All the model has read, from wherever.
    pub const fn total_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
    }

    /// All the model has read and written.
    pub const fn total(&self) -> u64 {
        self.total_input().saturating_add(self.output)
    }
}

impl Add for Usage {
    type Output = Self;

    /// Saturates.
    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_is_part_of_the_output() {
        let usage = Usage { input: 1, cache_read: 2, cache_write_5m: 4, cache_write_1h: 8, output: 16, reasoning: 3 };
        assert_eq!((usage.total_input(), usage.total()), (15, 31));
        assert_eq!((usage + usage).total(), 62);
    }
}
