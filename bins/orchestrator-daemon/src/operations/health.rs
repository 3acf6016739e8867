use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_events::{Event, Hub};
use orchestrator_gateway::{Peers, Readiness as _};
use orchestrator_rpc::{Call, Error, NoParams, Operation, Scope, Table};
use orchestrator_sessions::Status as SessionStatus;
use orchestrator_supervisor::State;
use orchestrator_vocab::{OrgId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::StatusOf;

/// What sessions did since this daemon started, per organisation: a projection of their events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals(Arc<Mutex<HashMap<OrgId, Sums>>>);

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    spawned: u64,
    tokens: u64,
    completed: u64,
    completed_ms: u64,
    failed: u64,
}

impl Totals {
    pub(crate) fn listen(hub: &Hub) -> Self {
        let totals = Self::default();
        let counting = totals.clone();
        hub.listen(move |event| counting.count(event));
        totals
    }

    fn count(&self, event: &Event) {
        if !matches!(&*event.name, "session.created" | "session.stopped") {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sums = all.entry(event.org).or_default();
        if event.name == "session.created" {
            sums.spawned += 1;
            return;
        }
        let metric = |name: &str| event.payload["metrics"][name].as_u64().unwrap_or_default();
        sums.tokens += metric("tokensUsed");
        match event.payload["status"].as_str() {
            Some("completed") => {
                sums.completed += 1;
                sums.completed_ms += metric("durationMs");
            }
            Some("failed") => sums.failed += 1,
            _ => {}
        }
    }

    fn of(&self, org: OrgId) -> Sums {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&org).copied().unwrap_or_default()
    }
}

/// How the daemon is doing, as clients of protocol v2 ask.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Health {
    status: Condition,
    /// Seconds since the start.
    uptime: u64,
    /// Of the caller's organisation, on all daemons.
    active_sessions: u64,
    /// WebSockets of the caller's organisation to this daemon.
    connected_clients: usize,
    /// The parts that run by themselves.
    subsystems: BTreeMap<String, Subsystem>,
    metrics: HealthMetrics,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Condition {
    Running,
    Degraded,
    Stopped,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Subsystem {
    status: Condition,
    last_check_at: Timestamp,
    errors: Vec<String>,
}

/// Of the caller's organisation, since this daemon started.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct HealthMetrics {
    total_sessions_spawned: u64,
    total_tokens_used: u64,
    /// Of completed sessions, from creation to end; 0 without one.
    average_response_time_ms: u64,
    /// Completed of all that were completed or failed, from 0 to 1; 1 without one.
    success_rate: f64,
}

/// `health.status`
pub(crate) fn table(status: StatusOf, totals: Totals, peers: Peers) -> Table {
    let report = move |call: Call, NoParams {}| {
        let (status, totals, peers) = (status.clone(), totals.clone(), peers.clone());
        async move { read(&status, &totals, &peers, call.org()).await }
    };
    let summary = "Tells how the daemon and its parts are doing";
    Table::new().with(Operation::new("health.status", Scope::Read, summary, report).read_only())
}

async fn read(status: &StatusOf, totals: &Totals, peers: &Peers, org: OrgId) -> Result<Health, Error> {
    let counts = status.gauges.sessions.counts(org).await?;
    let is_active = |status: &SessionStatus| {
        matches!(status, SessionStatus::Initializing | SessionStatus::Running | SessionStatus::Paused)
    };
    let now = status.clock.now();
    let parts = status.loops.supervisor.status().into_iter();
    Ok(Health {
        status: if status.loops.unready().is_none() { Condition::Running } else { Condition::Degraded },
        uptime: now.since(status.started_at).as_secs(),
        active_sessions: counts.iter().filter(|(status, _)| is_active(status)).map(|(_, count)| count).sum(),
        connected_clients: peers.count_of(org),
        subsystems: parts.map(|part| (part.name.clone(), subsystem(part, now))).collect(),
        metrics: metrics(totals.of(org)),
    })
}

fn subsystem(part: orchestrator_supervisor::Status, now: Timestamp) -> Subsystem {
    let status = match part.state {
        State::Running => Condition::Running,
        State::BackingOff => Condition::Degraded,
        _ => Condition::Stopped,
    };
    Subsystem { status, last_check_at: now, errors: part.last_error.into_iter().collect() }
}

fn metrics(sums: Sums) -> HealthMetrics {
    let ended = sums.completed + sums.failed;
    HealthMetrics {
        total_sessions_spawned: sums.spawned,
        total_tokens_used: sums.tokens,
        average_response_time_ms: sums.completed_ms.checked_div(sums.completed).unwrap_or_default(),
        success_rate: if ended == 0 { 1.0 } else { sums.completed as f64 / ended as f64 },
    }
}
