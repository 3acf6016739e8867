//! What an embedder gets without asking: the default build below the edges brings no database and no web server.

use std::collections::BTreeSet;

use crate::arch::{DOMAINS, find};
use crate::findings::Finding;
use crate::workspace::{Dependency, Package};

/// What an embedder asks for by a feature.
const HEAVY: [&str; 4] = ["sea-orm", "sea-orm-migration", "sqlx", "axum"];
/// The crate that is about the database.
const DATABASE: &str = "orchestrator-sql";

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let light = packages.iter().filter(|package| package.layer().is_some_and(|layer| layer <= DOMAINS));
    light.filter(|package| package.name != DATABASE).filter_map(|package| of_package(package, packages)).collect()
}

fn of_package(package: &Package, packages: &[Package]) -> Option<Finding> {
    let chain = heavy_chain(package, vec!["default".to_owned()], packages, &mut BTreeSet::new())?;
    Some(Finding::new(
        &package.name,
        format!("its default build brings {}: put it behind a feature", chain.join(" -> ")),
    ))
}

/// The way from `package`, built with `features`, to something heavy.
fn heavy_chain(
    package: &Package,
    features: Vec<String>,
    packages: &[Package],
    seen: &mut BTreeSet<(String, Vec<String>)>,
) -> Option<Vec<String>> {
    if !seen.insert((package.name.clone(), features.clone())) {
        return None;
    }
    let entries = expanded(package, features);
    for dependency in package.dependencies.iter().filter(|dependency| !dependency.is_dev()) {
        if dependency.optional && !is_switched_on(dependency, &entries) {
            continue;
        }
        let mut chain = vec![dependency.name.clone()];
        if HEAVY.contains(&dependency.name.as_str()) {
            return Some(chain);
        }
        let Some(next) = find(packages, &dependency.name) else { continue };
        if let Some(rest) = heavy_chain(next, features_of(dependency, &entries), packages, seen) {
            chain.extend(rest);
            return Some(chain);
        }
    }
    None
}

/// Every entry of the feature tables that `features` reach, such as `dep:x`, `x/y`, or another feature's name.
fn expanded(package: &Package, features: Vec<String>) -> BTreeSet<String> {
    let mut entries = BTreeSet::new();
    let mut open = features;
    while let Some(entry) = open.pop() {
        if let Some(more) = package.features.get(&entry) {
            open.extend(more.iter().filter(|more| !entries.contains(*more)).cloned());
        }
        entries.insert(entry);
    }
    entries
}

fn is_switched_on(dependency: &Dependency, entries: &BTreeSet<String>) -> bool {
    let key = dependency.key();
    entries.iter().any(|entry| {
        entry == key
            || entry.strip_prefix("dep:") == Some(key)
            || entry.split_once('/').is_some_and(|(name, _)| name == key)
    })
}

fn features_of(dependency: &Dependency, entries: &BTreeSet<String>) -> Vec<String> {
    let by_entries = entries.iter().filter_map(|entry| entry.split_once('/'));
    let by_entries = by_entries.filter(|(name, _)| name.trim_end_matches('?') == dependency.key());
    let by_default = dependency.uses_default_features.then(|| "default".to_owned());
    let mut features: Vec<_> = dependency
        .features
        .iter()
        .cloned()
        .chain(by_entries.map(|(_, feature)| feature.to_owned()))
        .chain(by_default)
        .collect();
    features.sort();
    features.dedup();
    features
}
