//! Nothing leads out of a workspace, and nothing in it makes a tool hang.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use orchestrator_tools::{Error, file_tools};
use serde_json::{Value, json};

use self::support::{Bench, text};

fn bench() -> Bench {
    Bench::new(file_tools())
}

/// Each tool, on this path.
fn calls(path: &str) -> [(&'static str, Value); 6] {
    [
        ("fs.read", json!({ "path": path })),
        ("fs.write", json!({ "path": path, "content": "taken" })),
        ("fs.edit", json!({ "path": path, "old": "secret", "new": "taken" })),
        ("fs.remove", json!({ "path": path })),
        ("fs.search", json!({ "path": path, "pattern": "secret" })),
        ("fs.list", json!({ "path": path })),
    ]
}

#[tokio::test]
async fn what_is_gits_own_is_left_alone() {
    let bench = bench();
    bench.file(".git/config", "secret");
    for path in [".git/config", "a/../.git/config", ".GIT/config", ".git"] {
        for (tool, arguments) in calls(path) {
            let refused = bench.call(tool, arguments).await;
            assert!(matches!(refused, Err(Error::Refused(_))), "{tool} {path}: {refused:?}");
        }
    }
    assert_eq!(bench.content(".git/config"), "secret");
}

#[tokio::test]
async fn no_path_leads_out() {
    let bench = bench();
    bench.file("a/x", "").link("../outside", "up").link(bench.outside(), "absolute");
    let secret = bench.outside().join("secret");
    for path in
        ["../outside/secret", "a/../../outside/secret", "up/secret", "absolute/secret", "a/../up/secret", "/etc/passwd"]
    {
        for (tool, arguments) in calls(path) {
            bench.check_refused(bench.call(tool, arguments).await);
        }
    }
    for (tool, arguments) in calls(secret.to_str().unwrap()) {
        bench.check_refused(bench.call(tool, arguments).await);
    }
    let dressed_up = format!("{}/../outside/secret", bench.workspace().display());
    bench.check_refused(bench.call("fs.read", json!({ "path": dressed_up })).await);
    bench.check_refused(bench.call("fs.write", json!({ "path": "../outside/new/file", "content": "" })).await);
    bench.check_refused(bench.call("fs.write", json!({ "path": "up/new/file", "content": "" })).await);
    bench.check_refused(bench.call("fs.list", json!({ "path": ".." })).await);
}

#[tokio::test]
async fn a_linked_file_outside_is_neither_read_nor_written_and_only_the_link_is_removed() {
    let bench = bench();
    bench.link("../outside/secret", "relative").link(bench.outside().join("secret"), "absolute");
    for path in ["relative", "absolute"] {
        for (tool, arguments) in calls(path).into_iter().filter(|(tool, _)| *tool != "fs.remove") {
            bench.check_refused(bench.call(tool, arguments).await);
        }
        bench.said("fs.remove", json!({ "path": path })).await;
    }
    assert!(bench.outside().join("secret").exists());
}

#[tokio::test]
async fn a_link_to_nothing_outside_makes_nothing_there() {
    let bench = bench();
    bench.link("../outside/new", "dangling");
    let result = bench.call("fs.write", json!({ "path": "dangling", "content": "taken" })).await;
    bench.check_refused(result);
}

#[tokio::test]
async fn a_walk_does_not_follow_links() {
    let bench = bench();
    bench.file("a/x", "the secret is elsewhere").link("../outside", "up").link(".", "a/loop");
    assert_eq!(bench.said("fs.search", json!({ "pattern": "secret" })).await, "a/x:1:the secret is elsewhere\n");
    let listed = bench.said("fs.list", json!({ "depth": 9 })).await;
    assert_eq!(listed, "a/\na/loop -> .\na/x (23 bytes)\nup -> ../outside\n");
}

#[tokio::test]
async fn a_link_within_is_followed_and_stays_when_it_is_written_to() {
    let bench = bench();
    bench.file("real/a", "secret").link("real", "dir").link("real/a", "file").link("../real/a", "real/b");
    for path in ["dir/a", "file", "real/b"] {
        assert_eq!(bench.said("fs.read", json!({ "path": path })).await, "1\tsecret\n");
    }
    bench.said("fs.edit", json!({ "path": "file", "old": "secret", "new": "open" })).await;
    bench.said("fs.write", json!({ "path": "dir/c", "content": "c" })).await;
    assert_eq!((bench.content("real/a"), bench.content("real/c")), ("open".to_owned(), "c".to_owned()));
    assert!(bench.workspace().join("file").is_symlink());
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_and_never_waited_for() {
    let bench = bench();
    rustix::fs::mknodat(rustix::fs::CWD, bench.workspace().join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bench.workspace().join("socket")).unwrap();
    bench.link("/dev/zero", "zero").link("fifo", "to-fifo");
    for path in ["fifo", "socket", "zero", "to-fifo"] {
        for (tool, arguments) in calls(path).into_iter().take(3) {
            bench.check_refused(bench.call(tool, arguments).await);
        }
    }
    assert_eq!(bench.said("fs.search", json!({ "pattern": "." })).await, "[no match]\n");
    let listed = bench.said("fs.list", json!({})).await;
    assert!(listed.contains("fifo (no regular file)\nsocket (no regular file)\n"), "{listed}");
}

#[test]
fn a_link_that_is_swapped_in_while_files_are_read_and_written_shows_nothing_of_what_is_outside() {
    let bench = bench();
    bench.file("d/secret", "inside\n");
    let done = AtomicBool::new(false);
    let work = bench.workspace();
    std::os::unix::fs::symlink("../outside", work.join("bad")).unwrap();
    std::thread::scope(|scope| {
        // `d` is, in turn, the directory within and a link that leads out.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::fs::rename(work.join("d"), work.join("good")).unwrap();
                std::fs::rename(work.join("bad"), work.join("d")).unwrap();
                std::fs::rename(work.join("d"), work.join("bad")).unwrap();
                std::fs::rename(work.join("good"), work.join("d")).unwrap();
            }
        });
        let end = Done(&done);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut refused = 0;
        for _ in 0..1_500 {
            match runtime.block_on(bench.call("fs.read", json!({ "path": "d/secret" }))) {
                Ok(output) => assert!(!text(&output).contains("the secret"), "{output:?}"),
                Err(_) => refused += 1,
            }
            let _ = runtime
                .block_on(bench.call("fs.edit", json!({ "path": "d/secret", "old": "the secret", "new": "taken" })));
            let _ = runtime.block_on(bench.call("fs.search", json!({ "path": "d", "pattern": "x" })));
        }
        drop(end);
        assert!(refused > 0, "the link was never met");
    });
    assert_eq!(std::fs::read_to_string(bench.outside().join("secret")).unwrap(), "the secret\n");
    assert_eq!(std::fs::read_dir(bench.outside()).unwrap().count(), 1);
}

#[tokio::test]
async fn without_a_workspace_every_tool_refuses() {
    let bench = bench();
    for (tool, arguments) in calls("a") {
        let mut context = bench.context();
        context.workspace = None;
        let error = bench.call_in(context, tool, arguments).await.unwrap_err();
        assert!(matches!(&error, Error::Refused(why) if why == "this call has no workspace"), "{error:?}");
    }
}

/// Lets a thread end, also when a test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
