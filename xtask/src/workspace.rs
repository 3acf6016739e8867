//! What `cargo metadata` says about the workspace, as plain data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::run::Run;

/// The workspace: its members and where it lies.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo puts what it builds; follows `CARGO_TARGET_DIR`.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
}

/// One package of ours.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) metadata: Option<Metadata>,
}

/// One line of a manifest's dependency tables.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    pub(crate) rename: Option<String>,
    pub(crate) optional: bool,
    pub(crate) uses_default_features: bool,
    pub(crate) features: Vec<String>,
}

/// `[package.metadata]`, as far as it is ours.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Metadata {
    #[serde(default)]
    pub(crate) orchestrator: Orchestrator,
}

/// `[package.metadata.orchestrator]`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Orchestrator {
    pub(crate) layer: Option<u8>,
}

impl Workspace {
    /// The members only; works without network.
    pub(crate) fn load() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
        let text =
            Run::cargo(["metadata", "--format-version", "1", "--no-deps", "--quiet"]).within(root).quiet().output()?;
        serde_json::from_str(&text).context("cannot read what cargo metadata printed")
    }
}

impl Package {
    /// The floor the manifest states, if it states one.
    pub(crate) fn layer(&self) -> Option<u8> {
        self.metadata.as_ref().and_then(|metadata| metadata.orchestrator.layer)
    }

    /// The directory of the manifest.
    pub(crate) fn directory(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// Whether the package lies in `folder` of the workspace, such as `crates`.
    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.directory().parent().and_then(Path::file_name).is_some_and(|name| name == folder)
    }
}

impl Dependency {
    /// The name features of the manifest use for it.
    pub(crate) fn key(&self) -> &str {
        self.rename.as_deref().unwrap_or(&self.name)
    }

    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}
