//! Three loops under one supervisor: a steady one, a flaky one that recovers, and one that never will.
//!
//! `cargo run -p orchestrator-examples --example supervisor`

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use orchestrator_supervisor::{Config, State, Supervisor};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config { backoff_min: Duration::from_millis(10), restarts_max: 3, ..Config::default() };
    let supervisor = Supervisor::new(config);

    supervisor.spawn("heartbeat", heartbeat)?;

    let starts = Arc::new(AtomicU32::new(0));
    supervisor.spawn("flaky", move |stop| {
        let start = starts.fetch_add(1, Ordering::Relaxed);
        async move {
            anyhow::ensure!(start >= 2, "connection refused (start {start})");
            stop.cancelled().await;
            Ok(())
        }
    })?;

    supervisor.spawn("hopeless", |_| async { Err::<(), _>("the configuration makes no sense") })?;

    // A daemon would watch this list for its readiness; here we wait until one loop was given up.
    let given_up = |state: State| state == State::Failed;
    supervisor.watch().wait_for(|all| all.iter().any(|one| given_up(one.state))).await?;
    for status in supervisor.status() {
        let last_error = status.last_error.as_deref().unwrap_or("-");
        println!("{:<10} {:?}, {} restarts, last error: {last_error}", status.name, status.state, status.restarts);
    }

    supervisor.stop(Duration::from_secs(5)).await?;
    println!("all stopped");
    Ok(())
}

async fn heartbeat(stop: CancellationToken) -> Result<(), std::io::Error> {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => println!("still here"),
        }
    }
}
