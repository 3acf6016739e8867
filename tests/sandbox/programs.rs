//! Programs that the operator names: each kind of them is started by the daemon as configured, tries to get out, and notes in the
//! directory it works in what it could.

use std::net::TcpListener;
use std::path::PathBuf;

use orchestrator_confine::Report;
use orchestrator_testkit::{Builder, Daemon, Event, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Who is started, each in a directory of this name.
const KINDS: [&str; 4] = ["agent", "coding", "server", "hook"];
/// What it notes of itself at last.
const DONE: &str = "done";

struct Stage {
    root: TempDir,
    listener: TcpListener,
}

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self { root: tempfile::tempdir()?, listener: TcpListener::bind("127.0.0.1:0")? };
        for directory in KINDS.iter().chain(&["outside", "agents"]) {
            std::fs::create_dir(stage.path(directory))?;
        }
        std::fs::write(stage.path("outside/secret"), "planted")?;
        let text = "---\nruntime: claude-code\nworkspaceSource: main\nworkspace: shared\n---\nYou write code.\n";
        std::fs::write(stage.path("agents/coder.md"), text)?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A program of this kind.
    fn program(&self, kind: &str, sandbox: &Value) -> anyhow::Result<Value> {
        let outside = self.path("outside").display().to_string();
        let port = self.listener.local_addr()?.port();
        let tcp = format!("import socket; socket.create_connection((\"127.0.0.1\", {port}), 5)");
        let proxied = format!(
            "import os, socket, urllib.parse as p; u = p.urlsplit(os.environ[\"HTTPS_PROXY\"]); \
             s = socket.create_connection((u.hostname, u.port), 5); \
             s.sendall(b\"CONNECT 127.0.0.1:{port} HTTP/1.1\\r\\n\\r\\n\"); assert s.recv(12).endswith(b\"200\")"
        );
        // Written in one go: a server that ends is started again.
        let script = format!(
            "exec 2>/dev/null; {{ cat {outside}/secret >/dev/null && echo read; \
             echo x > {outside}/of-{kind} && echo write; python3 -c '{tcp}' && echo connect; \
             python3 -c '{proxied}' && echo proxied; \
             [ -n \"$TMPDIR\" ] && echo x > $TMPDIR/mine && echo temporary; echo {DONE}; }} > new; mv new found"
        );
        let environment = json!({ "set": { "PATH": "/usr/local/bin:/usr/bin:/bin" } });
        let mut program = json!({ "command": ["/bin/sh", "-c", script], "environment": environment });
        if !sandbox.is_null() {
            program["sandbox"] = sandbox.clone();
        }
        if kind != "coding" {
            program["workingDirectory"] = json!(self.path(kind));
        }
        Ok(program)
    }

    fn daemon(&self, sandbox: &Value) -> anyhow::Result<Builder> {
        let hook = json!({ "events": ["PreTask"], "timeoutMs": 60_000, "program": self.program("hook", sandbox)? });
        Ok(Daemon::builder().without_rate_limits().config(json!({
            "agents": { "runner": { "program": self.program("agent", sandbox)? } },
            "agentFiles": { "directories": [self.path("agents")] },
            "codingAgents": { "claude-code": self.program("coding", sandbox)? },
            "workspaces": { "sources": { "main": self.path("coding") } },
            "mcp": { "servers": { "helper": self.program("server", sandbox)? } },
            "hooks": { "custom": { "watcher": hook } },
            "tasks": { "sweepMs": 20, "maxAttempts": 1 },
        })))
    }

    /// What a program of this kind could, in order.
    fn found(&self, kind: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(kind).join("found")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Has every kind started once, and returns when all have ended: what was said of the ends.
async fn all_ran(daemon: &Daemon) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut servers = daemon.admin().await;
    servers.subscribe_after(&["mcp.server.lost"], 0).await;
    events.extend(servers.events_until("the server's end", |event| event.payload["server"] == "helper").await);
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    for agent in ["runner", "coder"] {
        events.extend(worked(&mut admin, agent).await?);
    }
    Ok(events)
}

async fn worked(socket: &mut Socket, agent: &str) -> anyhow::Result<Vec<Event>> {
    let spawned = socket.call("agent.spawn", json!({ "agent": agent, "prompt": "work" })).await?;
    let task = spawned["taskId"].clone();
    let ends = ["task.completed", "task.failed"];
    let is_end = |event: &Event| event.payload["taskId"] == task && ends.contains(&event.name.as_str());
    Ok(socket.events_until("the task's end", is_end).await)
}

async fn tried(sandbox: Value, expected: &[&str]) -> anyhow::Result<()> {
    tried_on(&Stage::new()?, sandbox, expected).await
}

async fn tried_on(stage: &Stage, sandbox: Value, expected: &[&str]) -> anyhow::Result<()> {
    let daemon = stage.daemon(&sandbox)?.start().await?;
    all_ran(&daemon).await?;
    for kind in KINDS {
        assert_eq!(stage.found(kind), expected, "{kind} with {sandbox}");
    }
    assert_eq!(stage.path("outside/of-agent").exists(), expected.contains(&"write"));
    Ok(())
}

/// Else what is required to be confined does not start, and that is what is tested.
fn can_confine() -> bool {
    let missing = Report::of_this_system().missing();
    if !missing.is_empty() {
        eprintln!("not tested, only that nothing starts: this system has no {}", missing.join(" and no "));
    }
    missing.is_empty()
}

#[tokio::test]
async fn programs_of_every_kind_find_no_way_out_of_their_sandboxes() -> anyhow::Result<()> {
    if can_confine() {
        return tried(json!({ "mode": "required" }), &["temporary", DONE]).await;
    }
    let stage = Stage::new()?;
    let daemon = stage.daemon(&json!({ "mode": "required" }))?.start().await?;
    let told = all_ran(&daemon).await?;
    for kind in KINDS {
        assert!(stage.found(kind).is_empty(), "{kind} ran");
    }
    assert!(told.iter().any(|event| event.payload.to_string().contains("sandbox.mode is `required`")), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn without_a_sandbox_and_with_one_that_is_off_every_way_is_open() -> anyhow::Result<()> {
    // Nothing says where to keep what is temporary.
    let everything = ["read", "write", "connect", DONE];
    tried(Value::Null, &everything).await?;
    tried(json!({ "mode": "off" }), &everything).await
}

#[tokio::test]
async fn what_a_sandbox_names_is_open_to_its_program() -> anyhow::Result<()> {
    if !can_confine() {
        return Ok(());
    }
    let stage = Stage::new()?;
    let sandbox = json!({ "readable": [stage.path("outside")], "network": "all" });
    let daemon = stage.daemon(&sandbox)?.start().await?;
    all_ran(&daemon).await?;
    for kind in KINDS {
        assert_eq!(stage.found(kind), ["read", "connect", "temporary", DONE], "{kind}");
    }
    Ok(())
}

#[tokio::test]
async fn programs_of_every_kind_speak_to_their_hosts_and_to_nobody_else() -> anyhow::Result<()> {
    if !can_confine() || !super::has_namespaces() {
        return Ok(());
    }
    let stage = Stage::new()?;
    let listed = format!("127.0.0.1:{}", stage.listener.local_addr()?.port());
    tried_on(&stage, json!({ "mode": "required", "hosts": [listed] }), &["proxied", "temporary", DONE]).await?;
    let other = Stage::new()?;
    tried_on(&other, json!({ "mode": "required", "hosts": [listed] }), &["temporary", DONE]).await
}

#[tokio::test]
async fn sandboxes_of_programs_are_checked_and_shown() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let wrong = json!({ "mcp": { "servers": { "helper": { "sandbox": { "writable": ["relative"] } } } } });
    let refused = stage.daemon(&json!({ "mode": "off" }))?.config(wrong).refused().await?;
    assert!(refused.output.contains("sandbox") && refused.output.contains("writable"), "{}", refused.output);

    let daemon = stage.daemon(&json!({ "mode": "preferred" }))?.start().await?;
    let mut admin = daemon.admin().await;
    let report = admin.call("daemon.doctor", json!({})).await?;
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let finding =
        findings.iter().find(|finding| finding["check"] == "sandboxes of programs").cloned().unwrap_or_default();
    for key in
        ["agents.runner.program", "codingAgents.claude-code", "mcp.servers.helper", "hooks.custom.watcher.program"]
    {
        assert!(finding["found"].to_string().contains(&format!("{key}.sandbox")), "{finding}");
    }
    let set = json!({ "values": { "mcp.servers.helper.sandbox.mode": "off" } });
    assert!(admin.call("config.set", set).await.is_err());
    Ok(())
}
