use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where skills are read from, how much of them, and who sees to it that they stay what they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Whether agents have any. Default true.
    pub enabled: bool,
    /// Directories with one directory for each skill; of two skills of one name that of the earlier directory counts. Default
    /// `skills`, `.claude/skills`, `.agents/skills`. One that does not exist has no skills.
    pub directories: Vec<PathBuf>,
    /// Whether `.claude/skills` and `.agents/skills` of the user's home are read too, after the others. Default false.
    pub user_directories: bool,
    /// Whether a skill may be used as it is first met, or waits for somebody to confirm it. Default: first.
    pub pin: Pin,
    /// What names and descriptions of all skills may take of a model's room, in tokens as they are estimated, 100 to 100,000.
    /// Default 4,000.
    pub metadata_tokens: u64,
    /// What the body of one skill may take, in tokens as they are estimated, 100 to 100,000. Default 5,000.
    pub body_tokens: u64,
    /// The most skills of one directory, 1 to 10,000. Default 500.
    pub skills_max: usize,
    /// The most files of one skill, 1 to 10,000. Default 256.
    pub files_max: usize,
    /// The largest file, in bytes, 1,024 to 67,108,864. Default 1,048,576.
    pub file_bytes_max: u64,
    /// All files of one skill together, in bytes, 1,024 to 268,435,456. Default 8,388,608.
    pub skill_bytes_max: u64,
    /// How deep directories may lie within each other in a skill, 1 to 32. Default 6.
    pub depth_max: usize,
}

/// When a skill may be used that nobody has seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pin {
    /// At once, unless the scanner finds something grave; from then on it has to stay what it is.
    #[default]
    First,
    /// When somebody has confirmed it.
    Confirm,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            directories: ["skills", ".claude/skills", ".agents/skills"].map(PathBuf::from).to_vec(),
            user_directories: false,
            pin: Pin::First,
            metadata_tokens: 4_000,
            body_tokens: 5_000,
            skills_max: 500,
            files_max: 256,
            file_bytes_max: 1_048_576,
            skill_bytes_max: 8_388_608,
            depth_max: 6,
        }
    }
}

/// A value of the configuration is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidConfig {
    /// Which.
    pub field: &'static str,
    /// What would be right.
    pub problem: String,
}

impl Config {
    /// Checks every limit.
    ///
    /// # Errors
    /// [`InvalidConfig`] names the first field that breaks one.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        if self.directories.len() > 64 {
            return Err(InvalidConfig { field: "directories", problem: "expected at most 64".to_owned() });
        }
        within("metadataTokens", self.metadata_tokens, 100, 100_000)?;
        within("bodyTokens", self.body_tokens, 100, 100_000)?;
        within("skillsMax", self.skills_max as u64, 1, 10_000)?;
        within("filesMax", self.files_max as u64, 1, 10_000)?;
        within("fileBytesMax", self.file_bytes_max, 1_024, 67_108_864)?;
        within("skillBytesMax", self.skill_bytes_max, 1_024, 268_435_456)?;
        within("depthMax", self.depth_max as u64, 1, 32)
    }
}

fn within(field: &'static str, given: u64, least: u64, most: u64) -> Result<(), InvalidConfig> {
    match (least..=most).contains(&given) {
        true => Ok(()),
        false => Err(InvalidConfig { field, problem: format!("expected {least} to {most}, got {given}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed_and_others_are_bounded() {
        assert!(Config::default().validate().is_ok());
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
        let narrow = Config { body_tokens: 5, ..Config::default() };
        assert_eq!(narrow.validate().unwrap_err().to_string(), "bodyTokens: expected 100 to 100000, got 5");
    }
}
