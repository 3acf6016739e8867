//! What we build upon: licences, banned crates, duplicates and sources, judged by `deny.toml` without network.
//!
//! `cargo deny` reads the same file and looks deeper; it also runs where it is installed.

mod licence;
mod policy;
mod rules;

use std::path::Path;

use anyhow::{Context, Result};

use crate::findings;
use crate::run::Run;
use crate::workspace::Workspace;
use policy::Policy;
use rules::Crate;

/// Our own check of everything that is built on one of the policy's targets, then `cargo deny` where it is installed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let policy = Policy::load(&workspace.root.join("deny.toml"))?;
    let crates = built_crates(&policy, &workspace.root)?;
    let mut found = rules::check(&policy, &crates);
    found.extend(rules::check_sources(&policy, &locked_sources(&workspace.root)?));
    findings::report("deny", found)?;
    println!("deny: {} crates on {} targets", crates.len(), policy.graph.targets.len());
    if Run::cargo(["deny", "--version"]).succeeds() {
        // Advisories need the network; a job of their own looks at them.
        return Run::cargo(["deny", "--locked", "check", "bans", "licenses", "sources"]).run();
    }
    println!("deny: cargo-deny is not installed, only our own rules ran (`cargo xtask setup --all` installs it)");
    Ok(())
}

/// Every crate that is compiled for a target, for tests and build scripts too.
fn built_crates(policy: &Policy, root: &Path) -> Result<Vec<Crate>> {
    let mut crates = Vec::new();
    for target in &policy.graph.targets {
        let tree = Run::cargo(["tree", "--quiet", "--workspace", "--all-features", "--locked", "--prefix", "none"])
            .args(["--edges", "normal,build,dev", "--format", "{p}\t{l}", "--target", target])
            .within(root)
            .quiet()
            .output()?;
        crates.extend(tree.lines().filter_map(Crate::parse));
    }
    crates.sort();
    crates.dedup();
    Ok(crates)
}

/// Name and source of every foreign package in the lock file, also of those no target builds.
fn locked_sources(root: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let lock: toml::Table = text.parse().context("cannot parse Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array).context("Cargo.lock lists no packages")?;
    let text_of =
        |package: &toml::Value, key: &str| package.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    Ok(packages.iter().filter_map(|package| Some((text_of(package, "name")?, text_of(package, "source")?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_this_repository_is_understood() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let policy = Policy::load(&root.join("deny.toml")).unwrap();
        assert!(policy.licenses.allow.iter().any(|licence| licence == "MIT"));
        assert!(policy.bans.deny.iter().any(|banned| banned.name == "openssl-sys"));
        assert!(policy.graph.targets.len() >= 2);
    }

    #[test]
    fn the_lock_file_names_its_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let sources = locked_sources(root).unwrap();
        assert!(sources.iter().any(|(name, source)| name == "anyhow" && source.starts_with("registry+")));
    }
}
