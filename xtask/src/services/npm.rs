//! Programs from npm, by name and version. Tests start them themselves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::environment::find_program;
use crate::run::Run;
use crate::services::install::{self, Package};
use crate::workspace::Workspace;

/// A package, and the folder of the build where tests look for it.
pub(super) struct Npm {
    name: &'static str,
    version: &'static str,
    folder: &'static str,
}

/// It speaks like the vendors of language models.
pub(super) const AIMOCK: Npm = Npm { name: "@copilotkit/aimock", version: "1.43.0", folder: "aimock" };
/// A server of the Model Context Protocol that does everything there is in it.
pub(super) const EVERYTHING: Npm =
    Npm { name: "@modelcontextprotocol/server-everything", version: "2026.8.31", folder: "everything" };

const NODE: Package = Package { title: "Node.js with npm", debian: "npm", homebrew: "node", instead: "" };

/// Installed in the build's folder; another version there is replaced.
pub(super) fn ensure(workspace: &Workspace, wanted: &Npm) -> Result<PathBuf> {
    if ["node", "npm"].iter().any(|program| find_program(program, &[]).is_none()) {
        install::install(&NODE)?;
    }
    let folder = workspace.target.join(wanted.folder);
    let package = folder.join("node_modules").join(wanted.name);
    if version(&package).as_deref() != Some(wanted.version) {
        install(&folder, wanted)?;
    }
    Ok(package)
}

fn version(package: &Path) -> Option<String> {
    let text = std::fs::read(package.join("package.json")).ok()?;
    let description: serde_json::Value = serde_json::from_slice(&text).ok()?;
    description["version"].as_str().map(str::to_owned)
}

/// None of them needs scripts.
fn install(folder: &Path, wanted: &Npm) -> Result<()> {
    let Npm { name, version, .. } = wanted;
    // Half of a package is none.
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Run::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
        .arg(folder)
        .arg(format!("{name}@{version}"))
        .run()
        .with_context(|| format!("npm cannot install {name}@{version}"))
}
