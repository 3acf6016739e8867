//! `kill -9` at random moments under load: what was acknowledged is there afterwards, nothing is completed twice, every
//! event is delivered in its order, no task begins before those it waits for.

mod ledger;
mod load;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use orchestrator_testkit::{Backend, Daemon, on_both_backends, shell};
use serde_json::json;
use tokio::task::JoinSet;

use ledger::Ledger;
use load::Load;

on_both_backends![
    killed_at_random_moments_it_loses_and_doubles_nothing,
    told_to_stop_under_load_it_ends_well_and_loses_nothing,
];

/// How often the daemon is killed, per database.
const ROUNDS: u64 = 5;
/// Acknowledged calls of one round after which it is killed, at most.
const ACKNOWLEDGED_MAX: u64 = 150;
/// From the last of them to the kill, at most: the moment must not be one that the load knows.
const DELAY_US_MAX: u64 = 20_000;
/// Until everything that was created has been done, after the last kill.
const RECOVERY: Duration = Duration::from_secs(120);

async fn killed_at_random_moments_it_loses_and_doubles_nothing(backend: Backend) -> anyhow::Result<()> {
    let seed = seed();
    println!("seed {seed:#x}: set ORCHESTRATOR_KILL_SEED to it to draw the same moments again");
    let mut random = Random(seed);
    let ledger = Arc::new(Ledger::default());
    let mut daemon = configured(backend).start().await?;
    for round in 0..rounds() {
        let mut load = start_load(&daemon, &ledger, round).await;
        let enough = ledger.acknowledged() + 1 + random.below(ACKNOWLEDGED_MAX);
        let reached = tokio::time::timeout(RECOVERY, ledger.wait_for_acknowledged(enough)).await;
        reached.with_context(|| format!("round {round}: {ledger:?}"))?;
        tokio::time::sleep(Duration::from_micros(random.below(DELAY_US_MAX))).await;
        daemon = daemon.kill().await.start().await.with_context(|| format!("after kill {round}"))?;
        while let Some(ended) = load.join_next().await {
            ended.context("a part of the load failed")?;
        }
    }
    let mut load = start_load(&daemon, &ledger, rounds()).await;
    ledger.stop_creating();
    let recovered = tokio::time::timeout(RECOVERY, ledger.wait_until_all_completed()).await;
    recovered.with_context(|| format!("not all that was created was done: {ledger:?}"))?;
    load.shutdown().await;
    verdict::check(&daemon, &ledger).await
}

async fn told_to_stop_under_load_it_ends_well_and_loses_nothing(backend: Backend) -> anyhow::Result<()> {
    let ledger = Arc::new(Ledger::default());
    let daemon = configured(backend).start().await?;
    let mut load = start_load(&daemon, &ledger, 0).await;
    ledger.wait_for_acknowledged(100).await;
    let again = daemon.again();
    let (status, output) = daemon.terminate().await;
    anyhow::ensure!(status.success(), "{status}: {output}");
    while let Some(ended) = load.join_next().await {
        ended.context("a part of the load failed")?;
    }
    let daemon = again.start().await?;
    let mut load = start_load(&daemon, &ledger, 1).await;
    ledger.stop_creating();
    tokio::time::timeout(RECOVERY, ledger.wait_until_all_completed()).await.with_context(|| format!("{ledger:?}"))?;
    load.shutdown().await;
    verdict::check(&daemon, &ledger).await
}

fn configured(backend: Backend) -> orchestrator_testkit::Builder {
    let tasks = json!({"sweepMs": 20, "leaseMs": 1_000, "maxAttempts": 100, "backoff": {"initialMs": 1, "capMs": 10}});
    let agents = json!({"program": shell("echo done", &["run"], 4)});
    let config = json!({"tasks": tasks, "agents": agents, "sessions": {"heartbeatMs": 200}});
    Daemon::builder().backend(backend).without_rate_limits().config(config)
}

/// Creators, workers that claim by themselves, and somebody who listens; each ends when its connection does.
async fn start_load(daemon: &Daemon, ledger: &Arc<Ledger>, round: u64) -> JoinSet<()> {
    let mut load = JoinSet::new();
    load.spawn(load::listen(daemon.admin().await, ledger.clone()));
    for creator in 0..2 {
        load.spawn(Load { socket: daemon.admin().await, ledger: ledger.clone() }.create(format!("{round}-{creator}")));
    }
    for worker in ["worker-1", "worker-2"] {
        load.spawn(Load { socket: daemon.admin().await, ledger: ledger.clone() }.work(worker));
    }
    load
}

/// SplitMix64: moments need to be spread, not secret.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own setting, not a program's")]
fn rounds() -> u64 {
    std::env::var("ORCHESTRATOR_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

#[expect(clippy::disallowed_methods, reason = "a test's own setting, not a program's")]
fn seed() -> u64 {
    let given = std::env::var("ORCHESTRATOR_KILL_SEED").ok();
    let given = given.and_then(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok());
    given.unwrap_or_else(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0))
}
