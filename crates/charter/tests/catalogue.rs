//! Charters from files.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use orchestrator_charter::{Action, Catalogue, Charters, Config, Documents, Facts, Missing, Verdict};

const VIRTUAL_PRINCIPAL: &str = include_str!("../../../examples/charters/virtual-principal.yaml");

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("charters")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join("charters").join(name), text).unwrap();
    }
    folder
}

fn read(folder: &Path) -> Catalogue {
    Catalogue::read(&Config::default(), folder)
}

#[track_caller]
fn faults(files: &[(&str, &str)], expected: &[&str]) {
    let found: Vec<String> = read(folder(files).path()).faults.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} is not {expected}");
    }
}

#[test]
fn the_virtual_principal_loads_unchanged_and_says_what_it_does() {
    let catalogue = read(folder(&[("virtual-principal.yaml", VIRTUAL_PRINCIPAL)]).path());
    assert_eq!(catalogue.faults, []);
    let charter = catalogue.get("virtual-principal").unwrap();
    assert_eq!((charter.name.as_str(), charter.tier), ("Virtual Principal (VP)", Some(3)));
    assert_eq!(charter.resource_limits.token_budget.daily, Some(5_000_000));
    let says = |name: &str, facts: Facts| charter.opinion(&Action { facts, ..Action::new(name) });
    let host = Facts { hosts: ["api.example".to_owned()].into(), ..Facts::default() };
    let secret = Facts { secrets: ["model-key".to_owned()].into(), ..host.clone() };
    let reboot = Facts { programs: ["reboot".to_owned()].into(), ..Facts::default() };
    assert_eq!(says("task.create", Facts::default()).verdict, Verdict::Allow);
    assert_eq!(says("http.request", host).verdict, Verdict::Confirm);
    assert_eq!(says("http.request", secret).verdict, Verdict::Deny);
    assert_eq!(says("fs.write", Facts::default()).verdict, Verdict::Abstain);
    let shutdown = says("command.run", reboot);
    assert_eq!(shutdown.verdict, Verdict::Deny);
    let rule = shutdown.rule.unwrap();
    assert_eq!((rule.file.as_str(), rule.line, rule.column), ("charters/virtual-principal.yaml", 10, 39));
    assert_eq!(rule.text, "system_shutdown");
}

#[test]
fn what_is_wrong_with_files_is_told_and_takes_nothing_else_away() {
    faults(
        &[
            ("Big.yaml", "name: x"),
            ("a.yaml", "extends: b"),
            ("b.yaml", "extends: a"),
            ("child.yaml", "name: c\nextends: wrong"),
            ("fine.yaml", "name: Fine"),
            ("lost.yaml", "extends: nobody"),
            ("other.yml", "name: x"),
            ("typo.yaml", "safetyHeuristics: { alwaysReject: [credential_sharing] }"),
            ("wrong.yaml", "colour: red"),
            ("yet.yaml", "extends: typo"),
            ("README.md", "not read"),
            (".hidden.yaml", "not: read"),
        ],
        &[
            "charters/Big.yaml: the name of the file",
            "charters/a.yaml:1:10: extends: goes round in a circle: a -> b -> a",
            "charters/b.yaml:1:10: extends: goes round in a circle: b -> a -> b",
            "charters/child.yaml:2:10: extends: the file of `wrong` has an error",
            "charters/lost.yaml:1:10: extends: no file defines `nobody`",
            "charters/other.yml: is not read: charters end in `.yaml`",
            "charters/typo.yaml:1:36: `credential_sharing` is no action",
            "charters/wrong.yaml:1:1: unknown field `colour`",
            "charters/yet.yaml:1:10: extends: the file of `typo` has an error",
        ],
    );
}

#[test]
fn files_are_bounded_and_links_lead_nowhere() {
    let folder = folder(&[("large.yaml", &"# x\n".repeat(20_000))]);
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("charters/link.yaml")).unwrap();
    std::fs::create_dir(folder.path().join("charters/dir.yaml")).unwrap();
    let found: Vec<String> = read(folder.path()).faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "charters/dir.yaml: is no file",
            "charters/large.yaml: larger than 65536 bytes (charters.bytesMax)",
            "charters/link.yaml: is a link that leads out of the directory",
        ]
    );
    let few = Config { files_max: 1, ..Config::default() };
    let many = self::folder(&[("a.yaml", "name: a"), ("b.yaml", "name: b")]);
    let catalogue = Catalogue::read(&few, many.path());
    assert!(catalogue.charters.len() == 1 && catalogue.faults[0].problem.contains("charters.filesMax"));
}

#[test]
fn a_child_takes_over_and_narrows() {
    let base = "role: lead\ntier: 1\ncapabilities: [a]\nresourceLimits: { maxSessions: 5, tokenBudget: { daily: 10 } }\n\
        safetyHeuristics: { autoApprove: ['fs.*', task.get], requireConfirmation: [http.get], alwaysReject: [daemon.stop] }\n\
        operationalSettings: { defaultModel: m, maxRetries: 3 }\nhardConstraints: [Be kind., fs.remove]\n";
    let child = "extends: base\ncapabilities: [b]\nresourceLimits: { maxSessions: 9, maxConcurrentTasks: 2 }\n\
        safetyHeuristics:\n  autoApprove: [fs.read, 'mcp.*']\n  alwaysReject: [http.put]\n\
        operationalSettings: { maxRetries: 7 }\nhardConstraints: [Be quick.]\n";
    let catalogue = read(folder(&[("base.yaml", base), ("child.yaml", child)]).path());
    assert_eq!(catalogue.faults, []);
    let charter = catalogue.get("child").unwrap();
    assert_eq!((charter.name.as_str(), charter.role.as_deref()), ("child", Some("lead")));
    assert_eq!(charter.capabilities, ["a", "b"]);
    assert_eq!((charter.resource_limits.max_sessions, charter.resource_limits.at_once()), (Some(5), Some(2)));
    assert_eq!(charter.operational_settings.max_retries, Some(3));
    let verdicts = ["fs.read", "fs.write", "task.get", "mcp.a.b", "http.get", "http.put", "daemon.stop", "fs.remove"]
        .map(|name| charter.opinion(&Action::new(name)).verdict);
    use Verdict::{Abstain, Allow, Confirm, Deny};
    assert_eq!(verdicts, [Allow, Abstain, Abstain, Abstain, Confirm, Deny, Deny, Deny]);
    assert_eq!(charter.prompt().unwrap().lines().skip(1).collect::<Vec<_>>(), ["- Be kind.", "- Be quick."]);
    let notes: Vec<String> = catalogue.notes.iter().map(ToString::to_string).collect();
    let told = |text: &str| notes.iter().any(|note| note.contains(text));
    assert!(
        told("charters/child.yaml:5:26: autoApprove: `mcp.*` does nothing: a parent does not approve it"),
        "{notes:#?}"
    );
    assert!(told("resourceLimits.maxSessions: 9 does nothing: a parent allows 5"), "{notes:#?}");
    assert!(told("resourceLimits.tokenBudget.daily: kept, not enforced yet"), "{notes:#?}");
}

#[test]
fn the_digest_is_that_of_what_is_said_and_not_of_how_it_is_written() {
    let digest = |text: &str| read(folder(&[("a.yaml", text)]).path()).get("a").unwrap().digest.clone();
    let one = digest("name: A\nsafetyHeuristics: { alwaysReject: [a.b, c.d] }\n");
    assert_eq!(one, digest("# a comment\nsafetyHeuristics:\n  alwaysReject:\n  - c.d\n  - a.b\nname: 'A'\n"));
    assert_ne!(one, digest("name: A\nsafetyHeuristics: { alwaysReject: [a.b] }\n"));
    assert!(one.starts_with("sha256:"));
}

#[test]
fn what_is_read_again_is_in_force_and_what_is_broken_is_gone() {
    let config = Config::default();
    let charters = Charters::new(&config, &["resourceLimits.maxSessions"]);
    let folder = folder(&[("a.yaml", "safetyHeuristics: { alwaysReject: [a.b] }"), ("b.yaml", "name: B")]);
    assert_eq!(charters.put(Documents::read(&config, folder.path())).added.len(), 2);
    let verdict = |name: &str| charters.get("a").unwrap().opinion(&Action::new(name)).verdict;
    assert_eq!((verdict("a.b"), verdict("c.d")), (Verdict::Deny, Verdict::Abstain));

    std::fs::write(folder.path().join("charters/a.yaml"), "safetyHeuristics: { alwaysReject: [c.d] }").unwrap();
    std::fs::write(folder.path().join("charters/b.yaml"), "name: [").unwrap();
    let changes = charters.put(Documents::read(&config, folder.path()));
    assert_eq!((changes.changed.len(), changes.removed.len()), (1, 1));
    assert_eq!((verdict("a.b"), verdict("c.d")), (Verdict::Abstain, Verdict::Deny));
    assert!(matches!(charters.get("b"), Err(Missing::Broken(id, _)) if id.as_str() == "b"));
    assert!(matches!(charters.get("c"), Err(Missing::NoFile(_))));
}

#[test]
fn an_operators_actions_can_be_named() {
    let files = folder(&[("a.yaml", "safetyHeuristics: { alwaysReject: [rollout] }")]);
    assert!(read(files.path()).get("a").is_err());
    let actions = serde_json::from_str(r#"{"rollout": [{"tools": ["command.*"], "programs": ["kubectl"]}]}"#).unwrap();
    let config = Config { actions, ..Config::default() };
    config.validate().unwrap();
    let catalogue = Catalogue::read(&config, files.path());
    let facts = Facts { programs: ["kubectl".to_owned()].into(), ..Facts::default() };
    let says = catalogue.get("a").unwrap().opinion(&Action { facts, ..Action::new("command.run") });
    assert_eq!(says.verdict, Verdict::Deny);
    for name in ["with.dot", "Big", ""] {
        let actions = [(name.to_owned(), Vec::new())].into();
        assert!(Config { actions, ..Config::default() }.validate().is_err(), "{name}");
    }
}
