//! The composition root: every part made once and handed to those that need it. Nothing runs yet.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_agents::Registry;
use orchestrator_auth::{Auth, Secret};
use orchestrator_events::{Hub, Numbering, SqlLog, SqlWindows, Windows};
use orchestrator_events_redis::RedisRelay;
use orchestrator_gateway::{Gateway, Peers, Tls, TlsFiles};
use orchestrator_redact::Redactor;
use orchestrator_rpc::{Dispatcher, Table};
use orchestrator_sessions::{Node, Parts, Sessions};
use orchestrator_sql::{Database, Options};
use orchestrator_supervisor::Supervisor;
use orchestrator_tasks::{Backlog, SqlStore};
use orchestrator_telemetry::{Level, Metrics, Redaction};
use orchestrator_vocab::{Clock, EventId, SystemClock};
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::adapters::{FromRegistry, OnBacklog, Programs, ToSessions};
use crate::config::Config;
use crate::configuration::{Configuration, Journal};
use crate::files::DataDir;
use crate::keys::Keys;
use crate::live::{Live, RateLimits};
use crate::metrics::Gauges;
use crate::{metrics, models, operations, reactions, redis, stacks};

/// How much of a data directory's id is added to the daemon's name to tell it from others.
const NODE_DIGITS: usize = 8;

pub(crate) struct Daemon {
    /// As it was at the start; what may have changed since is asked of `configuration`.
    pub(crate) config: Config,
    pub(crate) configuration: Configuration,
    pub(crate) programs: Programs,
    pub(crate) retention_days: watch::Sender<Option<u32>>,
    pub(crate) data: DataDir,
    pub(crate) database: Database,
    pub(crate) log: SqlLog,
    pub(crate) hub: Hub,
    pub(crate) keys: Keys,
    pub(crate) auth: Auth,
    pub(crate) registry: Registry,
    pub(crate) backlog: Backlog,
    pub(crate) metrics: Metrics,
    pub(crate) gauges: Gauges,
    pub(crate) gateway: Gateway,
    pub(crate) supervisor: Supervisor,
    pub(crate) sessions: Sessions,
    /// Cancelled to end the daemon from within.
    pub(crate) stop: CancellationToken,
    pub(crate) lost_tasks: Arc<reactions::StopSessions>,
}

/// What hides secrets at every sink; knows those of the configuration.
pub(crate) fn redactor(config: &Config) -> Redactor {
    let password = redis::password(config);
    let auth = &config.auth;
    let secrets = [
        ("jwt-secret", &auth.jwt_secret),
        ("jwt-secret", &auth.jwt_secret_previous),
        ("jwt-key", &auth.ed25519_key),
        ("jwt-key", &auth.ed25519_key_previous),
        ("database-url", &config.database.url),
        ("redis-url", &config.redis.url),
        ("redis-password", &password),
    ];
    let known = secrets.into_iter().filter_map(|(name, secret)| Some((name, secret.as_ref()?)));
    let builder = match config.redaction.personal_data {
        true => Redactor::builder().personal_data(),
        false => Redactor::builder(),
    };
    let builder = known.fold(builder, |builder, (name, secret)| builder.secret(name, secret));
    let builder = config.models.secrets().fold(builder, |builder, (_, secret)| builder.secret("model-key", secret));
    let headers = config.telemetry.otlp.secrets();
    headers.iter().fold(builder, |builder, (name, secret)| builder.secret(name, secret)).build()
}

/// What agents print. A line of JSON stays JSON, also if a number in it is hidden.
fn redact_line(redactor: &Redactor, line: String) -> String {
    let Cow::Owned(redacted) = redactor.redact(&line) else { return line };
    match serde_json::from_str(&line) {
        Ok(value) => redactor.redact_json(value).to_string(),
        Err(_) => redacted,
    }
}

impl Daemon {
    pub(crate) async fn compose(configuration: Configuration, data: DataDir, level: Level) -> anyhow::Result<Self> {
        let (config, redactor) = (configuration.current().running.clone(), configuration.redactor());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let metrics = Metrics::new(redaction(redactor));
        let relay = redis::open(&config, clock.clone())?;
        let (database, log, hub) = open_database(&config, &data, redactor, relay.clone()).await?;
        let auth = open_auth(&config, &data, &database, clock.clone()).await?;
        let registry =
            Registry::open(database.clone(), config.definitions(), clock.clone(), config.registry.clone()).await?;
        let store = Arc::new(SqlStore::open(database.clone(), clock.clone()).await?);
        let backlog = Backlog::new(store, config.tasks.clone())?;
        let sessions = open_sessions(&config, &data, &database, &hub, &backlog, redactor, clock.clone()).await?;
        let supervisor = Supervisor::default();
        metrics::follow(&hub, &metrics)?;
        reactions::health_of_agents(&hub, registry.clone());

        let router = models::open(&config, &metrics, redactor, clock.clone())?;
        let gauges = Gauges::new(&metrics, &backlog, &sessions, &hub, (&log, relay, router.clone()));
        let windows = open_windows(&config, &data, &hub, &log)?;
        let (peers, totals) = (Peers::default(), operations::Totals::listen(&hub));
        let lost_tasks = reactions::StopSessions::listen(&hub, sessions.clone());
        let node = node_name(&config, &data)?;
        let status = operations::StatusOf::new(&config.daemon.name, node, &database, &clock, &gauges, &supervisor);
        let doctor = operations::Doctor::new(&database, &data, &auth, &status);
        let (limits, description) = (RateLimits::new(&config), operations::Description::default());
        let table = Table::new()
            .merge(orchestrator_tasks::operations(
                backlog.clone(),
                Arc::new(FromRegistry(registry.clone())),
                hub.log().clone(),
            ))
            .merge(orchestrator_agents::operations(&registry))
            .merge(orchestrator_sessions::operations(&sessions))
            .merge(orchestrator_models::operations(&router, &hub, redactor))
            .merge(orchestrator_auth::operations(&auth))
            .merge(orchestrator_events::operations(hub.log().clone()))
            .merge(orchestrator_gateway::operations(hub.clone(), peers.clone()))
            .merge(operations::health(status.clone(), totals, peers.clone()))
            .merge(operations::table(status.clone(), registry.clone(), doctor, description.clone()))
            .merge(operations::config(&configuration))
            .with_discovery(clock.clone());
        let keys = Keys::open(database.clone(), clock.clone()).await.context("cannot open the idempotency keys")?;
        let guards = (redactor, keys.clone());
        let gateway = open_gateway(&config, Dispatcher::new(table)?, &auth, guards, status, (peers, windows, &limits))?;
        description.set(gateway.openapi());
        gauges.counters.get_or_init(|| gateway.counters().clone());
        let daemon = Self {
            programs: Programs::of(&config),
            retention_days: watch::Sender::new(config.events.retention_days),
            config,
            configuration,
            data,
            database,
            log,
            hub,
            keys,
            auth,
            registry,
            backlog,
            metrics,
            gauges,
            gateway,
            supervisor,
            sessions,
            stop: CancellationToken::new(),
            lost_tasks,
        };
        daemon.connect(level, limits, clock);
        Ok(daemon)
    }

    /// Lets the configuration reach the parts it may change.
    fn connect(&self, log: Level, limits: RateLimits, clock: Arc<dyn Clock>) {
        let live = Live {
            log,
            limits,
            gateway: self.gateway.clone(),
            backlog: self.backlog.clone(),
            registry: self.registry.clone(),
            programs: self.programs.clone(),
            sessions: self.sessions.clone(),
            retention_days: self.retention_days.clone(),
        };
        let journal = Journal { database: self.database.clone(), clock, metrics: self.metrics.clone() };
        self.configuration.connect(live, journal);
    }
}

impl Daemon {
    /// Where the scheduler's claims go.
    pub(crate) fn dispatch(&self) -> ToSessions {
        ToSessions { sessions: self.sessions.clone(), backlog: self.backlog.clone(), programs: self.programs.clone() }
    }
}

/// Daemons that share a database may bear the same name, and must not take each other's sessions for their own.
fn node_name(config: &Config, data: &DataDir) -> anyhow::Result<String> {
    let owner = data.node()?;
    let unique = &owner[owner.len().saturating_sub(NODE_DIGITS)..];
    Ok(format!("{}-{unique}", config.daemon.name))
}

async fn open_sessions(
    config: &Config,
    data: &DataDir,
    database: &Database,
    hub: &Hub,
    backlog: &Backlog,
    redactor: &Redactor,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Sessions> {
    let redactor = redactor.clone();
    let node = Node {
        name: node_name(config, data)?,
        epoch: u64::try_from(clock.now().millis()).unwrap_or_default(),
        owner: data.node()?,
    };
    let parts = Parts {
        store: Arc::new(orchestrator_sessions::SqlStore::open(database.clone()).await?),
        work: Arc::new(OnBacklog(backlog.clone())),
        hub: hub.clone(),
        clock,
        node,
        config: config.sessions(),
        filter: Some(Arc::new(move |line| redact_line(&redactor, line))),
    };
    Ok(Sessions::new(parts)?)
}

/// Brings every domain's tables up to date.
pub(crate) async fn open_domains(database: &Database) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    SqlLog::open(database.clone(), &Numbering::default()).await?;
    SqlStore::open(database.clone(), clock.clone()).await?;
    Keys::open(database.clone(), clock.clone()).await?;
    Registry::open(database.clone(), Vec::new(), clock, orchestrator_agents::Config::default()).await?;
    orchestrator_sessions::SqlStore::open(database.clone()).await?;
    // Nothing is signed with it: the tables are what is wanted.
    let unused = orchestrator_auth::Secret::new(format!("{}{}", EventId::new(), EventId::new()))?;
    Auth::open(database.clone(), &unused, orchestrator_auth::Config::default().lifetime(), Arc::new(SystemClock))
        .await?;
    Ok(())
}

pub(crate) fn redaction(redactor: &Redactor) -> Redaction {
    let redactor = redactor.clone();
    Redaction::new(move |text| redactor.redact(text))
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

async fn open_auth(
    config: &Config,
    data: &DataDir,
    database: &Database,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Auth> {
    let keys = config.auth.keys(data.path())?;
    let auth = Auth::open(database.clone(), keys, config.auth.lifetime(), clock).await?;
    auth.ensure_administrator(&data.admin_token()).await?;
    Ok(auth)
}

/// Beside the log. Tokens are signed by a key of their own: derived from the signing secret that daemons may share, otherwise
/// from a file that is made once.
fn open_windows(config: &Config, data: &DataDir, hub: &Hub, log: &SqlLog) -> anyhow::Result<Windows> {
    let secret = match &config.auth.jwt_secret {
        Some(secret) => Secret::new(secret.expose_secret())?,
        None => Secret::load_or_create(&data.resume_key())?,
    };
    let key = secret.derive("resume tokens");
    let store = Arc::new(SqlWindows::beside(log));
    Ok(Windows::new(hub.clone(), store, &key, Arc::new(SystemClock), config.events.windows.clone())?)
}

fn open_gateway(
    config: &Config,
    dispatcher: Dispatcher,
    auth: &Auth,
    (redactor, keys): (&Redactor, Keys),
    status: operations::StatusOf,
    (peers, windows, limits): (Peers, Windows, &RateLimits),
) -> anyhow::Result<Gateway> {
    let gauges = status.gauges.clone();
    let table = dispatcher.table().clone();
    let calls = stacks::client_calls(
        dispatcher,
        &gauges.metrics,
        limits.per_credential.clone(),
        redactor,
        config.telemetry.otlp.sample_ratio,
        keys,
    );
    let mut builder = Gateway::builder(table, calls, Arc::new(auth.clone()))
        .config(config.gateway())
        .limits(limits.per_address.clone())
        .readiness(Arc::new(status.loops.clone()))
        .server("orchestrator-daemon", env!("CARGO_PKG_VERSION"))
        .events(operations::EVENTS)
        .peers(peers)
        .windows(windows);
    let jwks = "/.well-known/jwks.json";
    let status_schema = orchestrator_rpc::schema_of_output::<operations::Status>();
    builder = builder
        .open_page(jwks, "application/json", operations::key_set(auth.clone()))
        .describe_page(jwks, "The keys that verify this daemon's tokens (RFC 7517)", Some(operations::key_set_schema()))
        .page("/status", "application/json", operations::status_page(status))
        .describe_page("/status", "How the daemon is doing", Some(status_schema));
    if config.metrics.enabled {
        let path = &config.metrics.path;
        builder = builder.page(path, metrics::CONTENT_TYPE, operations::metrics_page(gauges)).describe_page(
            path,
            "Metrics of the daemon as Prometheus reads them, for the operator's organisation",
            None,
        );
    }
    if let (Some(certificate), Some(key)) = (config.tls.cert.clone(), config.tls.key.clone()) {
        builder = builder.tls(Tls::load(TlsFiles { certificate, key })?);
    }
    Ok(builder.build()?)
}
