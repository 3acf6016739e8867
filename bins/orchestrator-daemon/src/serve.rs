//! The life of the daemon: start the loops, serve, and drain when told to stop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use orchestrator_settings::Loaded;
use orchestrator_tasks::Keeper;
use orchestrator_vocab::{Clock as _, SystemClock};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::config::Config;
use crate::daemon::{self, Daemon};
use crate::files::{self, DataDir};
use crate::metrics;

/// What loops get to finish once everything in front of them has stopped.
const LOOPS_STOP: Duration = Duration::from_secs(5);
/// How often old events are looked for, and how many go in one transaction.
const RETENTION_EVERY: Duration = Duration::from_secs(600);
const RETENTION_ROWS: usize = 1_000;

pub(crate) async fn run(args: &Args, loaded: Loaded<Config>) -> anyhow::Result<ExitCode> {
    let redactor = daemon::redactor(&loaded.value);
    let mut logging = loaded.value.logging.clone();
    if loaded.value.daemon.verbose && logging.level == orchestrator_telemetry::Config::default().level {
        "debug".clone_into(&mut logging.level);
    }
    let _log = orchestrator_telemetry::init(&logging, daemon::redaction(&redactor))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let data = DataDir::prepare(&loaded.value.daemon.data_dir)?;
    let daemon = Daemon::compose(loaded.value, data, &redactor).await?;
    let (listener, address) = listen(&daemon.config).await?;
    serve(args, daemon, listener, address).await
}

async fn listen(config: &Config) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let wanted = SocketAddr::new(config.daemon.host, config.daemon.port);
    let listener = TcpListener::bind(wanted).await.with_context(|| format!("cannot listen on {wanted}"))?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() && config.tls.cert.is_none() {
        tracing::warn!(%address, "listening beyond this machine without TLS: tokens travel in the clear (--tls-cert, --tls-key)");
    }
    Ok((listener, address))
}

async fn serve(_args: &Args, daemon: Daemon, listener: TcpListener, address: SocketAddr) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    start_loops(&daemon)?;
    let url = files::url(address, daemon.config.tls.cert.is_some());
    daemon.data.write_address(&url)?;
    announce(&daemon, &url);
    let signalled = stop.clone();
    daemon.supervisor.once("signals", async move { told_to_stop(signalled).await })?;

    let summary = daemon.gateway.serve(listener, stop).await;
    tracing::info!(?summary, "connections closed");
    daemon.data.remove_address();
    let stopped = daemon.supervisor.stop(LOOPS_STOP).await;
    daemon.database.close().await?;
    stopped?;
    Ok(ExitCode::SUCCESS)
}

fn announce(daemon: &Daemon, url: &str) {
    println!("listening on {url}");
    println!("administrator token: {}", daemon.data.admin_token().display());
}

async fn told_to_stop(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = name, "draining");
    stop.cancel();
    Ok(())
}

fn start_loops(daemon: &Daemon) -> anyhow::Result<()> {
    let loops = &daemon.supervisor;
    let hub = daemon.hub.clone();
    loops.spawn("event delivery", move |stop| {
        let hub = hub.clone();
        async move { hub.run(stop).await }
    })?;
    let log = daemon.log.clone();
    loops.spawn("event log", move |stop| {
        let log = log.clone();
        async move { log.run(stop).await }
    })?;
    let auth = daemon.auth.clone();
    loops.spawn("authentication", move |stop| {
        let auth = auth.clone();
        async move {
            auth.run(stop).await;
            Ok::<(), std::io::Error>(())
        }
    })?;
    let registry = daemon.registry.clone();
    loops.spawn("agent registry", move |stop| {
        let registry = registry.clone();
        async move { registry.run(stop).await }
    })?;
    let keeper = Keeper::new(daemon.backlog.clone());
    loops.spawn("backlog keeper", move |stop| {
        let keeper = keeper.clone();
        async move {
            keeper.run(stop).await;
            Ok::<(), std::io::Error>(())
        }
    })?;
    let metrics = daemon.metrics.clone();
    loops.spawn("metrics", move |stop| metrics::upkeep(metrics.clone(), stop))?;
    if let Some(days) = daemon.config.events.retention_days {
        let hub = daemon.hub.clone();
        loops.spawn("event retention", move |stop| retain(hub.clone(), days, stop))?;
    }
    Ok(())
}

async fn retain(
    hub: orchestrator_events::Hub,
    days: u32,
    stop: CancellationToken,
) -> Result<(), orchestrator_events::Error> {
    let mut ticks = tokio::time::interval(RETENTION_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let before = SystemClock.now() - Duration::from_secs(u64::from(days) * 24 * 60 * 60);
        for (org, _) in hub.log().heads().await? {
            while hub.log().trim(org, before, RETENTION_ROWS).await? > 0 && !stop.is_cancelled() {}
        }
    }
    Ok(())
}
