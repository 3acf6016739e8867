//! What a reader meets: sizes, names, documentation and whitespace.
//!
//! The rules take texts and folders, so that tests can plant a fault.

mod code;
mod packages;
mod text;
mod tree;

use std::path::Path;

use anyhow::{Context, Result};

use crate::findings::{self, Finding};
use crate::workspace::Workspace;

/// Checks the workspace and prints what is wrong.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut found = check_files(&workspace.root)?;
    let (wrong, doubtful) = packages::check(workspace)?;
    found.extend(wrong);
    findings::warn(&doubtful);
    findings::report("tidy", found)
}

fn check_files(root: &Path) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for path in tree::files(root)? {
        let place = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        found.extend(text::check_name(&place));
        if !text::is_text(&place) {
            continue;
        }
        let content = std::fs::read_to_string(&path).with_context(|| format!("cannot read {place}"))?;
        found.extend(text::check(&place, &content));
        if place.ends_with(".rs") {
            found.extend(code::check(&place, &content));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_found_in_a_tree_of_files() {
        let root = tempfile::tempdir().unwrap();
        let source = root.path().join("crates/x/src");
        std::fs::create_dir_all(&source).unwrap();
        std::fs::write(source.join("lib.rs"), "//! Fine.\n").unwrap();
        assert_eq!(check_files(root.path()).unwrap(), []);

        std::fs::write(source.join("helpers.rs"), "fn f() { todo!() } \n").unwrap();
        let found: Vec<_> = check_files(root.path()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found.iter().all(|finding| finding.starts_with("crates/x/src/helpers.rs")), "{found:#?}");
    }
}
