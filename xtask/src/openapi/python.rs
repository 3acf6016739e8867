use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::pypi;
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
    pypi::environment(folder)?;
    pypi::pip(folder)
        .args([SCHEMATHESIS, VALIDATOR])
        .run()
        .with_context(|| format!("pip cannot install {SCHEMATHESIS} and {VALIDATOR} from PyPI"))
}
