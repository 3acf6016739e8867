use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use orchestrator_transcript::Digest;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::{Capabilities, Finding, SkillName};

/// A directory with a `SKILL.md`: directions for a kind of work, and files that go with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Skill {
    /// What it is called.
    pub name: SkillName,
    /// What it is for and when to use it, 1 to 1,024 characters: what a model decides by.
    pub description: String,
    /// Under which licence it may be used, or which file says so.
    pub license: Option<String>,
    /// What it needs of its surroundings, up to 500 characters.
    pub compatibility: Option<String>,
    /// What its author says beside.
    pub metadata: BTreeMap<String, String>,
    /// The tools that may be used while it is followed; `None`: it says nothing about them.
    pub allowed_tools: Option<Vec<AllowedTool>>,
    /// Whether people may ask for it by its name. Default true.
    pub user_invocable: bool,
    /// Whether models are told of it, and may use it by themselves. Default true.
    pub model_invocable: bool,
    /// What its arguments are, for people.
    pub argument_hint: Option<String>,
    /// Keys that are tolerated and do nothing, in the order of their names.
    pub other_keys: Vec<String>,
    /// The directions.
    pub body: String,
    /// The line of `SKILL.md` in which they begin, from 1.
    pub body_line: u64,
    /// All its files, `SKILL.md` included, in the order of their paths.
    pub files: Vec<SkillFile>,
    /// Of all its files, and of which of them may be executed.
    pub digest: Digest,
    /// Where it was found: a path of the configuration.
    pub root: String,
    /// Its `SKILL.md`, as it is told to people.
    pub source: String,
    /// Its directory.
    pub directory: PathBuf,
    /// What the scanner has found in its files.
    pub findings: Vec<Finding>,
    /// What it could do.
    pub capabilities: Capabilities,
}

/// One file of a skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SkillFile {
    /// Relative to the skill, with `/`.
    pub path: String,
    /// How large it is.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// Whether it may be executed.
    pub executable: bool,
}

/// A word of `allowed-tools`: `Read`, `fs.*`, `Bash(git log:*)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowedTool {
    /// The name, or the beginning of names.
    pub tool: String,
    /// What stands in brackets behind it.
    pub rule: Option<String>,
}

impl fmt::Display for AllowedTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) => write!(f, "{}({rule})", self.tool),
            None => f.write_str(&self.tool),
        }
    }
}

impl Serialize for AllowedTool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Skill {
    /// Its file of this path.
    pub fn file(&self, path: &str) -> Option<&SkillFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// The digest of all files together.
pub(crate) fn digest(files: &[SkillFile]) -> Digest {
    let listed: Vec<_> = files.iter().map(|file| json!([file.path, file.sha256, file.executable])).collect();
    Digest::of(&json!(listed)).expect("there is no number in it")
}
