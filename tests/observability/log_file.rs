//! `LOG_FILE`: redacted, rotated, reopened, and never in the way of the daemon.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use orchestrator_testkit::{Daemon, patiently};
use serde_json::{Value, json};

const SECRET: &str = "a-database-password-that-nobody-sees";

/// Something that is logged at `debug`.
async fn make_noise(daemon: &Daemon) {
    let refused = daemon.http().get("/status").await;
    assert_eq!(refused.status, 401);
    let _ = daemon.admin_http().call("task.get", json!({"taskId": format!("task_{}", "0".repeat(32))})).await;
}

/// Makes noise until the file is there and has this text. No line is waited for longer than it takes to write it.
async fn noise_until(daemon: &Daemon, path: &Path, text: &str) -> String {
    patiently(&format!("{text:?} in {}", path.display()), async {
        loop {
            make_noise(daemon).await;
            match std::fs::read_to_string(path) {
                Ok(found) if found.contains(text) => return found,
                _ => {}
            }
        }
    })
    .await
}

fn lost(metrics: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with("log_lines_lost_total{sink=\"file\"}"));
    line.and_then(|line| line.rsplit_once(' ')).and_then(|(_, value)| value.parse().ok()).unwrap_or(f64::NAN)
}

#[tokio::test]
async fn the_log_goes_to_a_file_and_goes_on_after_a_restart() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("daemon.log");
    let text = path.to_str().expect("a temporary directory has a plain name");
    let builder = Daemon::builder().without_rate_limits().env("LOG_FILE", text).env("LOG_FORMAT", "json");
    let secret = json!({"auth": {"jwtSecret": SECRET}, "daemon": {"name": format!("named {SECRET}")}});
    let daemon = builder.env("LOG_LEVEL", "debug").config(secret).start().await?;
    noise_until(&daemon, &path, "refused").await;
    let (again, (_, output)) = (daemon.again(), daemon.terminate().await);
    let first = std::fs::read_to_string(&path)?;
    assert!(first.contains("connections closed") && output.contains("connections closed"));
    assert!(!first.contains(SECRET));
    assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);

    let (_, _) = again.start().await?.terminate().await;
    let both = std::fs::read_to_string(&path)?;
    assert!(both.starts_with(&first) && both.len() > first.len());
    for line in both.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_made_anew_and_large_ones_are_rotated() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("daemon.log");
    let logging = json!({
        "file": path, "level": "debug", "rotation": {"bytesMax": 65_536, "filesMax": 2, "hoursMax": 1},
    });
    let daemon = Daemon::builder().without_rate_limits().config(json!({"logging": logging})).start().await?;
    noise_until(&daemon, &path, "refused").await;
    std::fs::rename(&path, directory.path().join("taken.log"))?;
    noise_until(&daemon, &path, "refused").await;

    let second = directory.path().join("daemon.log.2");
    let closed = noise_until(&daemon, &second, "refused").await;
    assert!(closed.len() <= 65_536);
    assert!(!directory.path().join("daemon.log.3").exists());
    Ok(())
}

#[tokio::test]
async fn a_file_that_cannot_be_written_costs_lines_and_nothing_else() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let (logs, away) = (directory.path().join("logs"), directory.path().join("away"));
    std::fs::create_dir(&logs)?;
    let path = logs.join("daemon.log");
    let config = json!({"logging": {"file": path, "level": "debug"}});
    let daemon = Daemon::builder().without_rate_limits().config(config).start().await?;
    noise_until(&daemon, &path, "refused").await;
    assert_eq!(lost(&daemon.admin_http().get("/metrics").await.body), 0.0);

    std::fs::rename(&logs, &away)?;
    patiently("lost lines to be counted", async {
        while lost(&daemon.admin_http().get("/metrics").await.body) < 1.0 {
            make_noise(&daemon).await;
        }
    })
    .await;
    assert_eq!(daemon.http().get("/readyz").await.status, 200);
    daemon.admin_http().call("task.create", json!({"title": "not disturbed"})).await?;

    std::fs::rename(&away, &logs)?;
    noise_until(&daemon, &path, "log lines were lost here").await;
    Ok(())
}

#[tokio::test]
async fn a_log_file_that_cannot_be_opened_stops_the_start() -> anyhow::Result<()> {
    for (config, said) in [
        (json!({"logging": {"file": "/nowhere/daemon.log"}}), "/nowhere/daemon.log"),
        (json!({"logging": {"rotation": {"bytesMax": 1}}}), "rotation.bytesMax: expected 65536"),
    ] {
        let refused = Daemon::builder().config(config).refused().await?;
        assert!(!refused.status.success() && refused.output.contains(said), "{}", refused.output);
    }
    Ok(())
}
