use std::collections::BTreeMap;
use std::sync::Arc;

use orchestrator_gateway::Readiness as _;
use orchestrator_security::emergency::Standing;
use orchestrator_sql::{Backend, Database};
use orchestrator_supervisor::State;
use orchestrator_vocab::{Clock, OrgId, Timestamp};
use schemars::JsonSchema;
use sea_orm::ConnectionTrait as _;
use serde::Serialize;
use tokio::time::Instant;

use crate::adapters::Loops;
use crate::metrics::Gauges;
use crate::redis;

/// Where the numbers of `daemon.status` come from.
#[derive(Clone)]
pub(crate) struct StatusOf {
    pub(crate) name: String,
    /// The name with what tells it from daemons of the same name.
    pub(crate) node: String,
    pub(crate) database: Database,
    pub(crate) started_at: Timestamp,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gauges: Gauges,
    pub(crate) loops: Loops,
}

/// How the daemon is doing.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DaemonStatus")]
pub(crate) struct Status {
    /// `running`, or `degraded` while a part of it does not run.
    health: Health,
    /// What is wrong, while it is degraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    version: &'static str,
    name: String,
    /// This daemon among those that share its database.
    node: String,
    role: Role,
    started_at: Timestamp,
    uptime_seconds: u64,
    database: DatabaseStatus,
    /// Tasks by status; for the operator's organisation, those of all.
    tasks: BTreeMap<String, u64>,
    /// Tasks that could be claimed now.
    ready: u64,
    /// How long the oldest of them has waited, in milliseconds.
    oldest_ready_ms: u64,
    /// The organisation's sessions by status, of all daemons, the ended ones as long as they are kept.
    sessions_by_status: BTreeMap<String, u64>,
    /// For the operator's organisation only, as the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Sessions>,
    /// Open WebSocket subscriptions.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscriptions: Option<usize>,
    /// What carries events to other daemons, if it is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<redis::Status>,
    /// Those who run language models, for the operator's organisation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    providers: Option<Vec<orchestrator_models::ProviderStatus>>,
    /// Present while an emergency stop concerns the organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    emergency: Option<Standing>,
    /// The parts that run by themselves.
    loops: Vec<Loop>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Health {
    Running,
    Degraded,
}

/// What a daemon is to the others.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Role {
    /// It decides alone what it does.
    Standalone,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DatabaseStatus {
    backend: BackendName,
    /// How long it took to answer a question without content, in milliseconds.
    round_trip_ms: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum BackendName {
    Sqlite,
    Postgresql,
}

/// Of this daemon.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SessionSlots")]
struct Sessions {
    active: usize,
    free: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Loop {
    name: String,
    state: LoopState,
    restarts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum LoopState {
    Running,
    BackingOff,
    Failed,
    Stopped,
}

impl StatusOf {
    /// Of a daemon that starts now.
    pub(crate) fn new(
        name: &str,
        node: String,
        database: &Database,
        clock: &Arc<dyn Clock>,
        gauges: &Gauges,
        loops: Loops,
    ) -> Self {
        Self {
            name: name.to_owned(),
            node,
            database: database.clone(),
            started_at: clock.now(),
            clock: clock.clone(),
            gauges: gauges.clone(),
            loops,
        }
    }
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
            health: if problem.is_none() { Health::Running } else { Health::Degraded },
            problem,
            version: env!("CARGO_PKG_VERSION"),
            name: self.name.clone(),
            node: self.node.clone(),
            role: Role::Standalone,
            database: self.asked_database().await?,
            started_at: self.started_at,
            uptime_seconds: self.clock.now().since(self.started_at).as_secs(),
            tasks,
            ready: counted.counts.ready,
            oldest_ready_ms: u64::try_from(counted.oldest_ready.as_millis()).unwrap_or(u64::MAX),
            sessions_by_status: self.sessions_by_status(org).await?,
            sessions: is_operator
                .then(|| Sessions { active: self.gauges.sessions.active(), free: self.gauges.sessions.free() }),
            subscriptions: is_operator.then(|| self.gauges.hub.subscribers()),
            redis: self.gauges.relay.as_ref().filter(|_| is_operator).map(|relay| relay.health().into()),
            providers: is_operator.then(|| self.gauges.models.status()),
            emergency: Some(Standing::of(&self.gauges.emergency, org)).filter(|standing| standing.stopped),
            loops: self.loops.supervisor.status().into_iter().map(described).collect(),
        })
    }
}

impl StatusOf {
    async fn asked_database(&self) -> anyhow::Result<DatabaseStatus> {
        let asked = Instant::now();
        self.database.reader().execute_unprepared("select 1").await?;
        let backend = match self.database.backend() {
            Backend::Sqlite => BackendName::Sqlite,
            Backend::Postgres => BackendName::Postgresql,
        };
        Ok(DatabaseStatus { backend, round_trip_ms: asked.elapsed().as_secs_f64() * 1_000.0 })
    }

    async fn sessions_by_status(&self, org: OrgId) -> anyhow::Result<BTreeMap<String, u64>> {
        let counts = self.gauges.sessions.counts(org).await?;
        Ok(counts.into_iter().map(|(status, count)| (status.to_string(), count)).collect())
    }
}

fn described(status: orchestrator_supervisor::Status) -> Loop {
    let state = match status.state {
        State::Running => LoopState::Running,
        State::BackingOff => LoopState::BackingOff,
        State::Failed => LoopState::Failed,
        _ => LoopState::Stopped,
    };
    Loop { name: status.name, state, restarts: status.restarts, last_error: status.last_error }
}
