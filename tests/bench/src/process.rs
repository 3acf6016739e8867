use std::time::{Duration, Instant};

use anyhow::Context as _;
use orchestrator_sql::Backend;
use orchestrator_testkit::Daemon;
use serde_json::{Value, json};

use crate::Scale;
use crate::figure::{Aim, Figure, millis, name_of, percentile};

pub(crate) async fn start(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let mut daemon = Daemon::builder().backend(backend).start().await?;
    let (mut samples, rounds) = (Vec::new(), scale.of(20, 3));
    for _ in 0..rounds {
        let again = daemon.again();
        daemon.terminate().await;
        let started = Instant::now();
        daemon = again.start().await?;
        let ready = daemon.http().get("/readyz").await;
        samples.push(started.elapsed());
        anyhow::ensure!(ready.status == 200, "not ready: {}", ready.body);
    }
    let conditions =
        format!("from spawning the process to the first 200 of /readyz, data directory there, median of {rounds}");
    let name = format!("process.start.{}", name_of(backend));
    Ok(vec![Figure::new(name, millis(percentile(&mut samples, 50)), "ms", conditions).aiming(Aim::AtMost(100.0))])
}

pub(crate) async fn memory(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let count = scale.of(5_000, 500);
    let daemon = Daemon::builder().config(roomy(count)).without_rate_limits().start().await?;
    daemon.admin().await.call("health.ping", json!({})).await?;
    let idle = resident_kib(daemon.pid())?;
    let mut open = Vec::new();
    for _ in 0..count {
        let mut socket = daemon.admin().await;
        socket.call("health.ping", json!({})).await?;
        open.push(socket);
    }
    let with_all = resident_kib(daemon.pid())?;
    let each = (with_all.saturating_sub(idle)) as f64 * 1.024 / count as f64;
    let idle =
        Figure::new("process.memory.idle", idle as f64 / 1_000.0 * 1.024, "MB", "resident, SQLite, after one call");
    let conditions = format!("growth of resident memory over {count} authenticated WebSockets that made one call each");
    let each = Figure::new("process.memory.connection", each, "kB", conditions);
    Ok(vec![idle.aiming(Aim::AtMost(30.0)), each.aiming(Aim::AtMost(20.0))])
}

/// Configuration with room for this many connections.
pub(crate) fn roomy(count: usize) -> Value {
    let most = count + 100;
    json!({"gateway": {
        "connectionsMax": most, "connectionsPerLoopbackMax": most, "connectionsPerCredentialMax": most,
    }})
}

/// What a process has had of the processors, in steps of 10 ms. proc_pid_stat(5): fields 14 and 15, in ticks of which
/// Linux tells programs 100 a second.
pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in brackets, may contain anything; field 3 is the first after it.
    let (_, fields) = stat.rsplit_once(')').context("a process has a name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.collect::<Result<Vec<_>, _>>()?.into_iter().sum();
    Ok(Duration::from_millis(ticks * 10))
}

pub(crate) fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process has resident memory")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
