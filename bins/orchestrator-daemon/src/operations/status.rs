use std::collections::BTreeMap;
use std::sync::Arc;

use orchestrator_gateway::Readiness as _;
use orchestrator_supervisor::State;
use orchestrator_vocab::{Clock, OrgId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::adapters::Loops;
use crate::metrics::Gauges;

/// Where the numbers of `daemon.status` come from.
#[derive(Clone)]
pub(crate) struct StatusOf {
    pub(crate) name: String,
    pub(crate) started_at: Timestamp,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gauges: Gauges,
    pub(crate) loops: Loops,
}

/// How the daemon is doing.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// `running`, or `degraded` while a part of it does not run.
    health: &'static str,
    /// What is wrong, while it is degraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    version: &'static str,
    name: String,
    started_at: Timestamp,
    uptime_seconds: u64,
    /// Tasks by status; for the operator's organisation, those of all.
    tasks: BTreeMap<String, u64>,
    /// Tasks that could be claimed now.
    ready: u64,
    /// How long the oldest of them has waited, in milliseconds.
    oldest_ready_ms: u64,
    /// For the operator's organisation only, as the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Sessions>,
    /// Open WebSocket subscriptions.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscriptions: Option<usize>,
    /// The parts that run by themselves.
    loops: Vec<Loop>,
}

/// Of this daemon.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Sessions {
    active: usize,
    free: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Loop {
    name: String,
    state: &'static str,
    restarts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

impl StatusOf {
    /// No organisation sees how much others have to do, except the operator's.
    pub(crate) async fn read(&self, org: OrgId) -> anyhow::Result<Status> {
        let is_operator = org == OrgId::LOCAL;
        let counted = if is_operator { self.gauges.tasks().await? } else { self.gauges.tasks_of(org).await? };
        let mut tasks = BTreeMap::<String, u64>::new();
        for ((status, _), count) in &counted.counts.tasks {
            *tasks.entry(status.to_string()).or_default() += count;
        }
        let problem = self.loops.unready();
        Ok(Status {
            health: if problem.is_none() { "running" } else { "degraded" },
            problem,
            version: env!("CARGO_PKG_VERSION"),
            name: self.name.clone(),
            started_at: self.started_at,
            uptime_seconds: self.clock.now().since(self.started_at).as_secs(),
            tasks,
            ready: counted.counts.ready,
            oldest_ready_ms: u64::try_from(counted.oldest_ready.as_millis()).unwrap_or(u64::MAX),
            sessions: is_operator
                .then(|| Sessions { active: self.gauges.sessions.active(), free: self.gauges.sessions.free() }),
            subscriptions: is_operator.then(|| self.gauges.hub.subscribers()),
            loops: self.loops.0.status().into_iter().map(described).collect(),
        })
    }
}

fn described(status: orchestrator_supervisor::Status) -> Loop {
    let state = match status.state {
        State::Running => "running",
        State::BackingOff => "backing-off",
        State::Failed => "failed",
        _ => "stopped",
    };
    Loop { name: status.name, state, restarts: status.restarts, last_error: status.last_error }
}
