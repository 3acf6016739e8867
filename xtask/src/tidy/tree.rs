//! The files of the project: everything but what is built, stored or version control's own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const SKIPPED: [&str; 3] = ["target", "data", ".git"];

/// All files below `root`, in a stable order. Links are not followed.
pub(super) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = std::fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && !is_skipped(&directory, root, &entry.file_name().to_string_lossy()) {
                open.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Only at the root: `src/data` is as good a folder as any.
fn is_skipped(directory: &Path, root: &Path, name: &str) -> bool {
    directory == root && SKIPPED.contains(&name)
}
