//! What holds for every charter and every action.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::path::Path;

use orchestrator_charter::{Action, Catalogue, Charter, Config, Documents, Fact, Facts, Terms, Verdict};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

const ENTRIES: [&str; 11] = [
    "fs.*",
    "fs.remove",
    "fs.read",
    "command.run",
    "http.*",
    "http.request",
    "*",
    "external_api_calls",
    "resource_deletion",
    "system_shutdown",
    "credentials_sharing",
];

#[derive(Debug, Clone)]
struct Lists {
    auto: Option<Vec<&'static str>>,
    confirm: Vec<&'static str>,
    reject: Vec<&'static str>,
    escalate: Vec<&'static str>,
}

fn entries() -> impl Strategy<Value = Vec<&'static str>> {
    btree_set(prop::sample::select(&ENTRIES[..]), 0..4)
        .prop_map(|set| set.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

fn lists() -> impl Strategy<Value = Lists> {
    let escalate = vec(prop::sample::select(&ENTRIES[..]), 0..2);
    (prop::option::of(entries()), entries(), entries(), escalate).prop_map(|(auto, confirm, reject, escalate)| Lists {
        auto,
        confirm,
        reject,
        escalate,
    })
}

fn actions() -> impl Strategy<Value = Action> {
    let name = prop::sample::select(&["fs.read", "fs.remove", "command.run", "http.request", "task.delete", "x.y"][..]);
    let programs = btree_set(prop::sample::select(&["rm", "reboot", "curl", "ls"][..]), 0..2);
    let hosts = btree_set(prop::sample::select(&["localhost", "api.example"][..]), 0..2);
    let unknown = btree_set(prop::sample::select(&[Fact::Programs, Fact::Hosts, Fact::Secrets][..]), 0..3);
    (name, any::<bool>(), programs, hosts, any::<bool>(), unknown).prop_map(
        |(name, reads, programs, hosts, secret, unknown)| {
            let texts = |set: std::collections::BTreeSet<&str>| set.into_iter().map(str::to_owned).collect();
            let secrets = secret.then(|| "key".to_owned()).into_iter().collect();
            let facts = Facts { hosts: texts(hosts), programs: texts(programs), secrets, unknown, ..Facts::default() };
            Action { name: name.to_owned(), reads, facts }
        },
    )
}

impl Lists {
    fn text(&self) -> String {
        let quoted = |list: &[&str]| list.iter().map(|entry| format!("'{entry}'")).collect::<Vec<_>>().join(", ");
        let mut text = "safetyHeuristics:\n".to_owned();
        if let Some(auto) = &self.auto {
            writeln!(text, "  autoApprove: [{}]", quoted(auto)).unwrap();
        }
        writeln!(text, "  requireConfirmation: [{}]", quoted(&self.confirm)).unwrap();
        writeln!(text, "  alwaysReject: [{}]", quoted(&self.reject)).unwrap();
        let asked: Vec<String> = self.escalate.iter().map(|entry| format!("{{ action: '{entry}' }}")).collect();
        writeln!(text, "  escalate: [{}]", asked.join(", ")).unwrap();
        text
    }

    /// `None` if it has lines that never count.
    fn charter(&self) -> Option<Charter> {
        let id = "a".parse().unwrap();
        Documents::default().check(&id, "a.yaml", &self.text(), &Terms::default()).ok().map(|(charter, _)| charter)
    }

    fn reversed(&self) -> Self {
        let back = |list: &Vec<&'static str>| list.iter().rev().copied().collect();
        let Self { auto, confirm, reject, escalate } = self;
        Self { auto: auto.as_ref().map(back), confirm: back(confirm), reject: back(reject), escalate: back(escalate) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_order_of_lists_makes_no_difference(lists in lists(), action in actions()) {
        let Some(charter) = lists.charter() else { return Ok(()) };
        let back = lists.reversed().charter().unwrap();
        let (one, other) = (charter.opinion(&action), back.opinion(&action));
        prop_assert_eq!(one.verdict, other.verdict);
        prop_assert_eq!(one.rule.map(|line| line.text), other.rule.map(|line| line.text));
        prop_assert_eq!(&charter.digest, &back.digest);
    }

    #[test]
    fn any_rejection_wins(lists in lists(), action in actions()) {
        let Some(charter) = lists.charter() else { return Ok(()) };
        let alone = Lists { auto: None, confirm: Vec::new(), escalate: Vec::new(), ..lists.clone() }.charter().unwrap();
        let is_rejected = alone.opinion(&action).verdict == Verdict::Deny;
        prop_assert_eq!(charter.opinion(&action).verdict == Verdict::Deny, is_rejected);
    }

    #[test]
    fn what_cannot_be_told_never_helps(lists in lists(), action in actions()) {
        let Some(charter) = lists.charter() else { return Ok(()) };
        let mut told = action.clone();
        told.facts.unknown.clear();
        prop_assert!(charter.opinion(&action).verdict >= charter.opinion(&told).verdict);
        prop_assert!(!charter.opinion(&told).uncertain);
    }

    #[test]
    fn what_is_approved_does_nothing_else(lists in lists(), action in actions()) {
        let Some(charter) = lists.charter() else { return Ok(()) };
        let mut more = action.clone();
        more.facts.programs.insert("other".to_owned());
        let is_named = lists.auto.iter().flatten().any(|entry| {
            entry.parse::<orchestrator_transcript::ToolPattern>().unwrap().matches(&action.name)
        });
        prop_assert!(charter.opinion(&more).verdict != Verdict::Allow || is_named);
    }

    #[test]
    fn a_child_never_allows_more_than_its_parent(parent in lists(), child in lists(), action in actions()) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("parent.yaml"), parent.text()).unwrap();
        std::fs::write(folder.path().join("child.yaml"), format!("extends: parent\n{}", child.text())).unwrap();
        let config = Config { directory: ".".into(), ..Config::default() };
        let catalogue = Catalogue::read(&config, Path::new(folder.path()));
        let (Ok(parent), Ok(child)) = (catalogue.get("parent"), catalogue.get("child")) else { return Ok(()) };
        prop_assert!(child.opinion(&action).verdict >= parent.opinion(&action).verdict);
    }
}
