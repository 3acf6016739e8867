//! Arrows point down: a crate uses floors below its own, and an edge knows one domain.

use std::collections::BTreeSet;

use crate::arch::{COMPOSITION, DOMAINS, EDGES, find};
use crate::findings::Finding;
use crate::workspace::Package;

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(|package| of_package(package, packages)).collect()
}

fn of_package(package: &Package, packages: &[Package]) -> Vec<Finding> {
    let Some(layer) = package.layer() else { return vec![] }; // `places` reports it
    let mut found = Vec::new();
    let mut domains = BTreeSet::new();
    for dependency in &package.dependencies {
        // A package may name itself to switch on its own features for its tests.
        let Some(target) = find(packages, &dependency.name).filter(|target| target.name != package.name) else {
            continue;
        };
        let Some(below) = target.layer() else { continue };
        if below == DOMAINS {
            domains.insert(target.name.as_str());
        }
        if let Some(problem) = wrong_arrow(layer, below, &target.name, dependency.kind.as_deref()) {
            found.push(Finding::new(&package.name, problem));
        }
    }
    if layer == EDGES && domains.len() > 1 {
        let names = domains.into_iter().collect::<Vec<_>>().join(", ");
        found.push(Finding::new(&package.name, format!("an edge knows at most one domain, this one knows {names}")));
    }
    found
}

/// Dev- and build-dependencies obey like any other.
fn wrong_arrow(from: u8, to: u8, target: &str, kind: Option<&str>) -> Option<String> {
    let kind = kind.map(|kind| format!("{kind}-")).unwrap_or_default();
    match (from, to) {
        (COMPOSITION, COMPOSITION) => None,
        (DOMAINS, DOMAINS) => Some(format!("{kind}depends on {target}: no domain knows another")),
        (from, to) if to >= from => {
            Some(format!("on floor {from} {kind}depends on {target} on floor {to}: only floors below may be used"))
        }
        _ => None,
    }
}
