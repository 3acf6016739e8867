//! Daemons on one PostgreSQL with a Redis beside it: what crosses, and what an outage of Redis changes, which is nothing.

mod configuration;
mod crossing;
mod encryption;
mod outages;

use orchestrator_events_redis::Server;
use orchestrator_testkit::{Backend, Builder, Daemon, Socket, patiently};
use serde_json::{Value, json};

fn with(server: &Server) -> Builder {
    Daemon::builder().backend(Backend::Postgres).without_rate_limits().env("REDIS_URL", &server.url())
}

async fn two(server: &Server) -> anyhow::Result<(Daemon, Daemon)> {
    let first = with(server).start().await?;
    let second = with(server).database_of(&first).start().await?;
    until(&first, "up").await;
    until(&second, "up").await;
    Ok((first, second))
}

async fn redis_of(daemon: &Daemon) -> Value {
    daemon.admin_http().get("/status").await.json()["redis"].clone()
}

/// Waits until the daemon says that of Redis.
async fn until(daemon: &Daemon, state: &str) {
    let asked = async { while redis_of(daemon).await["state"] != state {} };
    patiently(&format!("Redis to be {state}"), asked).await;
}

async fn metric(daemon: &Daemon, line: &str) -> f64 {
    let page = daemon.admin_http().get("/metrics").await.body;
    let found = page.lines().find_map(|text| text.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no {line} in\n{page}"))
}

async fn create(socket: &mut Socket, title: &str) -> Value {
    socket.call("task.create", json!({"title": title})).await.expect("a task")["id"].clone()
}
