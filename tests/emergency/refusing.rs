use std::process::Stdio;

use orchestrator_rpc::Code;
use orchestrator_testkit::{Daemon, program};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{Stage, asking, create};

/// What lets something begin.
fn beginnings() -> Vec<(&'static str, Value)> {
    vec![
        ("agent.spawn", json!({ "agent": "thinker", "prompt": "x" })),
        ("session.create", json!({ "agentId": "worker", "task": { "title": "x" } })),
        ("session.execute", json!({ "task": { "title": "x" } })),
        ("task.claim", json!({ "agentId": "outside" })),
        ("model.chat", asking("hello")),
        ("model.probe", json!({})),
        ("mcp.restart", json!({ "server": "fake" })),
        ("tool.call", json!({ "tool": "fs.read", "workspace": "try", "arguments": { "path": "a.txt" } })),
    ]
}

fn says_why(refused: &orchestrator_rpc::Error) -> bool {
    refused.code == Code::Forbidden
        && refused.message.contains("the emergency stop is in force")
        && refused.message.contains("a drill")
}

#[tokio::test]
async fn what_would_begin_something_is_refused_with_the_reason_and_is_not_without_a_stop() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    std::fs::write(stage.path("source").join("a.txt"), "words")?;
    let daemon = stage.daemon()?.start().await?;
    let mut admin = daemon.admin().await;
    admin.call("agent.register", json!({ "agentId": "outside", "capabilities": ["outside"] })).await?;
    admin.call("emergency.stop", json!({ "reason": "a drill" })).await?;
    for (method, params) in beginnings() {
        let refused = admin.call(method, params).await.expect_err(method);
        assert!(says_why(&refused), "{method}: {refused:?}");
    }
    create(&mut admin, "nobody").await?;
    assert_eq!(daemon.http().get("/readyz").await.status, 200, "it is not ill");
    let denied = admin.call("audit.list", json!({ "decision": "denied", "action": "fs.read" })).await?;
    assert_eq!(denied["items"].as_array().map(Vec::len), Some(1), "{denied}");
    admin.call("emergency.release", json!({ "reason": "over" })).await?;
    for (method, params) in beginnings() {
        let answered = admin.call(method, params).await;
        assert!(answered.as_ref().err().is_none_or(|error| !says_why(error)), "{method}: {answered:?}");
    }
    let read = json!({ "tool": "fs.read", "workspace": "try", "arguments": { "path": "a.txt" } });
    admin.call("tool.call", read).await?;
    admin.call("model.chat", asking("hello")).await?;
    Ok(())
}

#[tokio::test]
async fn only_administrators_stop_and_release_and_both_are_in_the_audit_log() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let mut writer = daemon.socket(&daemon.token("daemon.write daemon.read").await).await;
    let mut admin = daemon.admin().await;
    let why = json!({ "reason": "a drill" });
    assert_eq!(writer.call("emergency.stop", why.clone()).await.expect_err("no administrator").code, Code::Forbidden);
    assert_eq!(writer.call("emergency.status", json!({})).await?, json!({ "stopped": false }));
    admin.call("emergency.stop", why.clone()).await?;
    assert_eq!(
        writer.call("emergency.release", why.clone()).await.expect_err("no administrator").code,
        Code::Forbidden
    );
    assert_eq!(writer.call("emergency.status", json!({})).await?["stopped"], true);
    let again = admin.call("emergency.stop", json!({ "reason": "another" })).await?;
    assert_eq!(again["byOperator"]["reason"], "a drill", "the first order stays");
    admin.call("emergency.release", why.clone()).await?;
    assert_eq!(admin.call("emergency.release", why).await.expect_err("nothing to release").code, Code::Conflict);
    let empty = admin.call("emergency.stop", json!({ "reason": " " })).await.expect_err("a reason is needed");
    assert_eq!((empty.code, empty.field.as_deref()), (Code::InvalidParams, Some("reason")));
    for (action, allowed) in [("emergency.stop", 3), ("emergency.release", 2)] {
        let count = async |admin: &mut orchestrator_testkit::Socket, decision: &str| {
            let found = admin.call("audit.list", json!({ "action": action, "decision": decision })).await?;
            anyhow::Ok(found["items"].as_array().map_or(0, Vec::len))
        };
        assert_eq!((count(&mut admin, "allowed").await?, count(&mut admin, "denied").await?), (allowed, 1), "{action}");
    }
    Ok(())
}

#[tokio::test]
async fn it_is_told_by_status_doctor_metrics_events_and_the_command_line() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["emergency.*"]).await;
    let gauge = async || {
        let page = daemon.admin_http().get("/metrics").await.body;
        page.lines().find(|line| line.starts_with("emergency_stopped{scope=\"daemon\"}")).map(str::to_owned)
    };
    assert_eq!(gauge().await.as_deref(), Some("emergency_stopped{scope=\"daemon\"} 0"));
    assert!(admin.call("daemon.status", json!({})).await?["emergency"].is_null());
    let said = orchestrator(&daemon, &["emergency", "stop", "a drill"]).await?;
    assert!(said.contains("everything is stopped by user:administrator") && said.contains("a drill"), "{said}");
    let event = admin.next_event().await;
    assert_eq!((event.name.as_str(), &event.payload["reason"]), ("emergency.stopped", &json!("a drill")));
    assert_eq!(gauge().await.as_deref(), Some("emergency_stopped{scope=\"daemon\"} 1"));
    let status = admin.call("daemon.status", json!({})).await?;
    assert_eq!((&status["emergency"]["stopped"], &status["health"]), (&json!(true), &json!("running")), "{status}");
    let report = admin.call("daemon.doctor", json!({})).await?;
    let finding =
        report["findings"].as_array().into_iter().flatten().find(|finding| finding["check"] == "emergency stop");
    assert_eq!(finding.map(|finding| &finding["severity"]), Some(&json!("warning")), "{report}");
    for command in [&["emergency", "status"][..], &["status"]] {
        let said = orchestrator(&daemon, command).await?;
        assert!(said.contains("everything is stopped by user:administrator"), "{command:?}: {said}");
    }
    let said = orchestrator(&daemon, &["emergency", "release", "over"]).await?;
    assert!(said.contains("no emergency stop is in force"), "{said}");
    let event = admin.next_event().await;
    assert_eq!((event.name.as_str(), &event.payload["stoppedFor"]), ("emergency.released", &json!("a drill")));
    Ok(())
}

async fn orchestrator(daemon: &Daemon, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(program("orchestrator")?);
    command.args(arguments).env_clear().env("ORCHESTRATOR_DATA_DIR", daemon.data_directory()).stdin(Stdio::null());
    let output = command.output().await?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn it_is_obeyed_though_it_cannot_be_audited_and_nothing_else_is() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon()?.config(json!({ "audit": { "segmentBytesMax": 4096 } })).start().await?;
    let mut admin = daemon.admin().await;
    // Nothing can be made where no directory is: the next file of the log is the first that fails.
    let directory = daemon.data_directory().join("audit");
    std::fs::rename(&directory, stage.path("away"))?;
    let issue = json!({ "kind": "apiKey", "subject": "x", "scopes": ["daemon.read"] });
    while admin.call("auth.token.issue", issue.clone()).await.is_ok() {}
    admin.call("emergency.stop", json!({ "reason": "a drill" })).await?;
    assert_eq!(admin.call("emergency.status", json!({})).await?["stopped"], true);
    admin.call("emergency.release", json!({ "reason": "over" })).await.expect_err("it lets something begin");
    Ok(())
}
