use serde::{Deserialize, Serialize};

/// What an operator decides about all tools. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// How long any call may take, whatever its tool says, in milliseconds, 1 to 86,400,000. Default 3,600,000.
    pub timeout_ms_max: u64,
    /// How many bytes of text any call may come back with, whatever its tool says, 1 to 16,777,216. Default 262,144.
    pub output_bytes_max: usize,
    /// How many bytes the arguments of a call may have as JSON, 1 to 16,777,216. Default 1,048,576.
    pub arguments_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { timeout_ms_max: 3_600_000, output_bytes_max: 256 * 1024, arguments_bytes_max: 1024 * 1024 }
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
        let bytes = 1..=16 * 1024 * 1024;
        check((1..=86_400_000).contains(&self.timeout_ms_max), "timeoutMsMax", "expected 1 to 86400000")?;
        check(bytes.contains(&self.output_bytes_max), "outputBytesMax", "expected 1 to 16777216")?;
        check(bytes.contains(&self.arguments_bytes_max), "argumentsBytesMax", "expected 1 to 16777216")
    }
}
