//! What keeps memories in order while nobody asks: vectors for what has none, summaries of what is old, and an end to what is over.

mod ending;
mod episodes;
mod learning;
mod lessons;
mod prompts;
mod recollecting;
mod recorder;
mod scribe;

pub(crate) use recollecting::Recollecting;
pub(crate) use recorder::Recorder;
pub(crate) use scribe::Scribe;

use std::time::Duration;

use orchestrator_memory::{Error, Memories};
use orchestrator_telemetry::Metrics;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long until it is looked again, if there was nothing to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// And if it could not be done.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often what is over is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Makes vectors until `stop`.
pub(crate) async fn embed(memories: Memories, metrics: Metrics, stop: CancellationToken) -> Result<(), Error> {
    if memories.embedder().is_none() {
        stop.cancelled().await;
        return Ok(());
    }
    while !stop.is_cancelled() {
        let pause = match stop.run_until_cancelled(memories.embed_some()).await {
            None | Some(Ok(0)) => LOOK_EVERY,
            Some(Ok(made)) => {
                metrics.counter("memory_embedded_total", &[]).add(made as u64);
                continue;
            }
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "memories wait for their vectors");
                PATIENCE
            }
        };
        let _ = timeout(pause, stop.cancelled()).await;
    }
    Ok(())
}

/// Sums up and removes until `stop`.
pub(crate) async fn sweep(memories: Memories, metrics: Metrics, stop: CancellationToken) -> Result<(), Error> {
    while !stop.is_cancelled() {
        match stop.run_until_cancelled(memories.sweep()).await {
            Some(Ok(swept)) if swept.expired + swept.consolidated > 0 => {
                metrics.counter("memory_expired_total", &[]).add(swept.expired as u64);
                metrics.counter("memory_consolidated_total", &[]).add(swept.consolidated as u64);
                continue;
            }
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "old memories stay as they are");
            }
            _ => {}
        }
        let _ = timeout(SWEEP_EVERY, stop.cancelled()).await;
    }
    Ok(())
}
