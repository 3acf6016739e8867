//! Agents that files define, through the socket of the running binary.

mod bounds;
mod definitions;
mod spawning;

use std::fs;
use std::path::Path;

use orchestrator_testkit::{Builder, Daemon, shell};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A directory of files that define agents.
struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = Self(tempfile::tempdir()?);
        files.iter().try_for_each(|(name, text)| folder.write(name, text))?;
        Ok(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory"))?;
        // Beside, then in place: nobody reads half of it.
        let beside = path.with_extension("new");
        fs::write(&beside, text)?;
        Ok(fs::rename(beside, path)?)
    }

    fn remove(&self, name: &str) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.path().join(name))?)
    }

    /// As the daemon tells of a file in it.
    fn shown(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }
}

/// A daemon that reads agents from there, with the program `runner`: it prints a line and ends once there is a file `go` in its
/// working directory, at the latest after a minute.
fn daemon(folder: &Folder) -> Builder {
    let wait = "i=0; while [ ! -e go ] && [ $i -lt 3000 ]; do i=$((i+1)); sleep 0.02; done; echo done";
    Daemon::builder().without_rate_limits().config(json!({
        "tasks": {"sweepMs": 20},
        "agents": {"runner": shell(wait, &[], 100), "quick": shell("cat", &[], 100)},
        "agentFiles": {"directories": [folder.path()]},
    }))
}

/// A file for an agent that a configured program runs.
fn run_by(program: &str, more: &str) -> String {
    format!("---\ndescription: by a program\nruntime: program\nprogram: {program}\n{more}---\nYou are run.\n")
}

fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("a page");
    items.iter().filter_map(|agent| agent["id"].as_str()).collect()
}
