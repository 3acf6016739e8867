//! aimock, which speaks like the vendors of language models: from npm, by name and version. Tests start it themselves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::environment::find_program;
use crate::run::Run;
use crate::services::install::{self, Package};
use crate::workspace::Workspace;

const NAME: &str = "@copilotkit/aimock";
const VERSION: &str = "1.43.0";
const NODE: Package = Package { title: "Node.js with npm", debian: "npm", homebrew: "node", instead: "" };

/// Installed in the build's folder `aimock`, where tests look for it; another version there is replaced.
pub(super) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    if ["node", "npm"].iter().any(|program| find_program(program, &[]).is_none()) {
        install::install(&NODE)?;
    }
    let folder = workspace.target.join("aimock");
    let package = folder.join("node_modules").join(NAME);
    if version(&package).as_deref() != Some(VERSION) {
        install(&folder)?;
    }
    Ok(package)
}

fn version(package: &Path) -> Option<String> {
    let text = std::fs::read(package.join("package.json")).ok()?;
    let description: serde_json::Value = serde_json::from_slice(&text).ok()?;
    description["version"].as_str().map(str::to_owned)
}

/// It has no dependencies and needs none of its scripts.
fn install(folder: &Path) -> Result<()> {
    // Half of a package is none.
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Run::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
        .arg(folder)
        .arg(format!("{NAME}@{VERSION}"))
        .run()
        .with_context(|| format!("npm cannot install {NAME}@{VERSION}"))
}
