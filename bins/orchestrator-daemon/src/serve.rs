//! The life of the daemon: start the loops, serve, and drain when told to stop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use orchestrator_budget::Recovered;
use orchestrator_events::Hub;
use orchestrator_sessions::Sessions;
use orchestrator_settings::Loaded;
use orchestrator_tasks::{Error as TaskError, Keeper, Origin, Scheduler};
use orchestrator_telemetry::{Guard, Redaction};
use orchestrator_vocab::{Actor, Clock as _, SystemClock};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::adapters::FromRegistry;
use crate::args::{Args, Command};
use crate::config::{Config, Reading};
use crate::configuration::Configuration;
use crate::daemon::{self, Daemon};
use crate::emergency::{self, UnlessStopped};
use crate::files::{self, DataDir};
use crate::retirement::RetirementWatch;
use crate::{demo, metrics, redis, remembering};

/// What loops get to finish once everything in front of them has stopped.
const LOOPS_STOP: Duration = Duration::from_secs(5);
/// How often old events are looked for, and how many go in one transaction.
const RETENTION_EVERY: Duration = Duration::from_secs(600);
const RETENTION_ROWS: usize = 1_000;

pub(crate) async fn run(args: &Args, loaded: Loaded<Config>) -> anyhow::Result<ExitCode> {
    // Before anything else is started: what a program leaves behind comes to this process instead of escaping it.
    orchestrator_process::become_subreaper()?;
    let redactor = daemon::redactor(&loaded.value);
    let logging = orchestrator_telemetry::Config { level: loaded.value.log_level(), ..loaded.value.logging.clone() };
    let log = start_telemetry(&logging, &loaded.value, daemon::redaction(&redactor))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let here = std::env::current_dir()?;
    let data = DataDir::prepare(&loaded.value.daemon.data_dir)?;
    let reading = Reading::of_running(args, data.path());
    let configuration = Configuration::new(reading, data.path().to_owned(), loaded, redactor);
    let daemon = Daemon::compose(configuration, data, log.level()).await?;
    log.count_in(&daemon.metrics)?;
    let (listener, address) = listen(&daemon.config).await?;
    let url = files::url(address, daemon.config.tls.cert.is_some());
    let serving = serve(&daemon, listener, &url);
    match args.command {
        Some(Command::Demo { once }) => {
            let (stop, tokens) = (daemon.stop.clone(), daemon.data.admin_token());
            let (data, model) = (daemon.data.path().to_owned(), demo::model(&daemon.config));
            let shown = async {
                let has_completed = demo::run(&url, &tokens, &here, &model).await;
                if once || has_completed.is_err() {
                    stop.cancel();
                } else {
                    demo::next_steps(&data);
                }
                has_completed
            };
            tokio::pin!(serving, shown);
            let has_completed = tokio::select! {
                // Told to stop before everything was shown: nobody is there to answer the rest.
                served = &mut serving => return served.map(|()| if once { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
                has_completed = &mut shown => has_completed,
            };
            serving.await?;
            Ok(if has_completed? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        _ => serving.await.map(|()| ExitCode::SUCCESS),
    }
}

#[cfg(feature = "otlp")]
fn start_telemetry(
    logging: &orchestrator_telemetry::Config,
    config: &Config,
    redaction: Redaction,
) -> Result<Guard, orchestrator_telemetry::Error> {
    let service = orchestrator_telemetry::Service {
        name: "orchestrator".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: config.daemon.name.clone(),
    };
    orchestrator_telemetry::init_with_traces(logging, redaction, &config.telemetry.otlp, &service)
}

/// Without the feature, a configuration that names a collector was refused already.
#[cfg(not(feature = "otlp"))]
fn start_telemetry(
    logging: &orchestrator_telemetry::Config,
    _: &Config,
    redaction: Redaction,
) -> Result<Guard, orchestrator_telemetry::Error> {
    orchestrator_telemetry::init(logging, redaction)
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

async fn serve(daemon: &Daemon, listener: TcpListener, url: &str) -> anyhow::Result<()> {
    daemon.followers.halting.begin();
    take_back(daemon).await?;
    let (scheduling, closing) = (CancellationToken::new(), CancellationToken::new());
    start_loops(daemon, &scheduling)?;
    if let (true, Some(port)) = (daemon.config.metrics.enabled, daemon.config.metrics.port) {
        let path = &daemon.config.metrics.path;
        let auth = Arc::new(daemon.auth.clone());
        let address = metrics::serve_to_this_machine(port, path, &daemon.gauges, auth, &daemon.supervisor).await?;
        println!("metrics on http://{address}{path}");
    }
    // Before anybody is told that it runs: from then on a signal must not end it without draining.
    let mut signals = Signals::listen()?;
    daemon.data.write_address(url)?;
    announce(daemon, url);
    let draining = async {
        signals.told_to_stop(&daemon.stop).await;
        // Load balancers turn away and nothing new is started, while callers still see what becomes of what runs.
        daemon.gateway.begin_drain();
        scheduling.cancel();
        daemon.workplaces.close().await;
        let drained = daemon
            .sessions
            .drain(tokio::time::Instant::now() + daemon.configuration.current().running.sessions_finish())
            .await;
        tracing::info!(?drained, "sessions ended");
        closing.cancel();
    };
    let (summary, ()) = tokio::join!(daemon.gateway.serve(listener, closing.clone()), draining);
    tracing::info!(?summary, "connections closed");
    daemon.data.remove_address();
    let stopped = daemon.supervisor.stop(LOOPS_STOP).await;
    daemon.workplaces.workspaces.close().await;
    daemon.audit.close().await;
    daemon.ledger.close().await;
    daemon.database.close().await?;
    Ok(stopped?)
}

/// What an earlier start was working on goes back into the backlog, under new fences; its processes are ended first.
async fn take_back(daemon: &Daemon) -> anyhow::Result<()> {
    let settled = daemon.ledger.recover().await?;
    if settled != Recovered::default() {
        tracing::info!(
            told = settled.told,
            estimated = settled.estimated,
            "requests to models that were cut off are settled"
        );
    }
    for left in daemon.sessions.recover().await? {
        let origin = Origin::new(left.org, Actor::system("recovery"));
        match daemon.backlog.release(&origin, left.task, orchestrator_tasks::Fence(left.fence)).await {
            Ok(_) => {
                tracing::info!(task = %left.task, session = %left.session, "taken back from a session that was cut off")
            }
            // It has ended, or another daemon has taken it over since.
            Err(TaskError::Stale { .. } | TaskError::NotFound(_) | TaskError::Transition { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    daemon.followers.going_on.run(|org| daemon.emergency.check(org).is_ok()).await
}

fn announce(daemon: &Daemon, url: &str) {
    println!("listening on {url}");
    println!("administrator token: {}", daemon.data.admin_token().display());
}

/// What ends a daemon politely.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn told_to_stop(&mut self, stop: &CancellationToken) {
        let why = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = stop.cancelled() => "done",
        };
        tracing::info!(why, "draining");
    }
}

fn start_loops(daemon: &Daemon, scheduling: &CancellationToken) -> anyhow::Result<()> {
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
    if let Some(windows) = daemon.gateway.windows().cloned() {
        loops.spawn("offline windows", move |stop| {
            let windows = windows.clone();
            async move { windows.run(stop).await }
        })?;
    }
    redis::spawn(daemon, loops)?;
    obey(daemon)?;
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
    let roster = daemon.roster.clone();
    loops.spawn("agent files", move |stop| {
        let roster = roster.clone();
        async move { roster.run(stop).await }
    })?;
    let skills = daemon.llms.skills.files.clone();
    loops.spawn("skills", move |stop| {
        let skills = skills.clone();
        async move { skills.run(stop).await }
    })?;
    let keeper = Keeper::new(daemon.backlog.clone());
    loops.spawn("backlog keeper", move |stop| {
        let keeper = keeper.clone();
        async move {
            keeper.run(stop).await;
            Ok::<(), std::io::Error>(())
        }
    })?;
    let ledger = daemon.ledger.clone();
    loops.spawn("budget", move |stop| {
        let ledger = ledger.clone();
        async move { ledger.run(stop).await }
    })?;
    react(daemon)?;
    keep_servers(daemon)?;
    tell_people(daemon)?;
    start_scheduler(daemon, scheduling)?;
    let metrics = daemon.metrics.clone();
    let keys = daemon.keys.clone();
    loops.spawn("idempotency keys", move |stop| keys.clone().run(stop))?;
    loops.spawn("metrics", move |stop| metrics::upkeep(metrics.clone(), stop))?;
    let (hub, sessions, days) = (daemon.hub.clone(), daemon.sessions.clone(), daemon.retention_days.subscribe());
    loops.spawn("retention", move |stop| retain(hub.clone(), sessions.clone(), days.clone(), stop))?;
    follow_configuration(daemon)
}

/// What follows what happens.
fn react(daemon: &Daemon) -> anyhow::Result<()> {
    let loops = &daemon.supervisor;
    let lost_tasks = daemon.followers.lost_tasks.clone();
    loops.spawn("session recall", move |stop| {
        let lost_tasks = lost_tasks.clone();
        async move { lost_tasks.run(stop).await }
    })?;
    let answers = daemon.followers.answers.clone();
    loops.spawn("approvals", move |stop| {
        let answers = answers.clone();
        async move { answers.run(stop).await }
    })?;
    let left_workspaces = daemon.followers.left_workspaces.clone();
    loops.spawn("workspaces", move |stop| {
        let left_workspaces = left_workspaces.clone();
        async move { left_workspaces.run(stop).await }
    })?;
    let ledger = daemon.ledger.clone();
    loops.spawn("budget paces", move |stop| {
        let ledger = ledger.clone();
        async move { ledger.watch_pace(stop).await }
    })?;
    let concluding = daemon.followers.concluding.clone();
    loops.spawn("session memories", move |stop| {
        let concluding = concluding.clone();
        async move { concluding.run(stop).await }
    })?;
    let (memories, metrics) = (daemon.llms.recorder.memories.clone(), daemon.metrics.clone());
    loops.spawn("memory vectors", move |stop| remembering::embed(memories.clone(), metrics.clone(), stop))?;
    let (memories, metrics) = (daemon.llms.recorder.memories.clone(), daemon.metrics.clone());
    loops.spawn("memory keeper", move |stop| remembering::sweep(memories.clone(), metrics.clone(), stop))?;
    let told_hooks = daemon.followers.told_hooks.clone();
    loops.spawn("hooks", move |stop| {
        let told_hooks = told_hooks.clone();
        async move { told_hooks.run(stop).await }
    })?;
    Ok(())
}

/// What is ordered for an emergency is heard of, and what it ends is ended.
fn obey(daemon: &Daemon) -> anyhow::Result<()> {
    let emergency = daemon.emergency.clone();
    daemon.supervisor.spawn("emergency stop", move |stop| {
        let emergency = emergency.clone();
        async move {
            emergency.run(stop).await;
            Ok::<(), std::io::Error>(())
        }
    })?;
    let halting = daemon.followers.halting.clone();
    daemon.supervisor.spawn("emergency ends", move |stop| {
        let halting = halting.clone();
        async move {
            halting.run(stop).await;
            Ok::<(), std::io::Error>(())
        }
    })?;
    Ok(())
}

fn follow_configuration(daemon: &Daemon) -> anyhow::Result<()> {
    // From here on SIGHUP does not end the daemon.
    let hangup = Arc::new(Mutex::new(signal(SignalKind::hangup())?));
    let configuration = daemon.configuration.clone();
    daemon.supervisor.spawn("configuration", move |stop| {
        let (configuration, hangup) = (configuration.clone(), hangup.clone());
        async move { configuration.run(&mut *hangup.lock().await, stop).await }
    })?;
    Ok(())
}

fn tell_people(daemon: &Daemon) -> anyhow::Result<()> {
    let notifications = daemon.notifications.clone();
    daemon.supervisor.spawn("notifications", move |stop| {
        let notifications = notifications.clone();
        async move { notifications.run(stop).await }
    })?;
    let through = &daemon.llms.through;
    let retirement = RetirementWatch {
        router: through.router.clone(),
        database: daemon.database.clone(),
        clock: through.clock.clone(),
        notice_days: daemon.config.models.retirement_notice_days.0,
    };
    daemon.supervisor.spawn("model retirement", move |stop| retirement.clone().run(stop))?;
    let readiness = daemon.readiness.clone();
    daemon.supervisor.spawn("readiness", move |stop| readiness.clone().run(stop))?;
    Ok(())
}

/// Each server of tools has a loop of its own: one that is slow or sick is in nobody's way.
fn keep_servers(daemon: &Daemon) -> anyhow::Result<()> {
    for name in daemon.servers.enabled() {
        let (servers, title) = (daemon.servers.clone(), format!("MCP server {name}"));
        let emergency = daemon.emergency.clone();
        daemon.supervisor.spawn(title, move |stop| {
            let (servers, name, emergency) = (servers.clone(), name.clone(), emergency.clone());
            async move {
                emergency::keep_server(&servers, &name, &emergency, stop).await;
                Ok::<(), std::io::Error>(())
            }
        })?;
    }
    Ok(())
}

/// It stops before everything else, so that nothing is given to sessions that may not start any more.
fn start_scheduler(daemon: &Daemon, scheduling: &CancellationToken) -> anyhow::Result<()> {
    let (backlog, roster, scheduling) = (daemon.backlog.clone(), daemon.roster.clone(), scheduling.clone());
    let (dispatch, halting) = (Arc::new(daemon.dispatch()), daemon.followers.halting.clone());
    daemon.supervisor.spawn("scheduler", move |_| {
        let workforce = UnlessStopped { workforce: FromRegistry(roster.clone()), halting: halting.clone() };
        let workforce = Arc::new(workforce);
        let scheduler = Scheduler::new(backlog.clone(), workforce, dispatch.clone());
        let stop = scheduling.child_token();
        async move {
            scheduler.run(stop).await;
            Ok::<(), std::io::Error>(())
        }
    })?;
    Ok(())
}

/// Events and ended sessions go together: a session's story is told by its events.
async fn retain(
    hub: Hub,
    sessions: Sessions,
    days: watch::Receiver<Option<u32>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(RETENTION_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(days) = *days.borrow() else { continue };
        let before = SystemClock.now() - Duration::from_secs(u64::from(days) * 24 * 60 * 60);
        for (org, _) in hub.log().heads().await? {
            while hub.log().trim(org, before, RETENTION_ROWS).await? > 0 && !stop.is_cancelled() {}
        }
        while sessions.trim(before, RETENTION_ROWS).await? > 0 && !stop.is_cancelled() {}
    }
    Ok(())
}
