//! Definitions in directories: what is read, what is refused, and that one wrong file takes nobody else away.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::Path;

use orchestrator_agents::{Catalogue, FilesConfig, PermissionMode, Profile, Role, Runtime};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self) -> Catalogue {
        Catalogue::read(&FilesConfig::default(), self.path())
    }
}

fn profile(catalogue: &Catalogue, name: &str) -> Profile {
    let profile = catalogue.profiles.get(name);
    Profile::clone(profile.unwrap_or_else(|| panic!("{name} is not defined: {:?}", catalogue.faults)))
}

fn faults(catalogue: &Catalogue) -> Vec<String> {
    catalogue.faults.iter().map(ToString::to_string).collect()
}

const PLAIN: &str = "---\ndescription: does things\n---\nYou do things.\n";

#[test]
fn skills_that_a_file_names_come_with_what_uses_them() {
    let folder = Folder::with(&[
        ("agents/none.md", PLAIN),
        ("agents/base.md", "---\ntools: Read, Grep\nskills: [pdf, release-notes]\n---\nYou read.\n"),
        ("agents/child.md", "---\nextends: base\n---\nYou read more.\n"),
        ("agents/bare.md", "---\ntools: Read\nskills: []\n---\nYou read.\n"),
    ]);
    let catalogue = folder.read();
    assert_eq!(profile(&catalogue, "none").skills, None);
    for name in ["base", "child"] {
        let profile = profile(&catalogue, name);
        assert_eq!(profile.skills, Some(["pdf".to_owned(), "release-notes".to_owned()].into()), "{name}");
        assert!(profile.permissions.allows("skill.use", true) && !profile.permissions.allows("fs.write", false));
    }
    let bare = profile(&catalogue, "bare");
    assert!(bare.skills.is_some_and(|skills| skills.is_empty()) && !bare.permissions.allows("skill.use", true));
}

#[test]
fn files_of_both_directories_and_below_are_read() {
    let folder = Folder::with(&[
        (
            "agents/coder.md",
            "---\ntype: developer\ntier: 2\ngroups: core, web\ncapabilities: [rust]\nmaxInstances: 3\n---\nYou code.\n",
        ),
        ("agents/deep/er/tester.md", PLAIN),
        (
            ".claude/agents/reviewer.md",
            "---\nname: The Reviewer\ndescription: reads\ntools: Read, Grep\n---\nYou read.\n",
        ),
        ("agents/README.md", "about these"),
        ("agents/.hidden/x.md", "no"),
        ("agents/notes.txt", "no"),
    ]);
    let catalogue = folder.read();
    assert_eq!(faults(&catalogue), [""; 0]);
    let ids: Vec<&str> = catalogue.profiles.keys().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["coder", "reviewer", "tester"]);
    let coder = profile(&catalogue, "coder");
    assert_eq!((coder.role, coder.tier, coder.limits.max_instances), (Role::Developer, Some(2), 3));
    assert_eq!((coder.name.as_str(), coder.runtime, coder.source.as_str()), ("coder", Runtime::Llm, "agents/coder.md"));
    assert!(coder.permissions.allows("anything.at.all", false), "no list of tools is no limit");
    let reviewer = profile(&catalogue, "reviewer");
    assert_eq!(reviewer.name, "The Reviewer");
    assert!(reviewer.permissions.allows("fs.read", true) && !reviewer.permissions.allows("fs.write", false));
}

#[test]
fn a_wrong_file_takes_its_own_agent_away_and_says_where_it_is_wrong() {
    let folder = Folder::with(&[
        ("agents/good.md", PLAIN),
        ("agents/bad.md", "---\ndescription: x\ntols: fs.read\n---\nHi.\n"),
        ("agents/Worse Name.md", PLAIN),
        ("agents/silent.md", "---\ndescription: x\n---\n"),
    ]);
    let catalogue = folder.read();
    assert_eq!(catalogue.profiles.len(), 1);
    let found = faults(&catalogue);
    assert!(found[0].starts_with("agents/Worse Name.md: the name of the file"), "{found:?}");
    assert!(found[1].starts_with("agents/bad.md:3:1: unknown field `tols`"), "{found:?}");
    assert!(found[2].starts_with("agents/silent.md:1:1: expected a system prompt"), "{found:?}");
    assert_eq!(catalogue.faults[1].agent_id, Some("bad".parse().unwrap()));
}

#[test]
fn two_files_for_one_agent_are_told_with_both_and_neither_counts() {
    let folder = Folder::with(&[("agents/a.md", PLAIN), (".claude/agents/a.md", PLAIN), ("agents/b.md", PLAIN)]);
    let catalogue = folder.read();
    assert_eq!(catalogue.profiles.len(), 1);
    let found = faults(&catalogue);
    assert_eq!(found.len(), 2);
    assert!(found[0].contains(".claude/agents/a.md") && found[0].contains("also by agents/a.md"), "{found:?}");
    assert!(found[1].contains("also by .claude/agents/a.md"), "{found:?}");
}

#[test]
fn a_child_overrides_what_it_says_and_is_never_allowed_more_than_its_parents() {
    let folder = Folder::with(&[
        (
            "agents/base.md",
            "---\ntype: developer\nmodel: large\ntools: [fs.*, command.run]\ndisallowedTools: fs.write\nmaxTurns: 9\n---\nBe kind.\n",
        ),
        (
            "agents/child.md",
            "---\nextends: base\nmodel: small\ntools: [fs.read, fs.write, http.fetch]\npermissionMode: bypassPermissions\n---\nBe quick.\n",
        ),
        ("agents/grandchild.md", "---\nextends: child\npermissionMode: plan\n---\n"),
        ("agents/offspring.md", "---\nextends: grandchild\npermissionMode: default\n---\n"),
    ]);
    let catalogue = folder.read();
    assert_eq!(faults(&catalogue), [""; 0]);
    let child = profile(&catalogue, "child");
    assert_eq!((child.role, child.model.as_deref(), child.limits.max_turns), (Role::Developer, Some("small"), Some(9)));
    assert_eq!(child.prompt, "Be kind.\n\nBe quick.");
    assert_eq!(child.permission_mode, PermissionMode::BypassPermissions);
    let allowed: Vec<&str> = child.permissions.allowed().iter().map(|tool| tool.as_str()).collect();
    assert_eq!(allowed, ["fs.read"]);
    let offspring = profile(&catalogue, "offspring");
    assert!(offspring.permissions.is_only_reading(), "what a parent may only read a child may not write");
    assert_eq!(offspring.extends.len(), 3);
}

#[test]
fn circles_and_missing_parents_are_told() {
    let extends = |parent: &str| format!("---\ndescription: x\nextends: {parent}\n---\nHi.\n");
    let folder = Folder::with(&[
        ("agents/a.md", &extends("b")),
        ("agents/b.md", &extends("a")),
        ("agents/lost.md", &extends("nobody")),
        ("agents/self.md", &extends("self")),
        ("agents/broken.md", "---\ntier: 9\n---\nHi.\n"),
        ("agents/heir.md", &extends("broken")),
    ]);
    let catalogue = folder.read();
    assert!(catalogue.profiles.is_empty());
    let found = faults(&catalogue).join("\n");
    for expected in [
        "agents/a.md:3:10: extends: goes round in a circle: a -> b -> a",
        "agents/lost.md:3:10: extends: no file defines `nobody`",
        "agents/self.md:3:10: extends: goes round in a circle: self -> self",
        "agents/heir.md:3:10: extends: the file of `broken` has an error",
    ] {
        assert!(found.contains(expected), "{expected} is not in\n{found}");
    }
}

#[cfg(unix)]
#[test]
fn links_may_not_lead_out_and_devices_are_no_files() {
    use std::os::unix::fs::symlink;
    let folder = Folder::with(&[("agents/..data/inside.md", PLAIN), ("secret/outside.md", PLAIN)]);
    let at = |name: &str| folder.path().join("agents").join(name);
    symlink("..data/inside.md", at("inside.md")).unwrap();
    symlink("../secret/outside.md", at("outside.md")).unwrap();
    symlink("../secret", at("secret")).unwrap();
    symlink("/dev/zero", at("zero.md")).unwrap();
    symlink("nowhere", at("nowhere.md")).unwrap();
    let catalogue = folder.read();
    let ids: Vec<&str> = catalogue.profiles.keys().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["inside"], "a mounted directory links within itself");
    let found = faults(&catalogue).join("\n");
    for expected in [
        "outside.md: is a link that leads out",
        "secret: is a link to a directory",
        "zero.md: is no file",
        "nowhere.md: cannot be read",
    ] {
        assert!(found.contains(expected), "{expected} is not in\n{found}");
    }
}

#[test]
fn number_size_and_depth_are_bounded() {
    let folder = Folder::with(&[("agents/big.md", &format!("---\n---\n{}", "x".repeat(2_000)))]);
    for number in 0..5 {
        folder.write(&format!("agents/a{number}.md"), PLAIN);
    }
    folder.write("agents/x/y/z/deep.md", PLAIN);
    let few = FilesConfig { files_max: 3, ..FilesConfig::default() };
    let catalogue = Catalogue::read(&few, folder.path());
    assert_eq!(catalogue.profiles.len(), 3);
    assert!(faults(&catalogue)[0].contains("more than 3 files"), "{:?}", catalogue.faults);
    let shallow = FilesConfig { depth_max: 3, bytes_max: 1_024, ..FilesConfig::default() };
    let found = faults(&Catalogue::read(&shallow, folder.path()));
    assert!(found.iter().any(|fault| fault.starts_with("agents/big.md: larger than 1024 bytes")), "{found:?}");
    assert!(found.iter().any(|fault| fault.starts_with("agents/x/y/z: deeper than 3")), "{found:?}");
}

#[test]
fn what_is_different_is_told_by_name() {
    let folder = Folder::with(&[("agents/a.md", PLAIN), ("agents/b.md", PLAIN)]);
    let before = folder.read();
    folder.write("agents/a.md", "---\ntier: 1\n---\nOther.\n");
    folder.write("agents/c.md", PLAIN);
    fs::remove_file(folder.path().join("agents/b.md")).unwrap();
    let changes = folder.read().changes_since(&before);
    let names = |ids: &[orchestrator_vocab::AgentId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (names(&changes.added), names(&changes.changed), names(&changes.removed)),
        (vec!["c".to_owned()], vec!["a".to_owned()], vec!["b".to_owned()],)
    );
    assert!(folder.read().changes_since(&folder.read()).is_empty());
}

#[test]
fn the_samples_load() {
    let config = FilesConfig { directories: vec!["examples/agents".into()], ..FilesConfig::default() };
    let catalogue = Catalogue::read(&config, &Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    assert_eq!((faults(&catalogue), catalogue.notes.len()), (Vec::new(), 0));
    let careful = profile(&catalogue, "careful-coder");
    assert!(careful.permissions.allows("fs.write", false) && !careful.permissions.allows("http.fetch", true));
    assert!(profile(&catalogue, "reviewer").permissions.is_only_reading());
}
