use std::sync::Arc;

use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::Database;
use orchestrator_telemetry::Metrics;
use orchestrator_vocab::{Actor, Clock, OrgId};
use serde_json::{Value, json};

use super::Trigger;
use crate::config::changes::Changes;

/// Where it is written down what became of a change: the event log, the log, a metric.
#[derive(Clone)]
pub(crate) struct Journal {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
}

impl Journal {
    pub(super) async fn reloaded(&self, changes: &Changes, trigger: &Trigger) {
        self.succeeded();
        let Changes { applied, restart } = changes;
        tracing::info!(trigger = trigger.as_str(), ?applied, ?restart, "the configuration was loaded");
        let payload = json!({ "trigger": trigger.as_str(), "applied": applied, "restart": restart });
        self.append("config.reloaded", payload, trigger.actor()).await;
    }

    pub(super) async fn refused(&self, reason: &str, trigger: &Trigger) {
        self.metrics.gauge("config_last_reload_successful", &[]).set(0.0);
        tracing::error!(trigger = trigger.as_str(), reason, "the configuration was refused; the old one stays");
        let payload = json!({ "trigger": trigger.as_str(), "reasons": [reason] });
        self.append("config.refused", payload, trigger.actor()).await;
    }

    pub(super) fn succeeded(&self) {
        self.metrics.gauge("config_last_reload_successful", &[]).set(1.0);
        let seconds = self.clock.now().millis() as f64 / 1_000.0;
        self.metrics.gauge("config_last_reload_success_timestamp_seconds", &[]).set(seconds);
    }

    /// It is done by now; that it cannot be written down does not undo it.
    async fn append(&self, name: &'static str, payload: Value, actor: Actor) {
        let event = NewEvent::new(OrgId::LOCAL, name, self.clock.now(), actor, payload);
        if let Err(error) = SqlLog::tell(&self.database, event).await {
            tracing::warn!(error = &error as &dyn std::error::Error, name, "an event could not be written");
        }
    }
}

impl Trigger {
    fn as_str(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Signal => "signal",
            Self::Reload(_) => "config.reload",
            Self::Set(_) => "config.set",
        }
    }

    fn actor(&self) -> Actor {
        match self {
            Self::File | Self::Signal => Actor::system("configuration"),
            Self::Reload(actor) | Self::Set(actor) => actor.clone(),
        }
    }
}
