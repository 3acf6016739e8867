//! Installs a missing server through the system's package manager, where that is allowed.

use anyhow::{Result, bail};

use crate::environment::find_program;
use crate::run::Run;
use crate::services::account;

/// A server by its package names.
pub(super) struct Package {
    pub(super) title: &'static str,
    pub(super) debian: &'static str,
    pub(super) homebrew: &'static str,
    /// What else helps, to end the sentence.
    pub(super) instead: &'static str,
}

/// Installs the package, or says what to install.
pub(super) fn install(package: &Package) -> Result<()> {
    let Package { title, debian, homebrew, instead } = package;
    if cfg!(target_os = "macos") && find_program("brew", &[]).is_some() {
        return Run::new("brew").args(["install", homebrew]).run();
    }
    if find_program("apt-get", &[]).is_some() {
        if account::is_root()? {
            return apt_get(Run::new("env"), debian);
        }
        if Run::new("sudo").args(["-n", "true"]).succeeds() {
            return apt_get(Run::new("sudo").args(["-n", "env"]), debian);
        }
    }
    bail!(
        "{title} is not installed: install the package `{debian}` (Debian, Ubuntu) or `{homebrew}` (Homebrew){instead}"
    )
}

fn apt_get(run: Run, package: &str) -> Result<()> {
    run.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends", package])
        .run()
}
