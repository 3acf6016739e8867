//! `orchestrator init`

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::answer::Answer;
use crate::failure::Failure;
use crate::out::Out;

const CONFIGURATION: (&str, &str, u32) =
    ("orchestrator.yaml", include_str!("../../templates/orchestrator.yaml"), 0o644);
const CHARTER: (&str, &str, u32) =
    ("charters/virtual-principal.yaml", include_str!("../../../../examples/charters/virtual-principal.yaml"), 0o644);
const AGENT: (&str, &str, u32) = ("agents/word-report.sh", include_str!("../../templates/word-report.sh"), 0o755);

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Where to write it
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// Writes over files that are there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &InitArgs, out: &Out) -> Result<(), Failure> {
    let files = [CONFIGURATION, AGENT, CHARTER];
    if !args.force {
        // Looked at before anything is written: all or nothing.
        if let Some((name, ..)) = files.iter().find(|(name, ..)| args.directory.join(name).exists()) {
            return Err(Failure::failed(format!("{name} is there already")).hint("--force writes over it"));
        }
    }
    let mut written = Vec::new();
    for (name, text, mode) in files {
        let path = args.directory.join(name);
        write(&path, text, mode, args.force)
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
        written.push(path.display().to_string());
    }
    let next = "wrote orchestrator.yaml, agents/word-report.sh and charters/virtual-principal.yaml. Now, in this directory:\n\n  \
                orchestrator-daemon\n  \
                orchestrator task create \"Report on the configuration\" --requires word-report \\\n      \
                --metadata '{\"path\": \"orchestrator.yaml\"}' --watch";
    out.show(&Answer { json: json!({ "written": written }), text: next.to_owned(), ids: written })
}

fn write(path: &Path, text: &str, mode: u32, force: bool) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).mode(mode);
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    fn init(directory: &Path, more: &[&str]) -> Result<(), Failure> {
        let fixed = ["orchestrator", "init", directory.to_str().unwrap(), "--quiet"];
        let args = Args::parse_from(fixed.iter().chain(more));
        let Command::Init(init) = args.command else { panic!("not init") };
        run(&init, &Out::new(&args.look))
    }

    #[test]
    fn nothing_is_written_over_without_force() {
        let folder = tempfile::tempdir().unwrap();
        let agent = folder.path().join("agents/word-report.sh");
        std::fs::create_dir(folder.path().join("agents")).unwrap();
        std::fs::write(&agent, "mine").unwrap();
        assert!(init(folder.path(), &[]).is_err());
        assert_eq!(std::fs::read_to_string(&agent).unwrap(), "mine");
        assert!(!folder.path().join("orchestrator.yaml").exists());
        init(folder.path(), &["--force"]).unwrap();
        assert!(std::fs::read_to_string(&agent).unwrap().starts_with("#!/bin/sh"));
        assert!(folder.path().join("orchestrator.yaml").exists());
        let charter = std::fs::read_to_string(folder.path().join("charters/virtual-principal.yaml")).unwrap();
        assert!(charter.starts_with("name: Virtual Principal (VP)"));
    }
}
