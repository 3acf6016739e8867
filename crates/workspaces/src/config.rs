use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Mode};

/// The longest name of a source, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// What an operator decides about workspaces. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// The directories that sessions may work on, by the names under which they are asked for. Absolute paths. Default:
    /// none, so that every workspace begins empty.
    pub sources: BTreeMap<SourceName, PathBuf>,
    /// Who commits what an agent left uncommitted: a name. Default `orchestrator`.
    pub author_name: String,
    /// The e-mail address that goes with it. Default `orchestrator@localhost`.
    pub author_email: String,
    /// For how many days a workspace in which nothing was changed is kept after its session, 0 to 3,650. Default 0: it
    /// goes with the session. One with changes stays until it is merged or discarded.
    pub keep_days: u32,
    /// For how many days the record of a merged or discarded workspace is kept, 1 to 3,650. Default 30.
    pub closed_days: u32,
    /// The most files of a copy, 1 to 10,000,000. Default 50,000.
    pub copy_files_max: u64,
    /// The most bytes of a copy, 1 to 1 TiB. Default 1 GiB.
    pub copy_bytes_max: u64,
    /// Names of files and directories that are not copied, at any depth; `.git` never is. Default: none.
    pub copy_excludes: Vec<String>,
    /// The most bytes of a unified diff, 1 KiB to 64 MiB. Default 1 MiB.
    pub diff_bytes_max: u64,
    /// How long one call of git may take, in milliseconds, 100 to 3,600,000. Default 120,000.
    pub git_timeout_ms: u64,
    /// How often workspaces of ended sessions are looked after, in milliseconds, 10 to 86,400,000. Default 60,000.
    pub sweep_ms: u64,
}

/// The name of a source: `[a-z0-9][a-z0-9._-]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(String);

/// What a session gets to work on: a source and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Choice {
    /// The name of a source; without one the workspace begins empty.
    pub source: Option<SourceName>,
    /// How; by default a worktree in a git repository and a copy elsewhere.
    pub mode: Option<Mode>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sources: BTreeMap::new(),
            author_name: "orchestrator".into(),
            author_email: "orchestrator@localhost".into(),
            keep_days: 0,
            closed_days: 30,
            copy_files_max: 50_000,
            copy_bytes_max: 1 << 30,
            copy_excludes: Vec::new(),
            diff_bytes_max: 1 << 20,
            git_timeout_ms: 120_000,
            sweep_ms: 60_000,
        }
    }
}

impl Config {
    /// Checks every bound. Whether a source exists is found out when it is used.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first field that is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        if let Some((name, _)) = self.sources.iter().find(|(_, path)| !path.is_absolute()) {
            return Err(Error::invalid("sources", format!("{name}: expected an absolute path")));
        }
        let is_line = |text: &str| !text.trim().is_empty() && !text.contains(['\n', '\0', '<', '>']);
        if !is_line(&self.author_name) {
            return Err(Error::invalid("authorName", "expected a name without line breaks, `<` and `>`"));
        }
        if !is_line(&self.author_email) {
            return Err(Error::invalid("authorEmail", "expected an address without line breaks, `<` and `>`"));
        }
        if self.copy_excludes.iter().any(|name| name.is_empty() || name.contains('/')) {
            return Err(Error::invalid("copyExcludes", "expected names of files or directories, without `/`"));
        }
        within("keepDays", self.keep_days.into(), 0, 3_650)?;
        within("closedDays", self.closed_days.into(), 1, 3_650)?;
        within("copyFilesMax", self.copy_files_max, 1, 10_000_000)?;
        within("copyBytesMax", self.copy_bytes_max, 1, 1 << 40)?;
        within("diffBytesMax", self.diff_bytes_max, 1 << 10, 1 << 26)?;
        within("gitTimeoutMs", self.git_timeout_ms, 100, 3_600_000)?;
        within("sweepMs", self.sweep_ms, 10, 86_400_000)
    }

    pub(crate) fn git_timeout(&self) -> Duration {
        Duration::from_millis(self.git_timeout_ms)
    }

    pub(crate) fn sweep(&self) -> Duration {
        Duration::from_millis(self.sweep_ms)
    }
}

fn within(field: &'static str, given: u64, least: u64, most: u64) -> Result<(), Error> {
    match (least..=most).contains(&given) {
        true => Ok(()),
        false => Err(Error::invalid(field, format!("expected {least} to {most}, got {given}"))),
    }
}

impl SourceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SourceName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = (1..=NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|byte| plain(byte) || b"._-".contains(&byte));
        match fits {
            true => Ok(Self(text.to_owned())),
            false => Err("expected 1 to 63 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit"),
        }
    }
}

impl Serialize for SourceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SourceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed_and_others_are_bounded() {
        Config::default().validate().unwrap();
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
        let relative = Config { sources: [("a".parse().unwrap(), "b".into())].into(), ..Config::default() };
        assert_eq!(relative.validate().unwrap_err().to_string(), "sources: a: expected an absolute path");
        let anonymous = Config { author_name: "a <b>".into(), ..Config::default() };
        assert!(anonymous.validate().unwrap_err().to_string().starts_with("authorName"));
    }

    #[test]
    fn the_name_of_a_source_is_no_path() {
        for wrong in ["", "../etc", "/etc", "A", ".hidden", "a b"] {
            assert!(wrong.parse::<SourceName>().is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<Choice>(r#"{"source": "main.repo-1", "mode": "worktree"}"#).is_ok());
    }
}
