//! Every package has a front door, and a size that fits.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::findings::Finding;
use crate::tidy::tree;
use crate::workspace::{Package, Workspace};

const LINES_MIN: usize = 300;
const LINES_MAX: usize = 4_000;
const ENTRANCES: [&str; 4] = ["src/lib.rs", "src/main.rs", "lib.rs", "main.rs"];

/// What is wrong, and what deserves a look.
pub(super) fn check(workspace: &Workspace) -> Result<(Vec<Finding>, Vec<Finding>)> {
    let decisions = decisions(&workspace.root.join("docs/adr"))?;
    let (mut wrong, mut doubtful) = (Vec::new(), Vec::new());
    for package in &workspace.packages {
        wrong.extend(readme(&package.name, package.directory()));
        wrong.extend(docs(&package.name, package.directory()));
        doubtful.extend(size(package, lines(package.directory())?, &decisions));
    }
    Ok((wrong, doubtful))
}

fn readme(name: &str, directory: &Path) -> Option<Finding> {
    let text = std::fs::read_to_string(directory.join("README.md")).unwrap_or_default();
    text.trim().is_empty().then(|| Finding::new(name, "has no README.md"))
}

fn docs(name: &str, directory: &Path) -> Option<Finding> {
    let entrances = ENTRANCES.iter().filter_map(|entrance| std::fs::read_to_string(directory.join(entrance)).ok());
    let undocumented = entrances.into_iter().any(|text| !has_crate_docs(&text));
    undocumented.then(|| Finding::new(name, "has no crate documentation: begin lib.rs or main.rs with `//!`"))
}

fn has_crate_docs(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_start);
    lines.any(|line| (line.starts_with("//!") && line.len() > "//! ".len()) || line.starts_with("#![doc ="))
}

/// Lines of the Rust files below `src`, without files of tests.
fn lines(directory: &Path) -> Result<usize> {
    let source = directory.join("src");
    if !source.is_dir() {
        return Ok(0);
    }
    let is_counted = |file: &PathBuf| {
        file.extension().is_some_and(|ending| ending == "rs") && !is_tests(file.strip_prefix(&source).unwrap_or(file))
    };
    let files = tree::files(&source)?.into_iter().filter(is_counted);
    let mut lines = 0;
    for file in files {
        lines += std::fs::read_to_string(file)?.lines().count();
    }
    Ok(lines)
}

/// `tests.rs`, and what lies in a folder `tests` of the sources.
fn is_tests(file: &Path) -> bool {
    file.ends_with("tests.rs") || file.iter().any(|folder| folder == "tests")
}

/// A decision record that names the package settles the question.
fn size(package: &Package, lines: usize, decisions: &str) -> Option<Finding> {
    let problem = if lines > LINES_MAX {
        format!("{lines} lines, over {LINES_MAX}: split it, or")
    } else if lines < LINES_MIN && package.is_in("crates") {
        format!("{lines} lines, under {LINES_MIN}: make it a module of something, or")
    } else {
        return None;
    };
    let is_decided = decisions.contains(&format!("`{}`", package.name));
    (!is_decided).then(|| Finding::new(&package.name, format!("{problem} name `{}` in docs/adr", package.name)))
}

/// The text of all decision records.
fn decisions(directory: &Path) -> Result<String> {
    if !directory.is_dir() {
        return Ok(String::new());
    }
    let mut text = String::new();
    for file in tree::files(directory)? {
        text.push_str(&std::fs::read_to_string(file)?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str) -> Package {
        let text = format!(
            r#"{{"name": "orchestrator-x",
            "manifest_path": "/w/{folder}/x/Cargo.toml", "dependencies": [], "features": {{}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_package_with_a_front_door_passes() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("src")).unwrap();
        std::fs::write(directory.path().join("README.md"), "# x\n").unwrap();
        std::fs::write(directory.path().join("src/lib.rs"), "//! A crate.\n\nmod a;\n").unwrap();
        assert_eq!(readme("x", directory.path()), None);
        assert_eq!(docs("x", directory.path()), None);
        assert_eq!(lines(directory.path()).unwrap(), 3);
        std::fs::write(directory.path().join("src/tests.rs"), "use super::*;\n").unwrap();
        assert_eq!(lines(directory.path()).unwrap(), 3, "tests do not count");
    }

    #[test]
    fn a_missing_or_empty_readme_is_found() {
        let directory = tempfile::tempdir().unwrap();
        assert!(readme("x", directory.path()).is_some());
        std::fs::write(directory.path().join("README.md"), "\n").unwrap();
        assert!(readme("x", directory.path()).is_some());
    }

    #[test]
    fn missing_crate_docs_are_found() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("src")).unwrap();
        std::fs::write(directory.path().join("src/main.rs"), "// not docs\nfn main() {}\n").unwrap();
        assert!(docs("x", directory.path()).is_some());
        assert!(has_crate_docs("#![doc = include_str!(\"../README.md\")]\n"));
        assert!(!has_crate_docs("//!\nfn main() {}\n"));
    }

    #[test]
    fn a_size_that_does_not_fit_is_found() {
        assert_eq!(size(&package("crates"), LINES_MIN, ""), None);
        assert!(size(&package("crates"), LINES_MIN - 1, "").is_some());
        assert!(size(&package("crates"), LINES_MAX + 1, "").is_some());
        assert!(size(&package("bins"), LINES_MAX + 1, "").is_some());
    }

    #[test]
    fn only_crates_can_be_too_small() {
        assert_eq!(size(&package("bins"), 10, ""), None);
    }

    #[test]
    fn a_decision_record_settles_the_size() {
        assert_eq!(size(&package("crates"), 10, "we keep `orchestrator-x` small"), None);
        assert!(size(&package("crates"), 10, "`orchestrator-xy`").is_some());
    }
}
