//! The tools for files, as an agent calls them.

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use orchestrator_tools::{Error, file_tools};
use serde_json::json;

use self::support::{Bench, text};

fn bench() -> Bench {
    Bench::new(file_tools())
}

#[tokio::test]
async fn reading_numbers_lines_and_says_where_to_go_on() {
    let bench = bench();
    bench.file("a.txt", "one\r\ntwo\nthree");
    assert_eq!(bench.said("fs.read", json!({ "path": "./a.txt" })).await, "1\tone\n2\ttwo\n3\tthree\n");
    let part = bench.said("fs.read", json!({ "path": "a.txt", "offset": 2, "limit": 1 })).await;
    assert_eq!(part, "2\ttwo\n[there is more: go on with offset 3]");
    let last = bench.said("fs.read", json!({ "path": "a.txt", "offset": 3, "limit": 1 })).await;
    assert_eq!(last, "3\tthree\n");
    let none = bench.said("fs.read", json!({ "path": "a.txt", "offset": 9 })).await;
    assert_eq!(none, "[a.txt has 3 lines, none from line 9 on]");
    bench.file("empty", "");
    assert_eq!(bench.said("fs.read", json!({ "path": "empty" })).await, "[empty is empty]");
}

#[tokio::test]
async fn a_path_may_be_absolute_if_it_is_the_workspaces_own() {
    let bench = bench();
    bench.file("a.txt", "one");
    let path = bench.workspace().join("a.txt");
    assert_eq!(bench.said("fs.read", json!({ "path": path })).await, "1\tone\n");
}

#[tokio::test]
async fn a_large_file_is_read_in_parts_that_are_whole() {
    let bench = bench();
    let lines: Vec<String> = (1..=300_000).map(|number| format!("line {number}")).collect();
    bench.file("large", lines.join("\n"));
    let (mut offset, mut read) = (299_000, 0);
    loop {
        let said = bench.said("fs.read", json!({ "path": "large", "offset": offset, "limit": 600 })).await;
        read += said.lines().filter(|line| line.contains("\tline ")).count();
        let Some((_, next)) = said.rsplit_once("go on with offset ") else { break };
        offset = next.trim_end_matches(']').parse().unwrap();
    }
    assert_eq!(read, 1_001);
    let start = bench.said("fs.read", json!({ "path": "large" })).await;
    assert!(start.len() < 48 * 1024 && start.ends_with("[there is more: go on with offset 2001]"), "{}", start.len());
}

#[tokio::test]
async fn a_long_line_is_cut_and_the_next_is_whole() {
    let bench = bench();
    bench.file("long", format!("{}\nnext\n", "x".repeat(5_000_000)));
    let said = bench.said("fs.read", json!({ "path": "long" })).await;
    assert!(said.contains(" [4998000 bytes more of this line were left out]\n2\tnext\n"), "{}", &said[2_000..]);
}

#[tokio::test]
async fn what_is_binary_is_told_by_its_size_and_what_is_not_utf8_is_shown() {
    let bench = bench();
    bench.file("image", b"\x89PNG\0\0\0").file("latin", b"gr\xfcn\n");
    assert_eq!(bench.said("fs.read", json!({ "path": "image" })).await, "image is a binary file of 7 bytes");
    assert_eq!(bench.said("fs.read", json!({ "path": "latin" })).await, "1\tgr\u{fffd}n\n");
    let error = bench.call("fs.edit", json!({ "path": "latin", "old": "gr", "new": "g" })).await.unwrap_err();
    assert_eq!(error.to_string(), "latin is no text in UTF-8");
}

#[tokio::test]
async fn a_file_that_was_meant_is_named() {
    let bench = bench();
    bench.file("src/a/mod.rs", "").file("src/config.rs", "").file("README.md", "");
    for (path, expected) in [
        ("src/a.rs", "no file src/a.rs; did you mean src/a/mod.rs?"),
        ("src/Config.rs", "no file src/Config.rs; did you mean src/config.rs?"),
        ("readme.md", "no file readme.md; did you mean README.md?"),
        ("src/config.ts", "no file src/config.ts; did you mean src/config.rs?"),
        ("nowhere/x", "no file nowhere/x"),
    ] {
        let error = bench.call("fs.read", json!({ "path": path })).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let error = bench.call("fs.read", json!({ "path": "src" })).await.unwrap_err();
    assert_eq!(error.to_string(), "src is a directory; fs.list lists it");
}

#[tokio::test]
async fn writing_makes_directories_and_keeps_permissions() {
    let bench = bench();
    let said = bench.said("fs.write", json!({ "path": "a/b/run.sh", "content": "one" })).await;
    assert_eq!(said, "created a/b/run.sh: 3 bytes");
    let path = bench.workspace().join("a/b/run.sh");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o750)).unwrap();
    let said = bench.said("fs.write", json!({ "path": "a/b/run.sh", "content": "grün" })).await;
    assert_eq!(said, "replaced a/b/run.sh: 5 bytes");
    assert_eq!(bench.content("a/b/run.sh"), "grün");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    for (path, expected) in [("a/b", "a/b is a directory; fs.list lists it"), (".", ". is a directory")] {
        let error = bench.call("fs.write", json!({ "path": path, "content": "" })).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_reader_sees_all_of_one_write_and_none_of_another() {
    let bench = bench();
    let versions = ["a".repeat(300_000), "b".repeat(300_000)];
    bench.file("shared", &versions[0]);
    let path = bench.workspace().join("shared");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let seen = std::fs::read_to_string(&path).unwrap();
                assert!(versions.contains(&seen), "{} bytes", seen.len());
            }
        });
        let end = Done(&done);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for round in 0..60 {
            let call = bench.call("fs.write", json!({ "path": "shared", "content": versions[round % 2] }));
            runtime.block_on(call).unwrap();
        }
        drop(end);
        reader.join().unwrap();
    });
}

#[tokio::test]
async fn a_write_that_nobody_wants_any_more_changes_nothing() {
    let bench = bench();
    bench.file("a", "old");
    let context = bench.context();
    context.cancel.cancel();
    let error = bench.call_in(context, "fs.write", json!({ "path": "a", "content": "new" })).await.unwrap_err();
    assert!(matches!(error, Error::Cancelled(_)), "{error:?}");
    assert_eq!(bench.content("a"), "old");
    assert_eq!(std::fs::read_dir(bench.workspace()).unwrap().count(), 1);
}

#[tokio::test]
async fn an_edit_is_unique_or_of_all_and_keeps_line_ends() {
    let bench = bench();
    bench.file("a.rs", "fn a() {}\nfn b() {}\n").file("dos.txt", "one\r\ntwo\r\n");
    let said = bench.said("fs.edit", json!({ "path": "a.rs", "old": "fn a()", "new": "fn c()" })).await;
    assert_eq!(
        (said.as_str(), bench.content("a.rs").as_str()),
        ("edited a.rs: replaced 1 time", "fn c() {}\nfn b() {}\n")
    );
    let twice = bench.call("fs.edit", json!({ "path": "a.rs", "old": "{}", "new": "{ }" })).await.unwrap_err();
    let expected = "a.rs: old is in it 2 times; take more of what is around it, or set replaceAll";
    assert_eq!(twice.to_string(), expected);
    bench.said("fs.edit", json!({ "path": "a.rs", "old": "{}", "new": "{ }", "replaceAll": true })).await;
    assert_eq!(bench.content("a.rs"), "fn c() { }\nfn b() { }\n");
    bench.said("fs.edit", json!({ "path": "dos.txt", "old": "one\ntwo", "new": "1\n2" })).await;
    assert_eq!(bench.content("dos.txt"), "1\r\n2\r\n");
    bench.call("fs.edit", json!({ "path": "new/x", "old": "a", "new": "b" })).await.unwrap_err();
    assert!(!bench.workspace().join("new").exists());
}

#[tokio::test]
async fn a_listing_is_sorted_bounded_and_without_what_git_keeps() {
    let bench = bench();
    bench
        .file("src/b.rs", "12")
        .file("src/a/x.rs", "")
        .file(".git/config", "")
        .file("z", "123")
        .link("src/b.rs", "link");
    let flat = bench.call("fs.list", json!({})).await.unwrap();
    assert_eq!(text(&flat), "link -> src/b.rs\nsrc/\nz (3 bytes)\n");
    assert_eq!(flat.structured.unwrap()["entries"][2], json!({ "path": "z", "kind": "file", "bytes": 3 }));
    let deep = bench.said("fs.list", json!({ "path": "src", "depth": 5 })).await;
    assert_eq!(deep, "src/a/\nsrc/a/x.rs (0 bytes)\nsrc/b.rs (2 bytes)\n");
    let cut = bench.call("fs.list", json!({ "depth": 5, "limit": 2 })).await.unwrap();
    assert_eq!(cut.structured.unwrap()["truncated"], true);
}

#[tokio::test]
async fn a_search_respects_gitignore_globs_and_bounds() {
    let bench = bench();
    bench.file(".gitignore", "target/\n*.log\n").file("target/a.rs", "needle").file("x.log", "needle");
    bench
        .file("src/.gitignore", "!kept.log\ngenerated.rs\n")
        .file("src/kept.log", "needle")
        .file("src/generated.rs", "needle");
    bench.file("src/a.rs", "one\r\nNeedle here\r\n").file("src/b.txt", "needle needle\n").file("bin", b"needle\0");
    let all = bench.said("fs.search", json!({ "pattern": "needle" })).await;
    assert_eq!(all, "src/b.txt:1:needle needle\nsrc/kept.log:1:needle\n");
    let rust = bench.said("fs.search", json!({ "pattern": "^needle", "ignoreCase": true, "glob": "*.rs" })).await;
    assert_eq!(rust, "src/a.rs:2:Needle here\n");
    let below = bench.said("fs.search", json!({ "pattern": "needle", "path": "src", "glob": "src/*.txt" })).await;
    assert_eq!(below, "src/b.txt:1:needle needle\n");
    let inner = bench.said("fs.search", json!({ "pattern": "here$", "path": "src/a.rs" })).await;
    assert_eq!(inner, "src/a.rs:2:Needle here\n");
    let cut = bench.call("fs.search", json!({ "pattern": ".", "limit": 1 })).await.unwrap();
    assert_eq!(cut.structured.unwrap()["truncated"], true);
    assert_eq!(bench.said("fs.search", json!({ "pattern": "absent" })).await, "[no match]\n");
    let wrong = bench.call("fs.search", json!({ "pattern": "(" })).await.unwrap_err();
    assert!(wrong.to_string().contains("/pattern: regex parse error"), "{wrong}");
}

#[tokio::test]
async fn a_pattern_that_explodes_elsewhere_takes_linear_time() {
    let bench = bench();
    bench.file("a", "a".repeat(200_000));
    assert_eq!(bench.said("fs.search", json!({ "pattern": "(a+)+$b" })).await, "[no match]\n");
    let huge = bench.call("fs.search", json!({ "pattern": "((a{100}){100}){100}" })).await.unwrap_err();
    assert!(matches!(huge, Error::Invalid { .. }), "{huge:?}");
}

#[tokio::test]
async fn removing_takes_a_file_or_a_link_and_no_directory() {
    let bench = bench();
    bench.file("a/b", "").link("a/b", "link");
    assert_eq!(bench.said("fs.remove", json!({ "path": "link" })).await, "removed link");
    assert_eq!(bench.said("fs.remove", json!({ "path": "a/b" })).await, "removed a/b");
    bench.check_refused(bench.call("fs.remove", json!({ "path": "a" })).await);
    bench.call("fs.remove", json!({ "path": "a/b" })).await.unwrap_err();
}

/// Lets a thread end, also when a test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
