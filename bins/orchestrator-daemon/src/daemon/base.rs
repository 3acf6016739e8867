use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_events::{Hub, Numbering, SqlLog};
use orchestrator_events_redis::RedisRelay;
use orchestrator_redact::Redactor;
use orchestrator_security::emergency::SqlStore as EmergencyStore;
use orchestrator_security::{Audit, Emergency, Parts, Signer};
use orchestrator_sql::{Database, Options};
use orchestrator_telemetry::Metrics;
use orchestrator_vocab::{Clock, SystemClock};
use secrecy::ExposeSecret as _;

use super::redaction;
use crate::config::Config;
use crate::files::DataDir;
use crate::redis;

/// What every domain stands on.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    /// What carries events to other daemons, if it is configured.
    pub(crate) relay: Option<RedisRelay>,
    pub(crate) database: Database,
    pub(crate) log: SqlLog,
    pub(crate) hub: Hub,
    /// Where every decision is written down.
    pub(crate) audit: Audit,
    /// Whether everything is to stand still.
    pub(crate) emergency: Emergency,
}

impl Base {
    pub(super) async fn open(config: &Config, data: &DataDir, redactor: &Redactor) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let metrics = Metrics::new(redaction(redactor));
        let relay = redis::open(config, clock.clone())?;
        let audit = open_audit(config, data, clock.clone())?;
        let (database, log, hub) = open_database(config, data, redactor, relay.clone()).await?;
        let emergency = open_emergency(&database, &clock).await?;
        Ok(Self { clock, metrics, relay, database, log, hub, audit, emergency })
    }
}

/// Who does not know whether everything is stopped starts nothing.
async fn open_emergency(database: &Database, clock: &Arc<dyn Clock>) -> anyhow::Result<Emergency> {
    let store = EmergencyStore::open(database.clone()).await?;
    let opened = Emergency::open(Arc::new(store), clock.clone()).await;
    opened.context("cannot tell whether an emergency stop is in force")
}

fn open_audit(config: &Config, data: &DataDir, clock: Arc<dyn Clock>) -> anyhow::Result<Audit> {
    let signer = Signer::open(&data.audit_key())?;
    let parts = Parts { directory: data.audit(), signer, clock, config: config.audit.clone() };
    Audit::open(parts).context("cannot open the audit log (`orchestrator audit verify --directory` tells more)")
}

async fn open_database(
    config: &Config,
    data: &DataDir,
    redactor: &Redactor,
    relay: Option<RedisRelay>,
) -> anyhow::Result<(Database, SqlLog, Hub)> {
    let redactor = redactor.clone();
    let url = match &config.database.url {
        Some(url) => url.expose_secret().to_owned(),
        None => format!("sqlite:{}", data.database().display()),
    };
    let mut numbering = Numbering::default().with_filter(move |payload| redactor.redact_json(payload));
    if let Some(relay) = relay.clone() {
        numbering = numbering.with_relay(Arc::new(relay));
    }
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect(&url, options).await.context("cannot open the database")?;
    let log = SqlLog::open(database.clone(), &numbering).await.context("cannot open the event log")?;
    let mut hub = Hub::new(Arc::new(log.clone()));
    if let Some(relay) = relay {
        hub = hub.with_relay(Arc::new(relay));
    }
    hub.start().await?;
    Ok((database, log, hub))
}
