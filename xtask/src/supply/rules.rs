//! The rules of `deny.toml` over plain data.

use std::collections::BTreeMap;

use crate::findings::Finding;
use crate::supply::licence;
use crate::supply::policy::Policy;

/// One crate that is built.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) version: String,
    /// Empty if the crate does not state one.
    pub(super) licence: String,
}

impl Crate {
    /// A line of `cargo tree --format "{p}\t{l}"`: `name v1.2.3 (more)`, a tabulator, the licence.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (package, licence) = line.split_once('\t')?;
        let mut words = package.split(' ');
        let (name, version) = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
        Some(Self { name, version, licence: licence.trim_end_matches("(*)").trim().to_owned() })
    }

    fn finding(&self, problem: String) -> Finding {
        Finding::new(format!("{} {}", self.name, self.version), problem)
    }
}

pub(super) fn check(policy: &Policy, crates: &[Crate]) -> Vec<Finding> {
    let licences = crates.iter().filter(|built| !has_allowed_licence(policy, built));
    let licences = licences.map(|built| built.finding(format!("licence `{}` is not allowed", built.licence)));
    let banned = crates.iter().filter_map(|built| {
        let entry = policy.bans.deny.iter().find(|entry| entry.covers(&built.name, &built.version))?;
        Some(built.finding(format!("is banned: {}", entry.reason)))
    });
    licences.chain(banned).chain(duplicates(policy, crates)).chain(unused_skips(policy, crates)).collect()
}

/// Every foreign package comes from a registry that is listed.
pub(super) fn check_sources(policy: &Policy, sources: &[(String, String)]) -> Vec<Finding> {
    let is_listed = |source: &str| {
        source
            .strip_prefix("registry+")
            .is_some_and(|url| policy.sources.allow_registry.iter().any(|listed| listed == url))
    };
    let foreign = sources.iter().filter(|(_, source)| !is_listed(source));
    foreign.map(|(name, source)| Finding::new(name, format!("comes from {source}, which is not listed"))).collect()
}

fn has_allowed_licence(policy: &Policy, built: &Crate) -> bool {
    let exceptions = policy.licenses.exceptions.iter().filter(|exception| exception.name == built.name);
    let exceptions: Vec<_> = exceptions.flat_map(|exception| &exception.allow).collect();
    licence::is_satisfied(&built.licence, |name| {
        policy.licenses.allow.iter().chain(exceptions.iter().copied()).any(|allowed| allowed == name)
    })
}

/// At most one version of a crate may be left unexplained.
fn duplicates(policy: &Policy, crates: &[Crate]) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for built in crates.iter().filter(|built| !is_skipped(policy, built)) {
        let of_name = versions.entry(&built.name).or_default();
        if !of_name.contains(&built.version.as_str()) {
            of_name.push(&built.version);
        }
    }
    let several = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
    several
        .map(|(name, versions)| {
            let problem = "is built in several versions: align them, or add a skip with its reason to deny.toml";
            Finding::new(format!("{name} {}", versions.join(", ")), problem)
        })
        .collect()
}

/// An explanation for what no longer happens misleads.
fn unused_skips(policy: &Policy, crates: &[Crate]) -> Vec<Finding> {
    let is_unused = |name: &str| {
        let covered = crates
            .iter()
            .filter(|built| policy.bans.skip.iter().any(|s| s.name == name && s.covers(&built.name, &built.version)));
        let covered: Vec<_> = covered.collect();
        let is_duplicate = |skipped: &&Crate| {
            crates.iter().any(|other| other.name == skipped.name && other.version != skipped.version)
        };
        !covered.iter().any(is_duplicate)
    };
    let unused = policy.bans.skip.iter().filter(|entry| is_unused(&entry.name));
    unused
        .map(|entry| Finding::new(&entry.name, "is skipped in deny.toml and no longer a duplicate: remove it"))
        .collect()
}

fn is_skipped(policy: &Policy, built: &Crate) -> bool {
    policy.bans.skip.iter().any(|entry| entry.covers(&built.name, &built.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        graph.targets = ["x"]
        sources.allow-registry = ["https://registry"]
        licenses.allow = ["MIT"]
        licenses.exceptions = [{ crate = "odd", allow = ["WTFPL"] }]
        bans.deny = [{ crate = "openssl-sys", reason = "one TLS library" }]
        bans.skip = [{ crate = "rand@0.8", reason = "an old one needs it" }]
    "#;

    /// The duplicate that the policy explains, so that its skip is in use.
    const RAND: [&str; 2] = ["rand v0.8.5\tMIT", "rand v0.10.4\tMIT"];

    #[track_caller]
    fn finds(lines: &[&str], expected: &[&str]) {
        let policy: Policy = toml::from_str(POLICY).unwrap();
        let crates: Vec<_> = RAND.iter().chain(lines).map(|line| Crate::parse(line).unwrap()).collect();
        let found: Vec<_> = check(&policy, &crates).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found:?} should contain {expected:?}");
        }
    }

    #[test]
    fn a_clean_tree_passes() {
        finds(&["serde v1.0.0\tMIT", "serde v1.0.0 (proc-macro)\tMIT (*)", "odd v1.0.0\tWTFPL"], &[]);
    }

    #[test]
    fn a_licence_that_is_not_listed_is_found() {
        finds(&["viral v1.0.0\tGPL-3.0"], &["viral 1.0.0: licence `GPL-3.0` is not allowed"]);
        finds(&["silent v1.0.0\t"], &["licence `` is not allowed"]);
        finds(&["other v1.0.0\tWTFPL"], &["licence `WTFPL` is not allowed"]);
    }

    #[test]
    fn a_banned_crate_is_found() {
        finds(&["openssl-sys v0.9.0\tMIT"], &["openssl-sys 0.9.0: is banned: one TLS library"]);
    }

    #[test]
    fn an_unexplained_second_version_is_found() {
        finds(&["rand v0.9.5\tMIT"], &["rand 0.10.4, 0.9.5: is built in several versions"]);
    }

    #[test]
    fn an_explanation_that_is_no_longer_needed_is_found() {
        let policy: Policy = toml::from_str(POLICY).unwrap();
        let found = check(&policy, &[Crate::parse(RAND[0]).unwrap()]);
        assert_eq!(found.len(), 1);
        assert!(found[0].problem.contains("no longer a duplicate"));
    }

    #[test]
    fn a_source_that_is_not_listed_is_found() {
        let policy: Policy = toml::from_str(POLICY).unwrap();
        let source = |from: &str| vec![("x".to_owned(), from.to_owned())];
        assert_eq!(check_sources(&policy, &source("registry+https://registry")), []);
        assert_eq!(check_sources(&policy, &source("git+https://registry")).len(), 1);
        assert_eq!(check_sources(&policy, &source("registry+https://elsewhere")).len(), 1);
    }
}
