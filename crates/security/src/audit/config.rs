use serde::{Deserialize, Serialize};

/// What an operator decides about the audit log. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// How large a file may grow before the next one is begun, in bytes, 4,096 to 1,073,741,824. Default 16,777,216.
    pub segment_bytes_max: u64,
    /// After how many records a signed checkpoint is written, 1 to 1,000,000. Default 1,000.
    pub checkpoint_every: u64,
    /// How many bytes of a call's arguments a record shows, 0 to 65,536. Their digest is always there. Default 2,048.
    pub arguments_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { segment_bytes_max: 16 << 20, checkpoint_every: 1_000, arguments_bytes_max: 2_048 }
    }
}

/// A bound that is none. The field is named as the configuration spells it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidConfig {
    /// Which.
    pub field: &'static str,
    /// What would be right.
    pub problem: &'static str,
}

impl Config {
    /// Checks every bound.
    ///
    /// # Errors
    /// Names the first that is broken.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let check = |holds: bool, field, problem| if holds { Ok(()) } else { Err(InvalidConfig { field, problem }) };
        let bytes = 4_096..=1 << 30;
        check(bytes.contains(&self.segment_bytes_max), "segmentBytesMax", "expected 4096 to 1073741824")?;
        check((1..=1_000_000).contains(&self.checkpoint_every), "checkpointEvery", "expected 1 to 1000000")?;
        check(self.arguments_bytes_max <= 65_536, "argumentsBytesMax", "expected at most 65536")
    }
}
