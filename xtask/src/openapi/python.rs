use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::environment::find_program;
use crate::run::Run;
use crate::workspace::Workspace;

/// From PyPI, by name and version.
const PACKAGE: &str = "schemathesis==4.32.5";

/// The program, in a virtual environment under the target directory; made where it is missing.
pub(super) fn schemathesis(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join(PACKAGE.replace("==", "-"));
    let program = folder.join("bin/schemathesis");
    if Run::new(&program).arg("--version").quiet().succeeds() {
        return Ok(program);
    }
    let Some(python) = find_program("python3", &[]) else {
        bail!(
            "python3 is missing: install the packages `python3` and `python3-venv` (Debian, Ubuntu) or `python` (Homebrew)"
        );
    };
    // Half of an environment is none.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    Run::new(python)
        .args(["-m", "venv"])
        .arg(&folder)
        .run()
        .context("python3 cannot make a virtual environment: install the package `python3-venv` (Debian, Ubuntu)")?;
    Run::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE])
        .run()
        .with_context(|| format!("pip cannot install {PACKAGE} from PyPI"))?;
    Ok(program)
}
