//! Every crate alone, with each of its features: what somebody gets who embeds only that one.

use anyhow::{Result, bail};

use crate::run::Run;
use crate::workspace::{Package, Workspace};

/// What no domain and nothing below may bring without being asked.
const HEAVY: [&str; 3] = ["sea-orm", "sqlx", "axum"];
const DOMAINS: u8 = 3;
const DATABASE: &str = "orchestrator-sql";

/// Only the packages named, or every crate if none is.
pub(crate) fn run(workspace: &Workspace, only: &[String]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| !workspace.packages.iter().any(|package| package.name == **name)) {
        bail!("no package {unknown} in this workspace");
    }
    let embeddable = workspace.packages.iter().filter(|package| package.is_in("crates"));
    for package in embeddable.filter(|package| only.is_empty() || only.contains(&package.name)) {
        for features in combinations(package) {
            let alone = ["check", "--quiet", "--package", &package.name, "--no-default-features"];
            Run::cargo(alone).args(["--features", &features]).run()?;
        }
        if package.layer().is_some_and(|layer| layer <= DOMAINS) && package.name != DATABASE {
            is_light(package)?;
        }
    }
    Ok(())
}

/// None, each, all.
fn combinations(package: &Package) -> Vec<String> {
    let features: Vec<_> = package.features.keys().filter(|name| *name != "default").cloned().collect();
    let all = features.join(",");
    let mut combinations = vec![String::new()];
    combinations.extend(features);
    if !combinations.contains(&all) {
        combinations.push(all);
    }
    combinations
}

/// Asks cargo itself what the default build compiles.
fn is_light(package: &Package) -> Result<()> {
    let tree = Run::cargo(["tree", "--quiet", "--package", &package.name, "--edges", "normal", "--prefix", "none"]);
    let tree = tree.args(["--format", "{p}"]).quiet().output()?;
    let built = tree.lines().filter_map(|line| line.split(' ').next());
    match built.into_iter().find(|name| HEAVY.contains(name)) {
        Some(heavy) => bail!("the default build of {} brings {heavy}", package.name),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(features: &str, expected: &[&str]) {
        let text = format!(
            r#"{{"name": "x", "manifest_path": "/w/crates/x/Cargo.toml",
            "dependencies": [], "features": {features}}}"#
        );
        assert_eq!(combinations(&serde_json::from_str(&text).unwrap()), expected);
    }

    #[test]
    fn a_crate_is_built_with_none_each_and_all_features() {
        check("{}", &[""]);
        check(r#"{"sql": []}"#, &["", "sql"]);
        check(r#"{"default": ["sql"], "rpc": [], "sql": []}"#, &["", "rpc", "sql", "rpc,sql"]);
    }
}
