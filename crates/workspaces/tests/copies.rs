//! Copies of directories that are no repositories.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::os::unix::fs::{PermissionsExt as _, symlink};

use orchestrator_vocab::SessionId;
use orchestrator_workspaces::{Change, Choice, Config, Error, Mode, Status};
use support::{Fixture, LOCAL, conflicts, git, write};

fn directory(config: Config) -> Fixture {
    let fixture = Fixture::new(config);
    fixture.write("a.txt", "one\ntwo\nthree\n");
    fixture.write("sub/b.txt", "b\n");
    fixture
}

#[tokio::test]
async fn a_copy_has_a_difference_and_comes_back_file_by_file() {
    let fixture = directory(Config::default());
    let made = fixture.prepare(None).await;
    assert_eq!((made.mode, made.status), (Mode::Copy, Status::Ready));
    write(&made.path, "a.txt", "one\n2\nthree\n");
    write(&made.path, "new/c.txt", "c\n");
    std::fs::remove_dir_all(made.path.join("sub")).unwrap();
    let difference = fixture.workspaces.diff(LOCAL, made.session).await.unwrap();
    let files: Vec<_> = difference.files.iter().map(|file| (file.path.as_str(), file.change, file.added)).collect();
    let expected = [
        ("a.txt", Change::Modified, Some(1)),
        ("new/c.txt", Change::Added, Some(1)),
        ("sub/b.txt", Change::Deleted, Some(0)),
    ];
    assert_eq!(files, expected);
    let merged = fixture.merge(made.session).await.unwrap();
    assert!(merged.changed && merged.workspace.commit.is_none());
    assert_eq!(fixture.read("a.txt").as_deref(), Some("one\n2\nthree\n"));
    assert_eq!(fixture.read("new/c.txt").as_deref(), Some("c\n"));
    assert!(!fixture.source().join("sub").exists() && !made.path.exists());
}

#[tokio::test]
async fn its_diff_is_one_that_git_applies() {
    let fixture = directory(Config::default());
    fixture.write("no newline", "x");
    let made = fixture.prepare(None).await;
    write(&made.path, "a.txt", "one\n2\nthree\n");
    write(&made.path, "new/c.txt", "c\n");
    write(&made.path, "no newline", "y");
    std::fs::remove_file(made.path.join("sub/b.txt")).unwrap();
    let difference = fixture.workspaces.diff(LOCAL, made.session).await.unwrap();
    let patch = fixture.directory.path().canonicalize().unwrap().join("patch");
    std::fs::write(&patch, &difference.diff).unwrap();
    fixture.git(&["init", "-q"]);
    git(&fixture.source(), &["apply", patch.to_str().unwrap()]);
    assert_eq!(fixture.read("a.txt").as_deref(), Some("one\n2\nthree\n"));
    assert_eq!(fixture.read("no newline").as_deref(), Some("y"));
    assert!(fixture.read("sub/b.txt").is_none() && fixture.read("new/c.txt").is_some());
}

#[tokio::test]
async fn what_the_source_changed_meanwhile_conflicts_and_nothing_is_applied() {
    let fixture = directory(Config::default());
    let made = fixture.prepare(None).await;
    write(&made.path, "a.txt", "by the session\n");
    write(&made.path, "c.txt", "c\n");
    write(&made.path, "same.txt", "the same\n");
    fixture.write("a.txt", "by somebody else\n");
    fixture.write("same.txt", "the same\n");
    let difference = fixture.workspaces.diff(LOCAL, made.session).await.unwrap();
    assert_eq!(difference.also_changed, ["a.txt", "same.txt"]);
    assert!(difference.diff.contains("-two"), "against what was copied: {}", difference.diff);
    conflicts(fixture.merge(made.session).await, &["a.txt"]);
    assert!(fixture.read("c.txt").is_none());
    fixture.write("a.txt", "one\ntwo\nthree\n");
    fixture.merge(made.session).await.unwrap();
    assert_eq!(fixture.read("a.txt").as_deref(), Some("by the session\n"));
}

#[tokio::test]
async fn links_stay_inside_and_what_is_no_file_is_left_out_with_a_note() {
    let fixture = directory(Config::default());
    let source = fixture.source();
    symlink("a.txt", source.join("inside")).unwrap();
    symlink("/etc/passwd", source.join("absolute")).unwrap();
    symlink("../../outside", source.join("sub/up")).unwrap();
    fifo(&source.join("pipe"));
    write(&source, ".git/config", "no");
    let made = fixture.prepare(None).await;
    assert!(made.path.join("inside").is_symlink());
    for left_out in ["absolute", "sub/up", "pipe", ".git"] {
        assert!(made.path.join(left_out).symlink_metadata().is_err(), "{left_out}");
    }
    assert_eq!(made.notes.len(), 3, "{:?}", made.notes);
    fixture.workspaces.ended(LOCAL, made.session).await.unwrap();
    assert_eq!(fixture.status(made.session).await, Status::Discarded, "what was left out is no change");
}

fn fifo(path: &std::path::Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn a_merge_follows_no_link_out_of_the_source() {
    let fixture = directory(Config::default());
    let made = fixture.prepare(None).await;
    let outside = fixture.directory.path().canonicalize().unwrap().join("outside");
    std::fs::create_dir(&outside).unwrap();
    write(&made.path, "door/x.txt", "x\n");
    symlink(&outside, fixture.source().join("door")).unwrap();
    conflicts(fixture.merge(made.session).await, &["door/x.txt"]);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    // A link that leads out is no change either.
    std::fs::remove_dir_all(made.path.join("door")).unwrap();
    symlink("/etc", made.path.join("etc")).unwrap();
    assert!(!fixture.merge(made.session).await.unwrap().changed);
}

#[tokio::test]
async fn a_copy_has_limits_and_leaves_nothing_when_it_breaks_them() {
    for (config, what) in [
        (Config { copy_files_max: 2, ..Config::default() }, "a copy holds at most 2 files"),
        (Config { copy_bytes_max: 8, ..Config::default() }, "a copy holds at most 8 bytes"),
    ] {
        let fixture = directory(config);
        let session = SessionId::new();
        let refused = fixture.again_for(&fixture.workspaces, session).await.unwrap_err();
        assert_eq!(refused.to_string(), what);
        assert_eq!(fixture.status(session).await, Status::Discarded);
        let root = fixture.directory.path().join("workspaces");
        assert!(!root.join(LOCAL.to_string()).join(session.to_string()).exists());
    }
    let excluded = Config { copy_files_max: 2, copy_excludes: vec!["sub".into()], ..Config::default() };
    assert!(!directory(excluded).prepare(None).await.path.join("sub").exists());
}

#[tokio::test]
async fn permissions_come_and_go_with_a_file() {
    let fixture = directory(Config::default());
    std::fs::set_permissions(fixture.source().join("a.txt"), std::fs::Permissions::from_mode(0o4755)).unwrap();
    let made = fixture.prepare(None).await;
    let mode = |path: std::path::PathBuf| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(made.path.join("a.txt")), 0o755);
    std::fs::set_permissions(made.path.join("sub/b.txt"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fixture.workspaces.diff(LOCAL, made.session).await.unwrap().files.len(), 1);
    fixture.merge(made.session).await.unwrap();
    assert_eq!(mode(fixture.source().join("sub/b.txt")), 0o755);
}

#[tokio::test]
async fn without_a_source_a_workspace_begins_empty() {
    let fixture = directory(Config::default());
    let session = SessionId::new();
    let made = fixture.workspaces.prepare(LOCAL, session, Choice::default()).await.unwrap();
    assert_eq!(std::fs::read_dir(&made.path).unwrap().count(), 0);
    write(&made.path, "report.md", "# Report\n");
    assert!(fixture.workspaces.diff(LOCAL, session).await.unwrap().diff.contains("+# Report"));
    assert!(fixture.workspaces.usage(LOCAL, session).await.unwrap() >= 9);
    assert!(matches!(fixture.merge(session).await, Err(Error::Unfit { .. })));
    fixture.workspaces.ended(LOCAL, session).await.unwrap();
    assert!(made.path.join("report.md").is_file());
    fixture.discard(session).await.unwrap();
    assert!(!made.path.exists());
}

#[tokio::test]
async fn a_source_is_one_of_the_operators() {
    let fixture = directory(Config::default());
    let choice = Choice { source: Some("other".parse().unwrap()), mode: None };
    let refused = fixture.workspaces.prepare(LOCAL, SessionId::new(), choice).await.unwrap_err();
    assert_eq!(refused.to_string(), "no source `other` in workspaces.sources");
}
