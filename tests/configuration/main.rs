//! What an operator can change while the daemon runs, and how it refuses: through files, signals and operations.

mod effects;
mod operations;
mod reload;

use std::path::PathBuf;

use orchestrator_testkit::{Daemon, Event, Socket};
use serde_json::{Value, json};

/// Where the configuration of the daemon is.
fn file(daemon: &Daemon) -> PathBuf {
    daemon.data_directory().with_file_name("config.json")
}

/// Replaces the configuration file, as an editor does, and waits for what becomes of it.
async fn write(daemon: &Daemon, socket: &mut Socket, text: &str) -> Event {
    let file = file(daemon);
    let beside = file.with_extension("swp");
    std::fs::write(&beside, text).expect("a writable directory");
    std::fs::rename(&beside, &file).expect("a writable directory");
    socket.next_event().await
}

/// The same for a configuration that is in order.
async fn apply(daemon: &Daemon, socket: &mut Socket, config: &Value) -> Value {
    let event = write(daemon, socket, &config.to_string()).await;
    assert_eq!(event.name, "config.reloaded", "{event:?}");
    event.payload
}

/// Who is told of reloads.
async fn told(daemon: &Daemon) -> Socket {
    let mut socket = daemon.admin().await;
    socket.subscribe(&["config.*"]).await;
    socket
}

async fn metric(daemon: &Daemon, name: &str) -> Option<f64> {
    let page = daemon.admin_http().get("/metrics").await;
    page.body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn names(payload: &Value, field: &str) -> Vec<String> {
    let names = payload[field].as_array().cloned().unwrap_or_default();
    names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// An agent that waits until the file exists.
fn waiting(file: &std::path::Path) -> Value {
    let script = format!("while [ ! -e '{}' ]; do sleep 0.05; done; echo done", file.display());
    json!({ "program": { "command": ["sh", "-c", script], "environment": { "inherit": ["PATH"] } } })
}
