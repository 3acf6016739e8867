use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::environment::find_program;
use crate::run::Run;
use crate::workspace::Workspace;

/// From PyPI, by name and version.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
const VALIDATOR: &str = "openapi-spec-validator==0.9.0";

/// The programs in a virtual environment.
pub(super) struct Tools {
    pub(super) schemathesis: PathBuf,
    /// Knows the schemas that OpenAPI publishes for its own documents.
    pub(super) validator: PathBuf,
}

impl Tools {
    /// Made under the target directory where they are missing.
    pub(super) fn ensure(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.target.join(format!("{SCHEMATHESIS}+{VALIDATOR}").replace("==", "-"));
        let program = |name: &str| folder.join("bin").join(name);
        let tools = Self { schemathesis: program("schemathesis"), validator: program("openapi-spec-validator") };
        if [&tools.schemathesis, &tools.validator].iter().all(|tool| Run::new(tool).arg("--version").quiet().succeeds())
        {
            return Ok(tools);
        }
        install(&folder)?;
        Ok(tools)
    }
}

fn install(folder: &Path) -> Result<()> {
    let Some(python) = find_program("python3", &[]) else {
        bail!(
            "python3 is missing: install the packages `python3` and `python3-venv` (Debian, Ubuntu) or `python` (Homebrew)"
        );
    };
    // Half of an environment is none.
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    Run::new(python)
        .args(["-m", "venv"])
        .arg(folder)
        .run()
        .context("python3 cannot make a virtual environment: install the package `python3-venv` (Debian, Ubuntu)")?;
    Run::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", SCHEMATHESIS, VALIDATOR])
        .run()
        .with_context(|| format!("pip cannot install {SCHEMATHESIS} and {VALIDATOR} from PyPI"))
}
