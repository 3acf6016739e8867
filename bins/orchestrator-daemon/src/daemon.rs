//! The composition root: every part made once and handed to those that need it. Nothing runs yet.

mod base;
mod domains;
mod gateway;

use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_agents::Registry;
use orchestrator_auth::Auth;
use orchestrator_budget::Ledger;
use orchestrator_events::{Hub, Numbering, SqlLog};
use orchestrator_gateway::{Gateway, Peers};
use orchestrator_mcp::Servers;
use orchestrator_redact::Redactor;
use orchestrator_rpc::Dispatcher;
use orchestrator_security::{Audit, Emergency};
use orchestrator_sessions::Sessions;
use orchestrator_sql::Database;
use orchestrator_supervisor::Supervisor;
use orchestrator_tasks::{Backlog, SqlStore};
use orchestrator_telemetry::{Level, Metrics, Redaction};
use orchestrator_vocab::{Clock, EventId, SystemClock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::adapters::{
    Llms, Loops, Programs, Roster, ToSessions, Workplaces, elsewhere, let_go_of_what_was_erased, offer_operations,
};
use crate::config::Config;
use crate::configuration::{Configuration, Journal};
use crate::emergency::{self, Halting};
use crate::files::DataDir;
use crate::keys::Keys;
use crate::live::{Live, RateLimits};
use crate::metrics::Gauges;
use crate::notifications::{Notifications, Positions, ReadinessWatch};
use crate::{metrics, operations, reactions, redis, retirement};

pub(crate) use base::Base;
pub(crate) use domains::Domains;
use gateway::{open_gateway, open_windows};

/// How much of a data directory's id is added to the daemon's name to tell it from others.
const NODE_DIGITS: usize = 8;

pub(crate) struct Daemon {
    /// As it was at the start; what may have changed since is asked of `configuration`.
    pub(crate) config: Config,
    pub(crate) configuration: Configuration,
    pub(crate) programs: Programs,
    pub(crate) roster: Roster,
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
    pub(crate) workplaces: Workplaces,
    pub(crate) llms: Llms,
    pub(crate) audit: Audit,
    pub(crate) emergency: Emergency,
    pub(crate) followers: Followers,
    pub(crate) servers: Servers,
    pub(crate) ledger: Ledger,
    pub(crate) notifications: Notifications,
    pub(crate) readiness: ReadinessWatch,
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
    let builder = config.mcp.secrets().fold(builder, |builder, (_, secret)| builder.secret("mcp-secret", secret));
    let builder = config.notify.secrets().fold(builder, |builder, (_, secret)| builder.secret("notify-secret", secret));
    let builder = config.hooks.secrets().fold(builder, |builder, (_, secret)| builder.secret("hook-secret", secret));
    let headers = config.telemetry.otlp.secrets();
    headers.iter().fold(builder, |builder, (name, secret)| builder.secret(name, secret)).build()
}

impl Daemon {
    pub(crate) async fn compose(configuration: Configuration, data: DataDir, level: Level) -> anyhow::Result<Self> {
        let (config, redactor) = (configuration.current().running.clone(), configuration.redactor());
        let base = Base::open(&config, &data, redactor).await?;
        let domains = Domains::open(&config, &data, &base, redactor).await?;
        let Base { clock, metrics, database, hub, log, .. } = base.clone();
        let Domains { auth, registry, programs, roster, backlog, sessions, workplaces, llms, servers, ledger, .. } =
            domains.clone();
        let supervisor = Supervisor::default();
        listen(&base, &domains)?;
        let gauges = Gauges::new(&base, &domains);
        let windows = open_windows(&config, &data, &hub, &log)?;
        let (peers, totals) = (Peers::default(), operations::Totals::listen(&hub));
        let followers = Followers::listen(&base, &domains);
        let loops = Loops { supervisor: supervisor.clone(), audit: base.audit.clone() };
        let node = node_name(&config, &data)?;
        let (notifications, readiness) = open_notifications(&config, &data, &base, redactor, &loops).await?;
        let status = operations::StatusOf::new(&config.daemon.name, node, &database, &clock, &gauges, loops);
        let about = (&roster, &servers, &notifications.notifier, &llms);
        let doctor = operations::Doctor::new(&database, &data, &auth, &status, about, &configuration);
        let (limits, description) = (RateLimits::new(&config), operations::Description::default());
        let offered = orchestrator_mcp::Offered::default();
        let table = domains
            .table(&base, redactor, &config)
            .merge(orchestrator_gateway::operations(hub.clone(), peers.clone()))
            .merge(operations::health(status.clone(), totals, peers.clone()))
            .merge(operations::table(status.clone(), roster.clone(), doctor, description.clone()))
            .merge(operations::config(&configuration))
            .merge(operations::notify(notifications.notifier.clone()))
            .merge(orchestrator_mcp::operations(&offered))
            .with_discovery(clock.clone());
        offer_operations(llms.gate.registry(), table.clone(), &roster, &backlog)?;
        let keys = open_keys(&base, &domains).await?;
        let guards = (redactor, keys.clone(), base.audit.clone(), (base.emergency.clone(), llms.hooking.clone()));
        let parts = (peers, windows, &limits, offered);
        let gateway = open_gateway(&config, Dispatcher::new(table)?, &auth, guards, status, parts)?;
        description.set(gateway.openapi());
        gauges.counters.get_or_init(|| gateway.counters().clone());
        let daemon = Self {
            programs,
            roster,
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
            workplaces,
            llms,
            audit: base.audit,
            emergency: base.emergency,
            followers,
            servers,
            ledger,
            notifications,
            readiness,
        };
        daemon.connect(&domains, level, limits, clock);
        Ok(daemon)
    }

    /// Lets claims reach sessions, and the configuration the parts it may change.
    fn connect(&self, domains: &Domains, log: Level, limits: RateLimits, clock: Arc<dyn Clock>) {
        domains.work.connect(Arc::new(self.dispatch()));
        let live = Live {
            log,
            limits,
            gateway: self.gateway.clone(),
            backlog: self.backlog.clone(),
            roster: self.roster.clone(),
            sessions: self.sessions.clone(),
            workspaces: self.workplaces.workspaces.clone(),
            gate: self.llms.gate.clone(),
            skills: self.llms.skills.files.clone(),
            ledger: self.ledger.clone(),
            proxy: domains.proxy.clone(),
            retention_days: self.retention_days.clone(),
        };
        let journal = Journal { database: self.database.clone(), clock, metrics: self.metrics.clone() };
        self.configuration.connect(live, journal);
    }
}

impl Daemon {
    /// Where the scheduler's claims go.
    pub(crate) fn dispatch(&self) -> ToSessions {
        ToSessions {
            sessions: self.sessions.clone(),
            backlog: self.backlog.clone(),
            programs: self.programs.clone(),
            llms: self.llms.clone(),
            workplaces: self.workplaces.clone(),
            roster: self.roster.clone(),
        }
    }
}

/// What follows what happens, in its own time.
#[derive(Clone)]
pub(crate) struct Followers {
    pub(crate) lost_tasks: Arc<reactions::StopSessions>,
    pub(crate) answers: Arc<reactions::Answers>,
    pub(crate) going_on: reactions::GoOn,
    pub(crate) halting: Halting,
    pub(crate) left_workspaces: Arc<reactions::LeaveWorkspaces>,
    pub(crate) told_hooks: Arc<reactions::TellHooks>,
    pub(crate) concluding: Arc<reactions::Conclude>,
}

impl Followers {
    /// They listen from now on.
    fn listen(base: &Base, domains: &Domains) -> Self {
        let (hub, Domains { sessions, backlog, workplaces, llms, .. }) = (&base.hub, domains);
        let lost_tasks = reactions::StopSessions::listen(hub, sessions.clone());
        let answers = reactions::Answers::listen(hub, domains.approvals.clone(), sessions.clone(), base.audit.clone());
        let going_on = reactions::GoOn::new(sessions.clone(), backlog.clone(), lost_tasks.clone());
        let halting = Halting::new(base.emergency.clone(), sessions.clone(), going_on.clone());
        let left_workspaces = reactions::LeaveWorkspaces::listen(hub, workplaces.workspaces.clone());
        let told_hooks = reactions::TellHooks::listen(hub, llms.hooking.hooks.clone(), base.emergency.clone());
        let concluding = reactions::Conclude::listen(hub, llms.recorder.clone());
        Self { concluding, lost_tasks, answers, going_on, halting, left_workspaces, told_hooks }
    }
}

/// With them all places are known where something may have to be forgotten.
async fn open_keys(base: &Base, domains: &Domains) -> anyhow::Result<Keys> {
    let keys = Keys::open(base.database.clone(), base.clock.clone()).await;
    let keys = keys.context("cannot open the idempotency keys")?;
    domains.memories.reach(elsewhere(base, domains, &keys));
    Ok(keys)
}

/// What follows events from the first one on.
fn listen(base: &Base, domains: &Domains) -> anyhow::Result<()> {
    metrics::follow(&base.hub, &base.metrics)?;
    reactions::health_of_agents(&base.hub, domains.registry.clone());
    reactions::confirmed_tools(&base.hub, domains.servers.clone());
    reactions::confirmed_skills(&base.hub, domains.llms.skills.files.clone());
    emergency::follow(&base.hub, base.emergency.clone());
    let_go_of_what_was_erased(&base.hub, base.log.clone());
    Ok(())
}

/// Who is told of what happens, and what notices that the daemon is not ready.
async fn open_notifications(
    config: &Config,
    data: &DataDir,
    base: &Base,
    redactor: &Redactor,
    loops: &Loops,
) -> anyhow::Result<(Notifications, ReadinessWatch)> {
    let stores = (&base.database, &base.hub, &base.clock);
    let opening = Notifications::open(&config.notify, stores, (&base.metrics, redactor), data.node()?);
    let notifications = opening.await.context("notify")?;
    let readiness = ReadinessWatch {
        loops: loops.clone(),
        database: base.database.clone(),
        clock: base.clock.clone(),
        node: node_name(config, data)?,
        notifications: notifications.clone(),
    };
    Ok((notifications, readiness))
}

/// Daemons that share a database may bear the same name, and must not take each other's sessions for their own.
fn node_name(config: &Config, data: &DataDir) -> anyhow::Result<String> {
    let owner = data.node()?;
    let unique = &owner[owner.len().saturating_sub(NODE_DIGITS)..];
    Ok(format!("{}-{unique}", config.daemon.name))
}

/// Brings every domain's tables up to date.
pub(crate) async fn open_domains(database: &Database) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    SqlLog::open(database.clone(), &Numbering::default()).await?;
    SqlStore::open(database.clone(), clock.clone()).await?;
    Keys::open(database.clone(), clock.clone()).await?;
    Registry::open(database.clone(), Vec::new(), clock, orchestrator_agents::Config::default()).await?;
    orchestrator_sessions::SqlStore::open(database.clone()).await?;
    orchestrator_workspaces::SqlStore::open(database.clone()).await?;
    orchestrator_mcp::SqlStore::open(database.clone()).await?;
    orchestrator_skills::SqlStore::open(database.clone()).await?;
    orchestrator_budget::SqlStore::open(database.clone()).await?;
    orchestrator_memory::SqlStore::open(database.clone()).await?;
    let parts = orchestrator_security::ApprovalsParts {
        database: database.clone(),
        clock: Arc::new(SystemClock),
        config: orchestrator_security::ApprovalsConfig::default(),
    };
    orchestrator_security::Approvals::open(parts).await?;
    orchestrator_security::emergency::SqlStore::open(database.clone()).await?;
    Positions::open(database.clone(), Arc::new(SystemClock), String::new()).await?;
    retirement::migrate(database).await?;
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
