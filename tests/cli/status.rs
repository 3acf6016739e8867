//! What a script can rely on: the status of the program, and where what is said.

use serde_json::json;

use crate::support::{Cli, daemon};

#[tokio::test]
async fn the_status_says_what_kind_of_failure_it_was() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    cli.run(&["task", "get", "task_00000000000000000000000000000000"]).await.failed(5, "no such task");
    cli.run(&["task", "get", "nonsense"]).await.failed(2, "taskId");
    cli.run(&["task", "create"]).await.failed(2, "Usage");
    cli.run(&["call", "nothing.here"]).await.failed(2, "orchestrator methods");
    cli.run(&["call", "task.list", "{"]).await.failed(2, "not JSON");
    cli.clone().env("ORCHESTRATOR_TOKEN", "wrong").run(&["status"]).await.failed(4, "ORCHESTRATOR_TOKEN");
    let read_only = cli.run(&["token", "issue", "reader", "--scope", "read"]).await.ok();
    let reader = cli.clone().env("ORCHESTRATOR_TOKEN", &read_only);
    reader.run(&["task", "create", "x"]).await.failed(4, "daemon.write");
    assert_eq!(reader.run(&["task", "list"]).await.ok(), "no tasks");
    Ok(())
}

#[tokio::test]
async fn nobody_there_is_status_3_and_says_what_to_do() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // A port that was free a moment ago: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    drop(listener);
    let cli = Cli::at(folder.path()).env("ORCHESTRATOR_URL", &url);
    cli.run(&["status"]).await.failed(3, "orchestrator-daemon");
    let failed = cli.run(&["status", "--json"]).await;
    let object: serde_json::Value = serde_json::from_str(&failed.stderr)?;
    assert_eq!((object["exitStatus"].clone(), failed.stdout.as_str()), (json!(3), ""));
    cli.run(&["status", "--url", "http://daemon.example:1", "--token", "x"]).await.failed(2, "unencrypted");
    Ok(())
}

#[tokio::test]
async fn a_token_is_never_shown() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon).env("ORCHESTRATOR_TOKEN", "orc_planted_secret");
    for arguments in [&["--help"][..], &["status"], &["task", "--help"], &["--json", "status"]] {
        let ran = cli.run(arguments).await;
        assert!(!ran.stdout.contains("planted") && !ran.stderr.contains("planted"), "{ran:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_reader_that_leaves_is_no_failure() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    cli.run(&["task", "create", "one"]).await.ok();
    let mut tail = cli.start(&["event", "tail", "--after", "0"]);
    tail.line_with("task.created").await;
    let left = tail.leave();
    cli.run(&["task", "create", "two"]).await.ok(); // the tail tries to tell of it
    assert_eq!(left.await, Some(0));
    Ok(())
}
