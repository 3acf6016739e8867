use std::process::Stdio;

use orchestrator_testkit::{Daemon, program};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{Stage, records, worked};

/// What the command line says, and whether it is content.
async fn orchestrator(daemon: &Daemon, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
    let mut command = Command::new(program("orchestrator")?);
    command.args(arguments).env_clear().env("ORCHESTRATOR_DATA_DIR", daemon.data_directory()).stdin(Stdio::null());
    let output = command.output().await?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), said))
}

#[tokio::test]
async fn the_log_is_verified_exported_and_verified_elsewhere() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let write = json!({"path": "a.txt", "content": "x"});
    let daemon = stage.daemon(&[("fs.write", write)], &["fs.*"])?;
    let daemon = daemon.config(json!({"audit": {"segmentBytesMax": 4096}})).start().await?;
    let mut admin = daemon.admin().await;
    for _ in 0..12 {
        worked(&mut admin).await?;
    }
    let verified = admin.call("audit.verify", json!({})).await?;
    assert!(verified["intact"] == true && verified["files"].as_u64() > Some(1), "{verified}");
    let (good, said) = orchestrator(&daemon, &["audit", "verify"]).await?;
    assert!(good && said.contains("intact: 12 records"), "{said}");
    let (_, said) = orchestrator(&daemon, &["audit", "list", "--limit", "3"]).await?;
    assert!(said.contains("fs.write") && said.contains("tools.allow has fs.*"), "{said}");
    let (_, said) = orchestrator(&daemon, &["audit", "report"]).await?;
    assert!(said.contains("12") && said.contains("fs.write"), "{said}");

    let elsewhere = tempfile::tempdir()?;
    let copy = elsewhere.path().join("copy").display().to_string();
    let (good, said) = orchestrator(&daemon, &["audit", "export", &copy]).await?;
    assert!(good, "{said}");
    let key = verified["key"].as_str().unwrap_or_default();
    let (good, said) = orchestrator(&daemon, &["audit", "verify", "--directory", &copy, "--key", key]).await?;
    assert!(good && said.contains("intact: 12 records"), "{said}");
    let file = format!("{copy}/audit-000001.jsonl");
    std::fs::write(&file, std::fs::read_to_string(&file)?.replace("coder", "other"))?;
    let (good, said) = orchestrator(&daemon, &["audit", "verify", "--directory", &copy]).await?;
    assert!(!good && said.contains("not intact"), "{said}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done_and_the_daemon_is_not_ready() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon(&[], &["fs.*"])?;
    let config = json!({"audit": {"segmentBytesMax": 4096}, "tools": {"workspaces": {"try": stage.source()}}});
    let daemon = daemon.config(config).start().await?;
    let mut admin = daemon.admin().await;
    let ready = async || daemon.http().get("/readyz").await.status;
    let write =
        |name: &str| json!({"tool": "fs.write", "workspace": "try", "arguments": {"path": name, "content": "x"}});
    admin.call("tool.call", write("before.txt")).await?;
    assert_eq!(ready().await, 200);

    // Nothing can be made where no directory is: the next file of the log is the first that fails.
    let (directory, away) = (daemon.data_directory().join("audit"), stage.source().join("../away"));
    std::fs::rename(&directory, &away)?;
    let refused = loop {
        if let Err(refused) = admin.call("tool.call", write("probe.txt")).await {
            break refused;
        }
    };
    assert!(refused.to_string().contains("audit"), "{refused}");
    admin.call("tool.call", write("during.txt")).await.expect_err("nothing is done unseen");
    assert!(!stage.source().join("during.txt").exists());
    let issue = json!({"kind": "apiKey", "subject": "x", "scopes": ["daemon.read"]});
    admin.call("auth.token.issue", issue.clone()).await.expect_err("nor is it by administrators");
    admin.call("task.create", json!({"title": "work goes on"})).await?;
    assert_eq!(ready().await, 503);

    std::fs::rename(&away, &directory)?;
    admin.call("tool.call", write("after.txt")).await?;
    admin.call("auth.token.issue", issue).await?;
    assert_eq!(ready().await, 200);
    assert!(stage.source().join("after.txt").exists());
    assert_eq!(admin.call("audit.verify", json!({})).await?["intact"], true);
    Ok(())
}

#[tokio::test]
async fn after_kill_9_nothing_is_missing_and_a_changed_end_stops_the_start() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let write = json!({"path": "a.txt", "content": "x"});
    let daemon = stage.daemon(&[("fs.write", write)], &["fs.*"])?.start().await?;
    let mut admin = daemon.admin().await;
    let task = worked(&mut admin).await?;
    let daemon = daemon.kill().await.start().await?;
    let mut admin = daemon.admin().await;
    assert_eq!(records(&mut admin, json!({"taskId": task})).await?.len(), 1);
    assert_eq!(admin.call("audit.verify", json!({})).await?["intact"], true);

    let file = daemon.data_directory().join("audit/audit-000001.jsonl");
    let again = daemon.kill().await;
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text.replace("agent:coder", "agent:other"))?;
    let examined = again.clone().arg("doctor").refused().await?;
    assert!(!examined.status.success() && examined.output.contains("its hash is not"), "{}", examined.output);
    let refused = again.refused().await?;
    assert!(!refused.status.success() && refused.output.contains("not as it was left"), "{}", refused.output);
    let named: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert!(named[0]["begun"]["key"].is_string());
    Ok(())
}
