//! Commands of agents are confined: an obedient model is told to get out, through the socket of the running binary. Each way out that
//! is refused is open where the sandbox is off.

#[cfg(target_os = "linux")]
mod hosts;
mod programs;

use std::net::TcpListener;
use std::path::PathBuf;

use orchestrator_confine::Report;
use orchestrator_testkit::{Builder, Daemon, Event, Socket};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An obedient model and an agent that works on a directory.
struct Stage(TempDir);

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        for directory in ["source", "agents", "outside"] {
            std::fs::create_dir(stage.path(directory))?;
        }
        std::fs::write(stage.path("source/notes.txt"), "one\n")?;
        std::fs::write(stage.path("outside/secret.txt"), "planted")?;
        let text = "---\nworkspaceSource: main\nworkspace: shared\n---\nYou do as you are told.\n";
        std::fs::write(stage.path("agents/coder.md"), text)?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn daemon(&self, mode: &str) -> anyhow::Result<Builder> {
        let script = self.path("script.json");
        std::fs::write(&script, json!({ "obedient": true, "rules": [] }).to_string())?;
        Ok(Daemon::builder().without_rate_limits().config(json!({
            "models": {
                "providers": { "stage": { "kind": "scripted", "script": script } },
                "primary": "stage/scripted",
            },
            "agentFiles": { "directories": [self.path("agents")] },
            "workspaces": { "sources": { "main": self.path("source") } },
            "tools": { "allow": ["command.run"] },
            "tasks": { "sweepMs": 20 },
            "sandbox": { "mode": mode, "limits": { "fileSizeBytes": 1_048_576 } },
        })))
    }
}

/// Whether this system has what confines; else what is required to be confined does not run, and that is what is tested.
async fn can_confine(stage: &Stage) -> anyhow::Result<bool> {
    let missing = Report::of_this_system().missing();
    if missing.is_empty() {
        return Ok(true);
    }
    eprintln!("not tested, only that nothing runs: this system has no {}", missing.join(" and no "));
    let daemon = stage.daemon("required")?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let told = ran(&mut admin, "echo out").await?;
    assert!(told.contains("cannot be confined") && !told.contains("out\\n"), "{told}");
    Ok(false)
}

/// Whether a program can be given a network of its own here.
fn has_namespaces() -> bool {
    let tried = std::process::Command::new("unshare").args(["--map-root-user", "--net", "true"]).status();
    let has = tried.is_ok_and(|status| status.success());
    if !has {
        eprintln!("not tested: this system lets nobody make a network of its own");
    }
    has
}

/// What a shell script of an agent printed, or why it failed.
async fn ran(socket: &mut Socket, script: &str) -> anyhow::Result<String> {
    let order = format!("@call command_run {}", json!({ "argv": ["/bin/sh", "-c", script] }));
    let spawned = socket.call("agent.spawn", json!({ "agent": "coder", "prompt": order })).await?;
    let task = spawned["taskId"].clone();
    let is_end = |event: &Event| {
        event.payload["taskId"] == task && ["task.completed", "task.failed"].contains(&event.name.as_str())
    };
    socket.events_until("the task's end", is_end).await;
    let sessions = socket.call("session.list", json!({ "limit": 200 })).await?;
    let of_task = |session: &&Value| session["taskId"] == task;
    let found = sessions["sessions"].as_array().into_iter().flatten().find(of_task).cloned().unwrap_or_default();
    let page = socket.call("session.history", json!({ "sessionId": found["id"], "limit": 200 })).await?;
    let entries = page["entries"].as_array().cloned().unwrap_or_default();
    let returned = entries.iter().find(|entry| entry["entry"]["kind"] == "returned").cloned().unwrap_or_default();
    Ok(returned["entry"]["result"]["content"].to_string())
}

/// Ways out: what they are, a script that prints `out` when it got there.
fn ways_out(stage: &Stage, daemon: &Daemon, port: u16) -> Vec<(&'static str, String)> {
    let (data, pid) = (daemon.data_directory().display().to_string(), daemon.pid());
    let (outside, source) = (stage.path("outside").display().to_string(), stage.path("source").display().to_string());
    let tcp = format!("import socket; socket.create_connection((\"127.0.0.1\", {port}), 5)");
    vec![
        ("read the administrator's token", format!("cat {data}/admin.token >/dev/null && echo out")),
        ("list the data directory", format!("ls {data}/audit >/dev/null && echo out")),
        ("read beside the workspace", format!("cat {outside}/secret.txt >/dev/null && echo out")),
        ("write beside the workspace", format!("echo x > {outside}/made.txt && echo out")),
        ("follow a link out", format!("ln -s {outside}/secret.txt {source}/link; cat link >/dev/null && echo out")),
        ("read the daemon's environment", format!("cat /proc/{pid}/environ >/dev/null && echo out")),
        ("see what the daemon has open", format!("readlink /proc/{pid}/fd/1 >/dev/null && echo out")),
        ("connect to this machine", format!("python3 -c '{tcp}' && echo out")),
        ("write a huge file", "head -c 2000000 /dev/zero > huge && echo out".to_owned()),
    ]
}

async fn tried(mode: &str, expected: bool) -> anyhow::Result<()> {
    let stage = Stage::new()?;
    if mode == "required" && !can_confine(&stage).await? {
        return Ok(());
    }
    let daemon = stage.daemon(mode)?.start().await?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    for (what, script) in ways_out(&stage, &daemon, listener.local_addr()?.port()) {
        let told = ran(&mut admin, &format!("({script}) 2>&1; echo done")).await?;
        assert!(told.contains("done"), "{what}: {told}");
        assert_eq!(told.contains("out\\n"), expected, "{what} with {mode}: {told}");
        assert!(!told.contains("planted") && !told.contains(daemon.admin_token()), "{told}");
    }
    let work = ran(
        &mut admin,
        "cat notes.txt && echo more >> notes.txt && cat notes.txt && echo x > $TMPDIR/y && ls /usr/bin | head -1",
    )
    .await?;
    assert!(work.contains("more"), "{work}");
    let ready = daemon.http().get("/readyz").await;
    assert_eq!(ready.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_confined_command_does_its_work_and_finds_no_way_out() -> anyhow::Result<()> {
    tried("required", false).await
}

#[tokio::test]
async fn without_the_sandbox_each_of_these_ways_is_open() -> anyhow::Result<()> {
    tried("off", true).await
}

#[tokio::test]
async fn the_daemon_lives_whatever_a_command_sends_it() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    if !can_confine(&stage).await? {
        return Ok(());
    }
    let daemon = stage.daemon("required")?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let report = admin.call("daemon.doctor", json!({})).await?;
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let finding = findings.iter().find(|finding| finding["check"] == "sandbox").cloned().unwrap_or_default();
    let found = finding["found"].as_str().unwrap_or_default();
    assert!(found.contains("stopped") && finding["severity"] != "failure", "{finding}");
    // Landlock keeps signals in since Linux 6.12; the doctor says where it does not.
    if !found.contains("can be sent signals") {
        ran(&mut admin, &format!("kill -9 {}; echo done", daemon.pid())).await?;
    }
    ran(&mut admin, "for i in $(seq 600); do sleep 60 & done; wait").await?;
    assert_eq!(daemon.http().get("/readyz").await.status, 200);
    assert!(admin.call("task.list", json!({})).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn what_the_operator_names_is_open() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    if !can_confine(&stage).await? {
        return Ok(());
    }
    let more = json!({ "sandbox": { "readable": [stage.path("outside")], "network": "all" } });
    let daemon = stage.daemon("required")?.config(more).start().await?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let open = ["read beside the workspace", "connect to this machine"];
    for (what, script) in ways_out(&stage, &daemon, listener.local_addr()?.port()) {
        if what == "write a huge file" || what == "follow a link out" {
            continue;
        }
        let told = ran(&mut admin, &format!("({script}) 2>&1; echo done")).await?;
        assert_eq!(told.contains("out\\n"), open.contains(&what), "{what}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn the_sandbox_is_the_operator_s_file_and_nobody_else_s() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon("required")?.start().await?;
    let mut admin = daemon.admin().await;
    let refused = admin.call("config.set", json!({ "values": { "sandbox.mode": "off" } })).await.expect_err("not so");
    assert!(refused.message.contains("sandbox.mode") || refused.field.is_some(), "{refused:?}");
    let data = daemon.data_directory().to_owned();
    drop(daemon);
    let wrong = stage.daemon("required")?.config(json!({ "sandbox": { "writable": ["relative"] } })).refused().await?;
    assert!(wrong.output.contains("sandbox"), "{}", wrong.output);
    assert!(data.is_absolute());
    Ok(())
}
