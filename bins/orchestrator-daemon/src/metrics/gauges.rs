use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use orchestrator_budget::Ledger;
use orchestrator_events::{Hub, SqlLog};
use orchestrator_events_redis::RedisRelay;
use orchestrator_gateway::{Counters, Snapshot};
use orchestrator_mcp::Servers;
use orchestrator_models::Router;
use orchestrator_security::{Approvals, Emergency};
use orchestrator_sessions::Sessions;
use orchestrator_tasks::{Backlog, Counts, Priority, Status};
use orchestrator_telemetry::Metrics;
use orchestrator_vocab::OrgId;
use tokio::time::Instant;

use super::{memory, spending};
use crate::daemon::{Base, Domains};
use crate::{models, redis};

/// Counting a large backlog is work for the database: not more often than this, however many ask.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// Organisations that are counted one by one; sums leave out those beyond.
const ORGS_MAX: usize = 1_000;

/// Reads what has no event: how things stand now.
#[derive(Clone)]
pub(crate) struct Gauges {
    pub(crate) metrics: Metrics,
    pub(crate) backlog: Backlog,
    pub(crate) sessions: Sessions,
    pub(crate) hub: Hub,
    pub(crate) log: SqlLog,
    /// What carries events to other daemons, if it is configured.
    pub(crate) relay: Option<RedisRelay>,
    /// Who spends how much.
    pub(crate) ledger: Ledger,
    /// Those who run language models.
    pub(crate) models: Router,
    servers: Servers,
    pub(crate) emergency: Emergency,
    approvals: Approvals,
    counted: Arc<Mutex<Option<(Instant, Tasks)>>>,
    /// The gateway's, once it is made; it needs the page that this renders.
    pub(crate) counters: Arc<OnceLock<Arc<Counters>>>,
    seen: Arc<Mutex<Snapshot>>,
}

/// How much there is to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    pub(crate) counts: Counts,
    pub(crate) oldest_ready: Duration,
}

impl Gauges {
    pub(crate) fn new(base: &Base, domains: &Domains) -> Self {
        Self {
            metrics: base.metrics.clone(),
            backlog: domains.backlog.clone(),
            sessions: domains.sessions.clone(),
            hub: base.hub.clone(),
            log: base.log.clone(),
            relay: base.relay.clone(),
            ledger: domains.ledger.clone(),
            models: domains.router.clone(),
            servers: domains.servers.clone(),
            emergency: base.emergency.clone(),
            approvals: domains.approvals.clone(),
            counted: Arc::default(),
            counters: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// Sets every gauge and renders the page.
    pub(crate) async fn page(&self) -> anyhow::Result<String> {
        let tasks = self.tasks().await?;
        for status in Status::ALL {
            for priority in Priority::ALL {
                let count = tasks.counts.tasks.get(&(status, priority)).copied().unwrap_or_default();
                let labels = [("status", status.as_str().into()), ("priority", priority.as_str().into())];
                self.metrics.gauge("tasks", &labels).set(count as f64);
            }
        }
        self.set("queue_ready", tasks.counts.ready as f64);
        self.set("queue_oldest_age_seconds", tasks.oldest_ready.as_secs_f64());
        let (active, free) = (self.sessions.active(), self.sessions.free());
        self.set("sessions_active", active as f64);
        self.set("sessions_max", (active + free) as f64);
        self.set("subscriptions_open", self.hub.subscribers() as f64);
        let reads = self.log.reads();
        for (source, total) in [("memory", reads.memory), ("relay", reads.relay), ("log", reads.log)] {
            self.metrics.counter("event_reads_total", &[("source", source.into())]).raise_to(total);
        }
        if let Some(relay) = &self.relay {
            redis::measure(relay, &self.metrics);
        }
        models::measure(&self.models, &self.metrics);
        let (connected, lost) = self.servers.counts();
        for (state, count) in [("connected", connected), ("lost", lost)] {
            self.metrics.gauge("mcp_servers", &[("state", state.into())]).set(count as f64);
        }
        self.stops();
        self.set("approvals_waiting", self.approvals.waiting().await? as f64);
        spending::measure(&self.ledger, &self.metrics).await?;
        if let Some(bytes) = memory::resident_bytes() {
            self.set("process_resident_memory_bytes", bytes as f64);
        }
        if let Some(counters) = self.counters.get() {
            self.connections(counters);
        }
        Ok(self.metrics.render())
    }

    /// The operator's order concerns all organisations, another one its own.
    fn stops(&self) {
        let (all, some): (Vec<OrgId>, Vec<OrgId>) =
            self.emergency.orders().orgs().partition(|org| *org == OrgId::LOCAL);
        for (scope, count) in [("daemon", all.len()), ("organisations", some.len())] {
            self.metrics.gauge("emergency_stopped", &[("scope", scope.into())]).set(count as f64);
        }
    }

    fn set(&self, name: &'static str, value: f64) {
        self.metrics.gauge(name, &[]).set(value);
    }

    /// The gateway counts by itself; what it added since the last look is added here.
    fn connections(&self, counters: &Counters) {
        let now = counters.snapshot();
        let before = std::mem::replace(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner), now);
        let plain = now.connections_open.saturating_sub(now.websockets_open);
        for (kind, open) in [("http", plain), ("websocket", now.websockets_open)] {
            self.metrics.gauge("connections_open", &[("kind", kind.into())]).set(open as f64);
        }
        self.metrics.counter("connections_total", &[]).add(now.connections.saturating_sub(before.connections));
        self.metrics.counter("http_requests_total", &[]).add(now.requests.saturating_sub(before.requests));
        self.metrics
            .counter("rate_limited_total", &[("by", "address".into())])
            .add(now.rate_limited.saturating_sub(before.rate_limited));
        for (reason, count) in [
            ("total", now.refused_total.saturating_sub(before.refused_total)),
            ("address", now.refused_address.saturating_sub(before.refused_address)),
            ("timeout", now.timed_out.saturating_sub(before.timed_out)),
            ("tls", now.tls_failed.saturating_sub(before.tls_failed)),
            ("origin", now.origin_refused.saturating_sub(before.origin_refused)),
            ("login", now.logins_failed.saturating_sub(before.logins_failed)),
        ] {
            self.metrics.counter("connections_refused_total", &[("reason", reason.into())]).add(count);
        }
    }

    /// Over all organisations.
    pub(crate) async fn tasks(&self) -> anyhow::Result<Tasks> {
        let kept = self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, tasks)) = kept
            && at.elapsed() < COUNT_EVERY
        {
            return Ok(tasks);
        }
        let tasks = self.count().await?;
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), tasks.clone()));
        Ok(tasks)
    }

    /// Of one organisation, counted when it asks: its calls are limited.
    pub(crate) async fn tasks_of(&self, org: OrgId) -> anyhow::Result<Tasks> {
        let counts = self.backlog.counts(org).await?;
        let oldest_ready = if counts.ready > 0 { self.backlog.oldest_ready(org).await? } else { None };
        Ok(Tasks { counts, oldest_ready: oldest_ready.unwrap_or_default() })
    }

    async fn count(&self) -> anyhow::Result<Tasks> {
        let mut sum = Tasks::default();
        let orgs: BTreeSet<OrgId> = self.hub.log().heads().await?.into_iter().map(|(org, _)| org).collect();
        for org in orgs.into_iter().take(ORGS_MAX) {
            let counts = self.backlog.counts(org).await?;
            sum.counts.ready += counts.ready;
            for (key, count) in counts.tasks {
                *sum.counts.tasks.entry(key).or_default() += count;
            }
            if counts.ready > 0 {
                sum.oldest_ready = sum.oldest_ready.max(self.backlog.oldest_ready(org).await?.unwrap_or_default());
            }
        }
        Ok(sum)
    }
}
