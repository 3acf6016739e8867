//! Worktrees over real repositories.

mod support;

use orchestrator_vocab::{OrgId, SessionId};
use orchestrator_workspaces::{Change, Config, Error, Mode, Status};
use support::{Fixture, LOCAL, conflicts, git, write};

#[tokio::test]
async fn a_session_gets_a_worktree_and_a_branch_and_the_same_ones_again() {
    let fixture = Fixture::repository();
    let made = fixture.prepare(None).await;
    assert_eq!((made.mode, made.status), (Mode::Worktree, Status::Ready));
    assert_eq!(made.base.as_deref(), Some(fixture.git(&["rev-parse", "HEAD"]).as_str()));
    let branch = format!("orchestrator/{}", made.session);
    assert_eq!(git(&made.path, &["branch", "--show-current"]), branch);
    write(&made.path, "new.txt", "kept\n");
    let restarted = fixture.again("n1");
    assert_eq!(fixture.again_for(&restarted, made.session).await.unwrap(), made);
    assert!(made.path.join("new.txt").is_file());
    assert_eq!(fixture.events().await, ["workspace.created"]);
}

#[tokio::test]
async fn the_difference_has_what_is_committed_uncommitted_and_new() {
    let fixture = Fixture::repository();
    let made = fixture.prepare(None).await;
    write(&made.path, "a.txt", "one\n2\nthree\n");
    git(&made.path, &["commit", "-qam", "by the agent"]);
    std::fs::remove_file(made.path.join("b.txt")).unwrap();
    write(&made.path, "c d.txt", "new\n");
    let before = git(&made.path, &["status", "--porcelain"]);
    let difference = fixture.workspaces.diff(LOCAL, made.session).await.unwrap();
    let files: Vec<_> = difference.files.iter().map(|file| (file.path.as_str(), file.change, file.added)).collect();
    let expected = [
        ("a.txt", Change::Modified, Some(1)),
        ("b.txt", Change::Deleted, Some(0)),
        ("c d.txt", Change::Added, Some(1)),
    ];
    assert_eq!(files, expected);
    for line in ["-two", "+2", "-b", "+new"] {
        assert!(difference.diff.lines().any(|found| found == line), "{line} in {}", difference.diff);
    }
    assert!(difference.also_changed.is_empty() && !difference.truncated);
    assert_eq!(git(&made.path, &["status", "--porcelain"]), before, "looking changes nothing");
    fixture.write("a.txt", "ONE\n");
    fixture.commit("meanwhile");
    let difference = fixture.workspaces.diff(LOCAL, made.session).await.unwrap();
    assert_eq!(difference.also_changed, ["a.txt"]);
}

#[tokio::test]
async fn a_diff_is_bounded_and_its_files_are_not() {
    let fixture = Fixture::repository();
    let made = fixture.prepare(None).await;
    for number in 0..30 {
        write(&made.path, &format!("{number}.txt"), &"a line of text\n".repeat(10));
    }
    let small = Config { diff_bytes_max: 1_024, ..Config::default() };
    fixture.workspaces.reconfigure(small).unwrap();
    let difference = fixture.workspaces.diff(LOCAL, made.session).await.unwrap();
    assert!(difference.truncated && difference.diff.len() <= 1_024);
    assert_eq!(difference.files.len(), 30);
}

#[tokio::test]
async fn changes_come_into_the_branch_that_is_checked_out() {
    let fixture = Fixture::repository();
    let made = fixture.prepare(None).await;
    write(&made.path, "new.txt", "new\n");
    fixture.write("b.txt", "uncommitted elsewhere\n");
    let merged = fixture.merge(made.session).await.unwrap();
    assert!(merged.changed);
    assert_eq!(merged.workspace.commit, Some(fixture.git(&["rev-parse", "main"])));
    assert_eq!(fixture.read("new.txt").as_deref(), Some("new\n"));
    assert_eq!(fixture.read("b.txt").as_deref(), Some("uncommitted elsewhere\n"));
    assert_eq!(fixture.git(&["log", "-1", "--format=%an <%ae>"]), "orchestrator <orchestrator@localhost>");
    assert!(!made.path.exists());
    assert_eq!(fixture.git(&["branch", "--list", "orchestrator/*"]), "");
    assert_eq!(fixture.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(fixture.status(made.session).await, Status::Merged);
    assert_eq!(fixture.events().await, ["workspace.created", "workspace.merged"]);
    assert!(matches!(fixture.merge(made.session).await, Err(Error::Closed { status: Status::Merged, .. })));
}

#[tokio::test]
async fn two_sessions_edit_one_file_and_the_second_is_told_where_it_conflicts() {
    let fixture = Fixture::repository();
    let (first, second) = (fixture.prepare(None).await, fixture.prepare(None).await);
    write(&first.path, "a.txt", "FIRST\ntwo\nthree\n");
    write(&second.path, "a.txt", "SECOND\ntwo\nthree\n");
    write(&second.path, "other.txt", "untroubled\n");
    fixture.merge(first.session).await.unwrap();
    let before = fixture.state();
    conflicts(fixture.merge(second.session).await, &["a.txt"]);
    assert_eq!(fixture.state(), before);
    assert_eq!(fixture.status(second.session).await, Status::Ready);
    // Settled in the workspace, it merges.
    write(&second.path, "a.txt", "FIRST AND SECOND\ntwo\nthree\n");
    git(&second.path, &["commit", "-qam", "settle"]);
    git(&second.path, &["merge", "-q", "-s", "ours", "main", "-m", "with the first"]);
    fixture.merge(second.session).await.unwrap();
    assert_eq!(fixture.read("a.txt").as_deref(), Some("FIRST AND SECOND\ntwo\nthree\n"));
}

#[tokio::test]
async fn changes_of_different_lines_merge_by_themselves() {
    let fixture = Fixture::repository();
    fixture.write("long.txt", &(0..40).map(|n| format!("{n}\n")).collect::<String>());
    fixture.commit("long");
    let (first, second) = (fixture.prepare(None).await, fixture.prepare(None).await);
    let text = fixture.read("long.txt").unwrap();
    write(&first.path, "long.txt", &text.replace("\n3\n", "\nthree\n"));
    write(&second.path, "long.txt", &text.replace("\n33\n", "\nthirty-three\n"));
    fixture.merge(first.session).await.unwrap();
    fixture.merge(second.session).await.unwrap();
    let merged = fixture.read("long.txt").unwrap();
    assert!(merged.contains("\nthree\n") && merged.contains("\nthirty-three\n"));
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
}

#[tokio::test]
async fn what_is_uncommitted_in_the_source_is_never_overwritten() {
    let fixture = Fixture::repository();
    fixture.write("b.txt", "not committed\n");
    let made = fixture.prepare(None).await;
    assert_eq!(made.notes, ["1 uncommitted files of the source are not in the worktree"]);
    write(&made.path, "b.txt", "by the session\n");
    write(&made.path, "c.txt", "by the session\n");
    fixture.write("c.txt", "untracked\n");
    let before = fixture.state();
    let refused = fixture.merge(made.session).await;
    assert!(matches!(&refused, Err(Error::Uncommitted { paths }) if *paths == ["b.txt", "c.txt"]), "{refused:?}");
    assert_eq!(fixture.state(), before);
    assert_eq!(fixture.read("c.txt").as_deref(), Some("untracked\n"));
    fixture.git(&["checkout", "-q", "b.txt"]);
    std::fs::remove_file(fixture.source().join("c.txt")).unwrap();
    fixture.merge(made.session).await.unwrap();
    assert_eq!(fixture.read("b.txt").as_deref(), Some("by the session\n"));
}

#[tokio::test]
async fn an_ignored_file_of_the_source_is_not_overwritten_either() {
    let fixture = Fixture::repository();
    fixture.write(".gitignore", "secret.env\n");
    fixture.commit("ignore");
    let made = fixture.prepare(None).await;
    write(&made.path, ".gitignore", "");
    write(&made.path, "secret.env", "by the session\n");
    fixture.write("secret.env", "precious\n");
    let refused = fixture.merge(made.session).await;
    assert!(matches!(&refused, Err(Error::Uncommitted { paths }) if *paths == ["secret.env"]), "{refused:?}");
    assert_eq!(fixture.read("secret.env").as_deref(), Some("precious\n"));
}

#[tokio::test]
async fn without_a_branch_in_the_source_nothing_is_merged() {
    let fixture = Fixture::repository();
    fixture.git(&["checkout", "-q", "--detach"]);
    let made = fixture.prepare(None).await;
    write(&made.path, "new.txt", "new\n");
    let before = fixture.state();
    assert!(matches!(fixture.merge(made.session).await, Err(Error::Unfit { .. })));
    assert_eq!(fixture.state(), before);
    fixture.git(&["checkout", "-q", "main"]);
    fixture.merge(made.session).await.unwrap();
}

#[tokio::test]
async fn a_branch_that_the_agent_renamed_or_left_merges_and_is_kept() {
    let fixture = Fixture::repository();
    let renamed = fixture.prepare(None).await;
    git(&renamed.path, &["branch", "-m", "mine"]);
    write(&renamed.path, "renamed.txt", "x\n");
    let merged = fixture.merge(renamed.session).await.unwrap();
    assert!(merged.workspace.notes.contains(&"branch mine was kept".to_owned()), "{:?}", merged.workspace.notes);
    let detached = fixture.prepare(None).await;
    git(&detached.path, &["checkout", "-q", "--detach"]);
    write(&detached.path, "detached.txt", "x\n");
    fixture.merge(detached.session).await.unwrap();
    assert!(fixture.read("renamed.txt").is_some() && fixture.read("detached.txt").is_some());
    assert_eq!(fixture.git(&["branch", "--format=%(refname:short)"]), "main\nmine");
}

#[tokio::test]
async fn submodules_are_neither_checked_out_nor_committed() {
    let fixture = Fixture::repository();
    let other = fixture.directory.path().join("other");
    std::fs::create_dir(&other).unwrap();
    git(&other, &["init", "-q", "-b", "main"]);
    write(&other, "o.txt", "o\n");
    git(&other, &["add", "-A"]);
    git(&other, &["commit", "-qm", "o"]);
    fixture.git(&["submodule", "--quiet", "add", other.to_str().unwrap(), "sub"]);
    fixture.commit("with a submodule");
    let made = fixture.prepare(None).await;
    assert!(!made.path.join("sub/o.txt").exists());
    let nested = made.path.join("nested");
    std::fs::create_dir(&nested).unwrap();
    git(&nested, &["init", "-q"]);
    write(&nested, "n.txt", "n\n");
    git(&nested, &["add", "-A"]);
    git(&nested, &["commit", "-qm", "n"]);
    write(&made.path, "new.txt", "new\n");
    fixture.merge(made.session).await.unwrap();
    let files = fixture.git(&["ls-tree", "--name-only", "HEAD"]);
    assert!(files.contains("new.txt") && files.contains("sub") && !files.contains("nested"), "{files}");
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
}

#[tokio::test]
async fn discarding_leaves_nothing_behind() {
    let fixture = Fixture::repository();
    let made = fixture.prepare(None).await;
    write(&made.path, "new.txt", "new\n");
    git(&made.path, &["add", "-A"]);
    git(&made.path, &["commit", "-qm", "lost"]);
    let discarded = fixture.discard(made.session).await.unwrap();
    assert_eq!(discarded.status, Status::Discarded);
    assert!(!made.path.exists() && fixture.read("new.txt").is_none());
    assert_eq!(fixture.git(&["branch", "--list", "orchestrator/*"]), "");
    assert_eq!(fixture.git(&["worktree", "list"]).lines().count(), 1);
    let again = fixture.discard(made.session).await;
    assert!(matches!(again, Err(Error::Closed { status: Status::Discarded, .. })));
}

#[tokio::test]
async fn while_its_session_works_a_workspace_is_neither_merged_nor_discarded() {
    let fixture = Fixture::repository();
    let made = fixture.prepare(None).await;
    write(&made.path, "new.txt", "new\n");
    fixture.at_work(true);
    assert!(matches!(fixture.merge(made.session).await, Err(Error::InUse(_))));
    assert!(matches!(fixture.discard(made.session).await, Err(Error::InUse(_))));
    assert_eq!(fixture.workspaces.diff(LOCAL, made.session).await.unwrap().files.len(), 1);
    fixture.at_work(false);
    fixture.merge(made.session).await.unwrap();
}

#[tokio::test]
async fn at_the_end_what_is_unchanged_goes_and_what_is_changed_stays() {
    let fixture = Fixture::repository();
    let (unchanged, changed, committed) =
        (fixture.prepare(None).await, fixture.prepare(None).await, fixture.prepare(None).await);
    write(&changed.path, "new.txt", "new\n");
    write(&committed.path, "new.txt", "new\n");
    git(&committed.path, &["add", "-A"]);
    git(&committed.path, &["commit", "-qm", "done"]);
    for made in [&unchanged, &changed, &committed] {
        fixture.workspaces.ended(LOCAL, made.session).await.unwrap();
    }
    assert_eq!(fixture.status(unchanged.session).await, Status::Discarded);
    assert!(!unchanged.path.exists());
    for made in [&changed, &committed] {
        let kept = fixture.workspaces.get(LOCAL, made.session).await.unwrap();
        assert_eq!((kept.status, kept.changed), (Status::Ready, Some(true)));
        assert!(kept.ended_at.is_some() && made.path.exists());
    }
    let keeping = Config { keep_days: 1, ..Config::default() };
    let kept = Fixture::repository();
    kept.workspaces
        .reconfigure(Config { sources: [("main".parse().unwrap(), kept.source())].into(), ..keeping })
        .unwrap();
    let made = kept.prepare(None).await;
    kept.workspaces.ended(LOCAL, made.session).await.unwrap();
    assert_eq!(kept.status(made.session).await, Status::Ready);
}

/// What `kill -9` leaves of `git worktree add`, at several moments.
#[tokio::test]
async fn what_was_left_half_made_is_made_whole() {
    let fixture = Fixture::repository();
    for leave in ["locked", "directory", "record", "branch"] {
        let made = fixture.prepare(None).await;
        let admin = fixture.source().join(".git/worktrees").join(made.session.to_string());
        match leave {
            "locked" => {
                std::fs::write(admin.join("locked"), "initializing").unwrap();
                std::fs::remove_file(admin.join("index")).unwrap();
                std::fs::remove_file(made.path.join("a.txt")).unwrap();
            }
            "directory" => {
                std::fs::remove_dir_all(&admin).unwrap();
                std::fs::remove_file(made.path.join(".git")).unwrap();
            }
            "record" => std::fs::remove_dir_all(&made.path).unwrap(),
            _ => {
                std::fs::remove_dir_all(&admin).unwrap();
                std::fs::remove_dir_all(&made.path).unwrap();
            }
        }
        let preparing = orchestrator_workspaces::Workspace { status: Status::Preparing, ..made.clone() };
        fixture.store.update(preparing, Status::Ready, vec![]).await.unwrap();
        let again = fixture.again_for(&fixture.again("n1"), made.session).await.unwrap();
        assert_eq!((again.status, &again.path), (Status::Ready, &made.path), "{leave}");
        assert_eq!(std::fs::read_to_string(made.path.join("a.txt")).unwrap(), "one\ntwo\nthree\n", "{leave}");
        assert_eq!(git(&made.path, &["status", "--porcelain"]), "", "{leave}");
        write(&made.path, &format!("{leave}.txt"), "new\n");
        fixture.merge(made.session).await.unwrap();
    }
    assert_eq!(fixture.git(&["worktree", "list"]).lines().count(), 1);
}

#[tokio::test]
async fn a_lost_directory_is_checked_out_again_with_its_commits() {
    let fixture = Fixture::repository();
    let made = fixture.prepare(None).await;
    write(&made.path, "new.txt", "committed\n");
    git(&made.path, &["add", "-A"]);
    git(&made.path, &["commit", "-qm", "kept"]);
    std::fs::remove_dir_all(&made.path).unwrap();
    assert!(matches!(fixture.workspaces.diff(LOCAL, made.session).await, Err(Error::Gone(_))));
    fixture.again_for(&fixture.workspaces, made.session).await.unwrap();
    assert_eq!(std::fs::read_to_string(made.path.join("new.txt")).unwrap(), "committed\n");
}

#[tokio::test]
async fn what_is_no_place_for_a_worktree_is_told_or_copied() {
    let fixture = Fixture::new(Config::default());
    let refused = fixture.try_prepare(Some(Mode::Worktree)).await.unwrap_err();
    assert_eq!(refused.to_string(), "source `main` is no git repository: a worktree needs one");
    fixture.git(&["init", "-q"]);
    let refused = fixture.try_prepare(Some(Mode::Worktree)).await.unwrap_err();
    assert_eq!(refused.to_string(), "source `main` has no commit yet");
    assert_eq!(fixture.prepare(None).await.mode, Mode::Copy);
    let shared = fixture.prepare(Some(Mode::Shared)).await;
    assert_eq!(shared.path, fixture.source());
    assert!(matches!(fixture.merge(shared.session).await, Err(Error::Unfit { .. })));
    fixture.discard(shared.session).await.unwrap();
    assert!(fixture.source().is_dir());
}

#[tokio::test]
async fn a_repository_that_points_elsewhere_is_not_followed() {
    let fixture = Fixture::repository();
    let elsewhere = fixture.directory.path().canonicalize().unwrap().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    fixture.git(&["config", "core.worktree", elsewhere.to_str().unwrap()]);
    let refused = fixture.try_prepare(Some(Mode::Worktree)).await.unwrap_err();
    assert_eq!(refused.to_string(), "source `main` is not the top of a git working tree");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

/// Whatever a repository would have git run leaves a trace; none is found.
#[tokio::test]
async fn a_repository_runs_no_programs() {
    let fixture = Fixture::repository();
    let traces = fixture.directory.path().canonicalize().unwrap().join("traces");
    std::fs::create_dir(&traces).unwrap();
    let leave = |name: &str| format!("touch {}/{name}; cat", traces.display());
    let hooks = fixture.source().join(".git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    for hook in [
        "post-checkout",
        "pre-commit",
        "commit-msg",
        "post-commit",
        "post-merge",
        "pre-merge-commit",
        "reference-transaction",
    ] {
        write(&hooks, hook, &format!("#!/bin/sh\ntouch {}/{hook}\n", traces.display()));
        std::process::Command::new("chmod").arg("+x").arg(hooks.join(hook)).status().unwrap();
    }
    fixture.write(".gitattributes", "*.txt filter=evil diff=evil merge=evil\n");
    fixture.commit("attributes");
    // A person's own commit does run them.
    assert!(traces.join("pre-commit").is_file());
    for (key, value) in [
        ("filter.evil.clean", leave("clean")),
        ("filter.evil.smudge", leave("smudge")),
        ("filter.evil.required", "true".to_owned()),
        ("diff.evil.command", leave("diff")),
        ("diff.evil.textconv", leave("textconv")),
        ("merge.evil.driver", leave("merge")),
        ("diff.external", leave("external")),
        ("core.fsmonitor", leave("fsmonitor")),
        ("core.pager", leave("pager")),
        ("core.editor", leave("editor")),
        ("commit.gpgsign", "true".to_owned()),
        ("gpg.program", leave("gpg")),
    ] {
        fixture.git(&["config", key, &value]);
    }
    std::fs::remove_dir_all(&traces).unwrap();
    std::fs::create_dir(&traces).unwrap();
    let (first, second) = (fixture.prepare(None).await, fixture.prepare(None).await);
    write(&first.path, "a.txt", "1\ntwo\nthree\n");
    write(&second.path, "a.txt", "one\ntwo\n3\n");
    fixture.workspaces.diff(LOCAL, first.session).await.unwrap();
    fixture.merge(first.session).await.unwrap();
    conflicts(fixture.merge(second.session).await, &["a.txt"]);
    fixture.discard(second.session).await.unwrap();
    let found: Vec<_> = std::fs::read_dir(&traces).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn elsewhere_and_for_others_a_workspace_is_out_of_reach() {
    let fixture = Fixture::repository();
    let made = fixture.prepare(None).await;
    let other = fixture.again("n2");
    assert!(matches!(other.diff(LOCAL, made.session).await, Err(Error::Elsewhere { node, .. }) if node == "n1"));
    assert!(matches!(fixture.again_for(&other, made.session).await, Err(Error::Elsewhere { .. })));
    let foreign = fixture.workspaces.diff(OrgId::new(), made.session).await;
    let unknown = fixture.workspaces.diff(LOCAL, SessionId::new()).await;
    assert!(matches!((foreign, unknown), (Err(Error::NotFound(_)), Err(Error::NotFound(_)))));
}
