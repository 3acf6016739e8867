//! The floors of the house: who may know whom.
//!
//! Every rule is a function from the workspace's packages to findings, so that tests can plant a fault.

mod arrows;
mod defaults;
mod places;
#[cfg(test)]
mod tests;

use anyhow::Result;

use crate::findings::{self, Finding};
use crate::workspace::{Package, Workspace};

/// Where programs, test kit, tests, examples and this tool live.
const COMPOSITION: u8 = 5;
/// Where protocols and sockets live.
const EDGES: u8 = 4;
/// Where the domains live.
const DOMAINS: u8 = 3;

/// Checks the workspace and prints what is wrong.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    findings::report("arch", check(&workspace.packages))
}

/// All rules.
fn check(packages: &[Package]) -> Vec<Finding> {
    let mut found = places::check(packages);
    found.extend(arrows::check(packages));
    found.extend(defaults::check(packages));
    found
}

fn find<'a>(packages: &'a [Package], name: &str) -> Option<&'a Package> {
    packages.iter().find(|package| package.name == name)
}
