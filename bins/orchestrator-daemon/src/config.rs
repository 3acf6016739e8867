//! Everything an operator can decide, in one tree: each domain's own `Config`, nested.

mod agents;
mod cassette;
pub(crate) mod changes;
pub(crate) mod keys;
mod keys_of_agents;
mod keys_of_budget;
mod keys_of_coding;
mod keys_of_hooks;
mod keys_of_mcp;
mod keys_of_memory;
mod keys_of_models;
mod keys_of_notify;
mod keys_of_parts;
mod keys_of_sandbox;
mod keys_of_security;
mod keys_of_skills;
mod keys_of_workspaces;
mod mcp;
mod memory;
mod models;
mod names;
mod notify;
mod reading;
pub(crate) mod reference;
mod sandbox;
mod security;
pub(crate) mod shown;
mod tools;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use orchestrator_agents::Definition;
use orchestrator_process::Sandbox;
use orchestrator_runtime_claude::{Claude, Dialect};
use orchestrator_settings::Loaded;
use orchestrator_vocab::AgentId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

pub(crate) use agents::AgentConfig;
pub(crate) use mcp::Mcp;
pub(crate) use models::{Models, ProviderConfig};
pub(crate) use notify::{Notify, Route};
pub(crate) use reading::Reading;
pub(crate) use security::{Labels, Outbound, PathPattern, Security};
pub(crate) use tools::Tools;

use crate::args::Args;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) daemon: Daemon,
    pub(crate) database: Database,
    pub(crate) redis: orchestrator_events_redis::Config,
    pub(crate) auth: orchestrator_auth::Config,
    pub(crate) audit: orchestrator_security::Config,
    /// Calls that wait for a person.
    pub(crate) approvals: orchestrator_security::ApprovalsConfig,
    pub(crate) rate_limit: orchestrator_auth::RateLimitConfig,
    pub(crate) cors: Cors,
    pub(crate) tls: Tls,
    pub(crate) gateway: orchestrator_gateway::Config,
    pub(crate) tasks: orchestrator_tasks::Config,
    pub(crate) events: Events,
    pub(crate) agents: BTreeMap<AgentId, AgentConfig>,
    /// The command lines that run agents of files, by the `runtime` of these.
    pub(crate) coding_agents: BTreeMap<Dialect, Claude>,
    pub(crate) agent_files: orchestrator_agents::FilesConfig,
    pub(crate) registry: orchestrator_agents::Config,
    pub(crate) sessions: orchestrator_sessions::Config,
    pub(crate) workspaces: orchestrator_workspaces::Config,
    pub(crate) models: Models,
    /// What models cost, and how much may be spent.
    pub(crate) budget: orchestrator_budget::Config,
    /// What is remembered, and how it is found again.
    pub(crate) memory: orchestrator_memory::Config,
    pub(crate) mcp: Mcp,
    /// Who is told of what.
    pub(crate) notify: Notify,
    /// What an agent that is a language model may use up.
    pub(crate) llm: orchestrator_runtime_llm::Limits,
    pub(crate) tools: Tools,
    pub(crate) sandbox: Sandbox,
    /// How confined programs are connected to the hosts that they may speak to.
    pub(crate) proxy: orchestrator_egress::ProxyConfig,
    pub(crate) security: Security,
    /// What agents may do by themselves, after a confirmation, and never.
    pub(crate) charters: orchestrator_charter::Config,
    /// What is asked and told before and after agents do something.
    pub(crate) hooks: orchestrator_hooks::Config,
    /// Directions for certain kinds of work.
    pub(crate) skills: orchestrator_skills::Config,
    pub(crate) metrics: Metrics,
    pub(crate) logging: orchestrator_telemetry::Config,
    pub(crate) redaction: Redaction,
    pub(crate) telemetry: Telemetry,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Daemon {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    /// What this daemon calls itself among others.
    pub(crate) name: String,
    pub(crate) data_dir: PathBuf,
    /// Sessions that may be active at once.
    pub(crate) max_sessions: usize,
    pub(crate) verbose: bool,
    pub(crate) heartbeat_interval_ms: u64,
    pub(crate) shutdown_timeout_ms: u64,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            host: IpAddr::from([127, 0, 0, 1]),
            port: 8787,
            name: "orchestrator".into(),
            data_dir: "data".into(),
            max_sessions: 100,
            verbose: false,
            heartbeat_interval_ms: 30_000,
            shutdown_timeout_ms: 10_000,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Database {
    /// `postgres://…`; without it, SQLite in the data directory.
    #[serde(serialize_with = "masked")]
    pub(crate) url: Option<SecretString>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Cors {
    pub(crate) enabled: bool,
    pub(crate) origins: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Tls {
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Events {
    /// For how many days events are kept; `null` for ever.
    pub(crate) retention_days: Option<u32>,
    /// What is kept for subscribers that are away.
    pub(crate) windows: orchestrator_events::WindowsConfig,
}

impl Default for Events {
    fn default() -> Self {
        Self { retention_days: Some(30), windows: orchestrator_events::WindowsConfig::default() }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Metrics {
    pub(crate) enabled: bool,
    /// A second listener, loopback only and without authentication, for a scraper on this machine.
    pub(crate) port: Option<u16>,
    pub(crate) path: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true, port: None, path: "/metrics".into() }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Telemetry {
    pub(crate) otlp: orchestrator_telemetry::OtlpConfig,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Redaction {
    /// Whether numbers of payment cards and bank accounts are hidden, as secrets are, in logs, errors, events, metrics
    /// and in what agents print. Switch it off where agents work with such numbers, or with long numbers that look alike.
    pub(crate) personal_data: bool,
}

impl Default for Redaction {
    fn default() -> Self {
        Self { personal_data: true }
    }
}

/// For programs that end at once: the configuration as the daemon would start with it.
pub(crate) fn load(args: &Args) -> anyhow::Result<Loaded<Config>> {
    Reading::new(args).load()
}

impl Config {
    /// Checks what one value alone cannot tell.
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        self.tasks.validate().context("tasks")?;
        self.gateway().validate().context("gateway")?;
        self.events.windows.validate().context("events.windows")?;
        ensure!((1..=100_000).contains(&self.daemon.max_sessions), "daemon.maxSessions: expected 1 to 100000");
        ensure!(self.daemon.shutdown_timeout_ms > 0, "daemon.shutdownTimeoutMs: expected 1 or more");
        ensure!(
            (1_000..=600_000).contains(&self.daemon.heartbeat_interval_ms),
            "daemon.heartbeatIntervalMs: expected 1000 to 600000"
        );
        self.auth
            .validate()
            .context("auth (auth.jwtSecret is DAEMON_JWT_SECRET, auth.ed25519Key is DAEMON_JWT_ED25519_KEY)")?;
        self.audit.validate().context("audit")?;
        self.approvals.validate().context("approvals")?;
        self.rate_limit.validate().context("rateLimit")?;
        ensure!(
            self.tls.cert.is_some() == self.tls.key.is_some(),
            "tls: cert and key are given together or not at all"
        );
        ensure!(self.metrics.path.starts_with('/'), "metrics.path: expected a path that starts with `/`");
        if let Some(url) = &self.database.url {
            let postgres = url.expose_secret().starts_with("postgres");
            ensure!(postgres, "database.url: expected postgres://… (leave it out for SQLite in the data directory)");
        }
        self.logging.validate().context("logging")?;
        self.telemetry.otlp.validate().context("telemetry")?;
        self.redis.validate().context("redis (redis.url is REDIS_URL)")?;
        self.registry.validate().context("registry")?;
        self.agent_files.validate().context("agentFiles")?;
        self.sessions().validate().context("sessions")?;
        let default = orchestrator_sessions::Config::default().max_active;
        ensure!(self.sessions.max_active == default, "sessions.maxActive: set daemon.maxSessions instead");
        ensure!(
            self.sessions.heartbeat_ms.saturating_mul(2) <= self.tasks.lease_ms,
            "sessions.heartbeatMs: expected at most half of tasks.leaseMs, or tasks are lost while they are worked on"
        );
        self.models.validate().context("models")?;
        self.mcp.validate().context("mcp")?;
        self.notify.validate().context("notify")?;
        self.budget.validate().context("budget")?;
        self.models
            .know(self.budget.degrade.models.iter().flat_map(<[_; 2]>::from))
            .context("budget.degrade.models")?;
        memory::validate(&self.memory, &self.models)?;
        self.llm.validate().context("llm")?;
        self.tools.validate().context("tools")?;
        self.validate_sandboxes()?;
        self.proxy.validate().context("proxy")?;
        self.charters.validate().context("charters")?;
        self.hooks.validate().context("hooks")?;
        self.skills.validate().context("skills")?;
        self.workspaces.validate().context("workspaces")?;
        for (name, agent) in &self.agents {
            agent.validate(name, &self.workspaces).with_context(|| format!("agents.{name}"))?;
        }
        for (name, agent) in &self.coding_agents {
            agent.validate().with_context(|| format!("codingAgents.{}", name.as_str()))?;
        }
        Ok(())
    }

    /// The directives of the log.
    pub(crate) fn log_level(&self) -> String {
        let is_default = self.logging.level == orchestrator_telemetry::Config::default().level;
        if self.daemon.verbose && is_default { "debug".to_owned() } else { self.logging.level.clone() }
    }

    /// What the registry knows of the agent programs.
    pub(crate) fn definitions(&self) -> Vec<Definition> {
        self.agents.iter().map(|(name, agent)| agent.definition(name)).collect()
    }

    pub(crate) fn sessions(&self) -> orchestrator_sessions::Config {
        orchestrator_sessions::Config { max_active: self.daemon.max_sessions, ..self.sessions.clone() }
    }

    /// Of the time a stop may take, what sessions get to finish; handing back and closing need the rest.
    pub(crate) fn sessions_finish(&self) -> Duration {
        Duration::from_millis(self.daemon.shutdown_timeout_ms * 2 / 5)
    }

    /// The gateway's configuration with what other sections decide about it.
    pub(crate) fn gateway(&self) -> orchestrator_gateway::Config {
        let mut gateway = self.gateway.clone();
        gateway.drain_timeout = Duration::from_millis(self.daemon.shutdown_timeout_ms / 5);
        gateway.ping_interval = Duration::from_millis(self.daemon.heartbeat_interval_ms);
        if self.cors.enabled {
            gateway.allowed_origins.extend(self.cors.origins.iter().cloned());
        }
        gateway
    }
}

/// Whether it is set, and nothing else.
fn masked<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| shown::MASK).serialize(serializer)
}

/// For `--check-config`: what was set, and where. Values are not shown, so there is nothing to mask.
pub(crate) fn show(loaded: &Loaded<Config>) {
    match &loaded.file {
        Some(file) => println!("{} is in order", file.display()),
        None => println!("no configuration file; the defaults are in order"),
    }
    for (key, source) in &loaded.sources {
        println!("{key}: {source}");
    }
    for warning in &loaded.warnings {
        println!("warning: {warning}");
    }
}
