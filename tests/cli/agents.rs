use orchestrator_testkit::{Daemon, shell};
use serde_json::json;

use crate::support::Cli;

#[tokio::test]
async fn agents_are_looked_at_spawned_stopped_and_read_again() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |text: &str| std::fs::write(folder.path().join("dev.md"), text);
    let dev = "---\ntype: developer\nruntime: program\nprogram: quick\ntools: [fs.*]\n---\nYou code.\n";
    file(dev)?;
    let config = json!({
        "agents": {"quick": shell("echo done", &[], 1)}, "agentFiles": {"directories": [folder.path()]},
    });
    let daemon = Daemon::builder().without_rate_limits().config(config).start().await?;
    let cli = Cli::of(&daemon);
    let listed = cli.run(&["agent", "list", "--type", "developer", "--kind", "defined"]).await.ok();
    assert!(listed.contains("dev") && !listed.contains("quick"), "{listed}");
    let shown = cli.run(&["agent", "get", "dev"]).await.ok();
    assert!(shown.contains("fs.*") && shown.contains("developer"), "{shown}");

    let task = cli.run(&["agent", "spawn", "--type", "developer", "--prompt", "Say it is done"]).await.ok();
    let ran = cli.run(&["task", "watch", task.trim()]).await.ok();
    assert!(ran.contains("done"), "{ran}");
    let stopped = cli.run(&["agent", "stop", "dev", "--reason", "enough"]).await.ok();
    assert!(stopped.contains("dev stopped, 0 sessions ended"), "{stopped}");
    let status = cli.run(&["agent", "status", "dev"]).await.ok();
    assert!(status.contains("disabled"), "{status}");
    cli.run(&["agent", "spawn", "dev", "--prompt", "more"]).await.failed(1, "disabled");

    file("---\ntier: 9\n---\nYou code.\n")?;
    let reloaded = cli.run(&["agent", "reload"]).await.ok();
    assert!(reloaded.contains("dev.md:2:7") || reloaded.contains("tier: expected 0 to 3"), "{reloaded}");
    let listed = cli.run(&["agent", "list", "--status", "invalid"]).await.ok();
    assert!(listed.contains("dev"), "{listed}");
    Ok(())
}

#[tokio::test]
async fn tools_are_listed_shown_and_tried() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("a.txt"), "some words\n")?;
    let tools = json!({ "allow": ["fs.read"], "workspaces": { "here": directory.path() } });
    let daemon = Daemon::builder().without_rate_limits().config(json!({ "tools": tools })).start().await?;
    let cli = Cli::of(&daemon);
    let listed = cli.run(&["tool", "list"]).await.ok();
    assert!(listed.contains("fs.read") && listed.contains("command.run"), "{listed}");
    let shown = cli.run(&["tool", "get", "fs.read"]).await.ok();
    assert!(shown.contains("fs_read"), "{shown}");
    let read = cli.run(&["tool", "call", "fs.read", r#"{"path":"a.txt"}"#, "--workspace", "here"]).await.ok();
    assert!(read.contains("some words"), "{read}");
    cli.run(&["tool", "call", "fs.list", "--workspace", "here"]).await.failed(4, "tools.allow");
    Ok(())
}
