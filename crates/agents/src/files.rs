//! Agents from files: Markdown with YAML in front, the body is the system prompt.

mod catalogue;
mod fault;
mod front_matter;
mod names;
mod resolve;
mod walk;
mod words;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Error;

pub use catalogue::{Catalogue, Changes};
pub use fault::Fault;
pub use names::{tool_like, tools_of_claude_code};

/// Where agents are read from, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FilesConfig {
    /// Directories with files `*.md`, also deeper ones. Default `agents` and `.claude/agents`. One that does not exist has
    /// no agents.
    pub directories: Vec<PathBuf>,
    /// The most files, 1 to 10,000. Default 1,000.
    pub files_max: usize,
    /// The largest file, in bytes, 1,024 to 10,485,760. Default 262,144.
    pub bytes_max: u64,
    /// How deep directories may lie within each other, 1 to 32. Default 8.
    pub depth_max: usize,
}

impl Default for FilesConfig {
    fn default() -> Self {
        let directories = ["agents", ".claude/agents"].map(PathBuf::from).to_vec();
        Self { directories, files_max: 1_000, bytes_max: 262_144, depth_max: 8 }
    }
}

impl FilesConfig {
    /// Checks every limit.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first field that breaks one.
    pub fn validate(&self) -> Result<(), Error> {
        if self.directories.len() > 64 {
            return Err(Error::invalid("directories", "expected at most 64"));
        }
        crate::config::within("filesMax", self.files_max as u64, 1, 10_000)?;
        crate::config::within("bytesMax", self.bytes_max, 1_024, 10_485_760)?;
        crate::config::within("depthMax", self.depth_max as u64, 1, 32)
    }
}
