//! Skills as they lie in directories.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod fixture;

use fixture::Fixture;
use orchestrator_skills::{Catalogue, Config, SkillName};

fn name(text: &str) -> SkillName {
    text.parse().unwrap()
}

fn names(catalogue: &Catalogue) -> Vec<&str> {
    catalogue.skills.keys().map(SkillName::as_str).collect()
}

fn faults(catalogue: &Catalogue) -> Vec<String> {
    catalogue.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn the_first_directory_that_has_a_name_has_it_also_if_what_it_has_is_wrong() {
    let fixture = Fixture::new();
    fixture.skill("first", "both", "", "The first.");
    fixture.skill("second", "both", "", "The second.");
    fixture.skill("second", "alone", "", "Alone.");
    fixture.file("first/broken/SKILL.md", "no front matter");
    fixture.skill("second", "broken", "", "It must not take that place.");
    let read = fixture.read(&Config::default());
    assert_eq!(names(&read), ["alone", "both"]);
    assert_eq!(read.skills[&name("both")].body, "The first.");
    assert_eq!(read.broken(), [&name("broken")].into());
    let notes: Vec<String> = read.notes.iter().map(ToString::to_string).collect();
    assert!(
        notes.contains(&"second/both: is not used: first/both has the same name and comes first".to_owned()),
        "{notes:?}"
    );
    assert!(faults(&read)[0].starts_with("first/broken/SKILL.md:1:1: expected `---`"), "{:?}", faults(&read));
}

#[test]
fn every_file_counts_for_the_digest_and_what_is_the_systems_does_not() {
    let fixture = Fixture::new();
    fixture.skill("first", "a", "", "Do it.");
    let digest = |fixture: &Fixture| fixture.read(&Config::default()).skills[&name("a")].digest;
    let bare = digest(&fixture);
    let script = fixture.file("first/a/scripts/run.sh", "echo 1\n");
    let with_script = digest(&fixture);
    assert_ne!(bare, with_script);
    fixture.file("first/a/.git/config", "x");
    fixture.file("first/a/scripts/__pycache__/x.pyc", "x");
    assert_eq!(digest(&fixture), with_script);
    fixture.file("first/a/.hidden", "x");
    assert_ne!(digest(&fixture), with_script);
    std::fs::remove_file(fixture.path().join("first/a/.hidden")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_ne!(digest(&fixture), with_script, "that it may be executed is part of it");
    }
    let _ = script;
}

#[test]
fn what_is_too_much_is_told_with_the_key_that_says_so() {
    #[track_caller]
    fn check(config: Config, expected: &str) {
        let fixture = Fixture::new();
        fixture.skill("first", "a", "", "Do it.");
        fixture.file("first/a/one/two/three.txt", &"x".repeat(3_000));
        fixture.file("first/a/four.txt", &"x".repeat(3_000));
        let told = faults(&fixture.read(&config)).join("\n");
        assert!(told.contains(expected), "{told}");
    }
    check(Config { files_max: 2, ..Config::default() }, "skills.filesMax: more than 2 files");
    check(Config { file_bytes_max: 1_024, ..Config::default() }, "skills.fileBytesMax");
    check(Config { skill_bytes_max: 4_000, ..Config::default() }, "skills.skillBytesMax");
    check(Config { depth_max: 2, ..Config::default() }, "skills.depthMax: deeper than 2");
    let fixture = Fixture::new();
    (0..5).for_each(|number| fixture.skill("first", &format!("s{number}"), "", "x"));
    let read = fixture.read(&Config { skills_max: 3, ..Config::default() });
    assert_eq!(read.skills.len(), 3);
    assert!(faults(&read)[0].contains("skills.skillsMax"), "{:?}", faults(&read));
}

#[cfg(unix)]
#[test]
fn nothing_leads_out_and_devices_are_not_opened() {
    use std::os::unix::fs::symlink;
    let fixture = Fixture::new();
    for skill in ["file", "directory", "pipe"] {
        fixture.skill("first", skill, "", "x");
    }
    symlink("/etc/hostname", fixture.path().join("first/file/host")).unwrap();
    symlink("/etc", fixture.path().join("first/directory/etc")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(fixture.path().join("first/pipe/p")).status().unwrap();
    assert!(made.success());
    fixture.skill("elsewhere", "far", "", "x");
    fixture.skill("second", "near", "", "x");
    for skill in ["far", "near"] {
        let root = if skill == "far" { "elsewhere" } else { "second" };
        symlink(fixture.path().join(root).join(skill), fixture.path().join("first").join(skill)).unwrap();
    }
    let read = fixture.read(&Config::default());
    assert_eq!(names(&read), ["near"], "a link from one root to another is found where it lies");
    let told = faults(&read).join("\n");
    for skill in ["file", "directory", "pipe"] {
        assert!(told.contains(&format!("first/{skill}: ")), "{told}");
    }
    assert!(told.contains("first/far: is a link that leads out"), "{told}");
    assert_eq!(read.skills[&name("near")].root, "second");
}

#[test]
fn directories_without_the_file_and_odd_names_are_told() {
    let fixture = Fixture::new();
    fixture.file("first/notes/readme.txt", "x");
    fixture.skill("first", "Bad_Name", "", "x");
    fixture.file("first/README.md", "x");
    let read = fixture.read(&Config::default());
    assert!(read.notes[0].problem.contains("has no SKILL.md") && read.notes.len() == 1, "{:?}", read.notes);
    assert!(faults(&read)[0].starts_with("first/Bad_Name: the name of the directory"), "{:?}", faults(&read));
}

#[test]
fn what_does_nothing_and_a_long_body_are_noted() {
    let fixture = Fixture::new();
    fixture.skill("first", "a", "model: opus\nhooks: {}\n", &"word ".repeat(2_000));
    let read = fixture.read(&Config { body_tokens: 1_000, ..Config::default() });
    let notes: Vec<&str> = read.notes.iter().map(|note| note.problem.as_str()).collect();
    assert_eq!(notes[0], "keys that do nothing here: hooks, model");
    assert!(notes[1].contains("(skills.bodyTokens)"), "{notes:?}");
}
