//! Logs with a secret in them, a timed tower service and the page Prometheus would read.
//!
//! `cargo run -p orchestrator-examples --example telemetry`

use orchestrator_redact::Redactor;
use orchestrator_telemetry::{Config, Description, Format, LatencyLayer, Metrics, Redaction, TraceContext};
use secrecy::SecretString;
use tower::{Layer, ServiceExt};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let redactor = Redactor::builder().secret("database-password", &SecretString::from("correct horse")).build();
    let redaction = Redaction::new(move |text| redactor.redact(text));
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("example.log");
    let level = "warn,telemetry=debug".to_owned();
    let config = Config { level, format: Format::Text, file: Some(file.clone()), ..Config::default() };
    let guard = orchestrator_telemetry::init(&config, redaction.clone())?;

    let here = TraceContext::root();
    let span = tracing::info_span!("request", traceparent = %here, url = "postgres://app:correct horse@db/tasks");
    span.in_scope(|| tracing::debug!("connecting with {:?}", "correct horse"));
    guard.set_level("error")?;
    tracing::info!("not shown: the level changed");

    let metrics = Metrics::new(redaction);
    metrics.describe(&[Description::histogram("call_seconds", "Time to answer a call.")])?;
    let layer = LatencyLayer::new(metrics.clone(), "call_seconds", "operation", |call: &&'static str| (*call).into());
    let service = layer.layer(tower::service_fn(async |call: &'static str| match call {
        "task.get" => Ok("a task"),
        _ => Err("no such operation"),
    }));
    for call in ["task.get", "task.get", "task.got"] {
        println!("{call}: {:?}", service.clone().oneshot(call).await);
    }
    guard.count_in(&metrics)?;
    println!("{}", metrics.render());
    drop(guard); // writes what is still queued
    println!("in the file: {}", std::fs::read_to_string(file)?);
    Ok(())
}
