//! `deny.toml`, as far as our own check reads it.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Policy {
    pub(super) graph: Graph,
    pub(super) licenses: Licenses,
    pub(super) bans: Bans,
    pub(super) sources: Sources,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Graph {
    pub(super) targets: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Licenses {
    pub(super) allow: Vec<String>,
    #[serde(default)]
    pub(super) exceptions: Vec<LicenseException>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LicenseException {
    #[serde(rename = "crate")]
    pub(super) name: String,
    pub(super) allow: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Bans {
    #[serde(default)]
    pub(super) deny: Vec<Listed>,
    #[serde(default)]
    pub(super) skip: Vec<Listed>,
}

/// `name` or `name@version`, and why.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    #[serde(rename = "crate")]
    pub(super) name: String,
    pub(super) reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Sources {
    pub(super) allow_registry: Vec<String>,
}

impl Policy {
    pub(super) fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("cannot parse {}", path.display()))
    }
}

impl Listed {
    /// Whether the entry means this crate: by name, or by name and the leading parts of the version.
    pub(super) fn covers(&self, name: &str, version: &str) -> bool {
        match self.name.split_once('@') {
            None => self.name == name,
            Some((listed, start)) => {
                listed == name
                    && (version == start || version.strip_prefix(start).is_some_and(|rest| rest.starts_with('.')))
            }
        }
    }
}
