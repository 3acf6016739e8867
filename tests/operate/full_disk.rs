use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use orchestrator_rpc::Code;
use orchestrator_testkit::{Daemon, Socket, patiently};
use serde_json::{Value, json};

use crate::doctor::severity;

/// Everything that others left of a disk, taken; given back when it is dropped.
struct Filler {
    path: PathBuf,
    file: File,
}

impl Filler {
    fn of(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join("filler");
        let mut filler = Self { file: File::create(&path)?, path };
        filler.fill()?;
        Ok(filler)
    }

    /// Also what has been given back since.
    fn fill(&mut self) -> anyhow::Result<()> {
        let full = loop {
            if let Err(error) = self.file.write_all(&[0; 4_096]) {
                break error;
            }
        };
        anyhow::ensure!(full.kind() == std::io::ErrorKind::StorageFull, "the disk is full at some time: {full}");
        Ok(())
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn ready(daemon: &Daemon) -> u16 {
    daemon.http().get("/readyz").await.status
}

/// Ready by itself: nothing is asked of the daemon but that.
async fn until_ready(daemon: &Daemon) {
    patiently("the daemon to be ready again", async { while ready(daemon).await != 200 {} }).await;
}

async fn titles(socket: &mut Socket) -> Vec<Value> {
    let (mut found, mut page) = (Vec::new(), json!({ "limit": 1000 }));
    loop {
        let listed = socket.call("task.list", page.clone()).await.expect("reading needs no room");
        found.extend(listed["items"].as_array().into_iter().flatten().map(|task| task["title"].clone()));
        match listed.get("nextCursor") {
            Some(cursor) => page["cursor"] = cursor.clone(),
            None => return found,
        }
    }
}

#[tokio::test]
async fn with_no_room_for_the_audit_log_nothing_is_done_that_must_be_in_it_until_there_is_room() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().on_disk_of("audit", 1 << 20);
    let daemon = daemon.config(json!({"tools": {"allow": ["task.create"]}})).start().await?;
    let mut admin = daemon.admin().await;
    let issue = json!({"kind": "apiKey", "subject": "x", "scopes": ["daemon.read"]});
    let create = |title: &str| json!({"tool": "task.create", "arguments": {"title": title}});
    admin.call("auth.token.issue", issue.clone()).await?;
    admin.call("tool.call", create("before")).await?;
    assert_eq!(ready(&daemon).await, 200);

    let filler = Filler::of(&daemon.data_directory().join("audit"))?;
    // What is left of the last page may take a few more.
    let (mut written, mut refusals) = (2, Vec::new());
    while refusals.len() < 3 {
        match admin.call("auth.token.issue", issue.clone()).await {
            Ok(_) => written += 1,
            Err(refused) => refusals.push(refused),
        }
    }
    for refused in &refusals {
        let (told, is_later) = (refused.to_string(), refused.retry_after.is_some());
        assert!(refused.code == Code::Unavailable && is_later, "{refused:?}");
        assert!(told.contains("the audit log cannot be written") && told.contains("No space left"), "{told}");
    }
    let refused = admin.call("tool.call", create("during")).await.expect_err("nothing is done unseen");
    assert!(refused.to_string().contains("the audit log cannot be written"), "{refused}");
    assert_eq!(titles(&mut admin).await, ["before"]);
    let unready = daemon.http().get("/readyz").await;
    assert!(unready.status == 503 && unready.body.contains("audit log"), "{unready:?}");
    assert_eq!(daemon.http().get("/livez").await.status, 200);
    admin.call("task.create", json!({"title": "work goes on"})).await?;
    let verified = admin.call("audit.verify", json!({})).await?;
    assert_eq!((&verified["intact"], &verified["records"]), (&json!(true), &json!(written)), "{verified}");

    drop(filler);
    until_ready(&daemon).await;
    admin.call("auth.token.issue", issue).await?;
    admin.call("tool.call", create("after")).await?;
    let verified = admin.call("audit.verify", json!({})).await?;
    assert_eq!((&verified["intact"], &verified["records"]), (&json!(true), &json!(written + 2)), "{verified}");
    assert_eq!(ready(&daemon).await, 200);
    Ok(())
}

#[tokio::test]
async fn with_no_room_for_the_database_calls_are_refused_and_nothing_acknowledged_is_lost() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().on_disk_of("", 64 << 20).start().await?;
    let (mut admin, mut kept) = (daemon.admin().await, Vec::new());
    // Long enough that what is left of a page does not take many.
    let create = |number: usize| json!({"title": format!("task {number}"), "description": "x".repeat(4_000)});
    for number in 0..20 {
        admin.call("task.create", create(number)).await?;
        kept.push(json!(format!("task {number}")));
    }
    let mut filler = Filler::of(daemon.data_directory())?;
    let mut refusals = Vec::new();
    for number in 20..1_000 {
        filler.fill()?;
        match admin.call("task.create", create(number)).await {
            Ok(_) => kept.push(json!(format!("task {number}"))),
            Err(refused) => refusals.push(refused),
        }
        if refusals.len() == 2 {
            break;
        }
    }
    // SQLite may have room in its log for a while: what it takes then is kept as well.
    assert!(!refusals.is_empty(), "the disk is full");
    for number in 1_001..1_010 {
        filler.fill()?;
        if admin.call("task.create", create(number)).await.is_ok() {
            kept.push(json!(format!("task {number}")));
        }
    }
    for refused in &refusals {
        assert!(refused.code == Code::Unavailable && refused.retry_after.is_some(), "{refused:?}");
        assert!(refused.to_string().contains("disk of the database is full"), "{refused}");
    }
    assert_eq!(daemon.http().get("/livez").await.status, 200);
    let sorted = |mut titles: Vec<Value>| {
        titles.sort_by_key(ToString::to_string);
        titles
    };
    assert_eq!(sorted(titles(&mut admin).await), sorted(kept.clone()));

    drop(filler);
    until_ready(&daemon).await;
    admin.call("task.create", create(1_000)).await?;
    kept.push(json!("task 1000"));
    assert_eq!(
        sorted(titles(&mut admin).await),
        sorted(kept),
        "all that was acknowledged, and nothing that was refused"
    );
    let report = admin.call("daemon.doctor", json!({})).await?;
    assert_eq!(severity(&report, "integrity"), "ok", "{report:#}");
    Ok(())
}
