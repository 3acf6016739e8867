use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use orchestrator_vocab::OrgId;
use serde::{Deserialize, Serialize};

use crate::{Actions, CharterId, Rule};

/// The most rules of one business action, and the most of such actions.
const RULES_MAX: usize = 256;

/// Where charters are read from, and what the actions in them mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// The directory with files `*.yaml`. Default `charters`. One that does not exist has no charters.
    pub directory: PathBuf,
    /// The most files, 1 to 10,000. Default 1,000.
    pub files_max: usize,
    /// The largest file, in bytes, 1,024 to 1,048,576. Default 65,536.
    pub bytes_max: u64,
    /// Hosts that are not external: names, or `*.example.com` for all below one. Default none beside the machine itself.
    pub hosts_inside: BTreeSet<String>,
    /// Charters that everybody acts under, by their ids, beside their own. Default none.
    pub everyone: BTreeSet<String>,
    /// Charters that everybody of an organisation acts under, by their ids, beside their own. Default none.
    pub organisations: BTreeMap<OrgId, BTreeSet<String>>,
    /// What business actions mean, in addition to what they mean anyway.
    pub actions: BTreeMap<String, Vec<Rule>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: "charters".into(),
            files_max: 1_000,
            bytes_max: 65_536,
            hosts_inside: BTreeSet::new(),
            everyone: BTreeSet::new(),
            organisations: BTreeMap::new(),
            actions: BTreeMap::new(),
        }
    }
}

/// A value of the configuration is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidConfig {
    /// Which.
    pub field: String,
    /// What would be right.
    pub problem: String,
}

impl Config {
    /// Checks every limit and every name.
    ///
    /// # Errors
    /// [`InvalidConfig`] names the first field that breaks one.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let check = |fits: bool, field: &str, problem: &str| match fits {
            true => Ok(()),
            false => Err(InvalidConfig { field: field.to_owned(), problem: problem.to_owned() }),
        };
        check((1..=10_000).contains(&self.files_max), "filesMax", "expected 1 to 10000")?;
        check((1_024..=1_048_576).contains(&self.bytes_max), "bytesMax", "expected 1024 to 1048576")?;
        check(self.actions.len() <= RULES_MAX, "actions", "expected at most 256")?;
        for (field, ids) in self.layers() {
            let is_id = ids.iter().all(|id| id.parse::<CharterId>().is_ok());
            check(is_id, &field, "expected ids of charters: the names of their files without `.yaml`")?;
        }
        for (name, rules) in &self.actions {
            let field = format!("actions.{name}");
            let named = "expected a name of a-z, 0-9, `_` and `-`, without dots, up to 63";
            check(is_name(name), &field, named)?;
            check(rules.len() <= RULES_MAX, &field, "expected at most 256 rules")?;
            let has_tools = rules.iter().all(|rule| !rule.tools.is_empty());
            check(has_tools, &field, "expected `tools` with at least one name in each rule")?;
        }
        Ok(())
    }

    /// The charters that everybody of this organisation acts under.
    pub fn above(&self, org: OrgId) -> BTreeSet<String> {
        self.everyone.iter().chain(self.organisations.get(&org).into_iter().flatten()).cloned().collect()
    }

    /// What business actions mean under this configuration.
    pub fn meanings(&self) -> Actions {
        Actions::inside(&self.hosts_inside).extended(&self.actions)
    }
}

impl Config {
    fn layers(&self) -> impl Iterator<Item = (String, &BTreeSet<String>)> {
        let of = |(org, ids): (_, _)| (format!("organisations.{org}"), ids);
        [("everyone".to_owned(), &self.everyone)].into_iter().chain(self.organisations.iter().map(of))
    }
}

/// Tools have dots in their names, so nothing is both.
fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
}
