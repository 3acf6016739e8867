//! What a new configuration is put into while the daemon runs: section by section, the part that it configures.

use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_auth::Limiter;
use orchestrator_budget::Ledger;
use orchestrator_egress::Proxy;
use orchestrator_gateway::{Gateway, Prepared};
use orchestrator_sessions::Sessions;
use orchestrator_tasks::Backlog;
use orchestrator_telemetry::Level;
use orchestrator_workspaces::Workspaces;
use tokio::sync::watch;

use crate::adapters::{Gate, PerAddress, Roster, SkillFiles};
use crate::config::Config;
use crate::stacks::Credential;

/// The limits that calls and requests are counted against.
#[derive(Debug, Clone)]
pub(crate) struct RateLimits {
    pub(crate) per_address: Arc<PerAddress>,
    pub(crate) per_credential: Arc<Limiter<Credential>>,
}

impl RateLimits {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            per_address: Arc::new(PerAddress::new(config.rate_limit.per_address())),
            per_credential: Arc::new(Limiter::configured(config.rate_limit.per_credential())),
        }
    }
}

/// Every part that can be configured anew.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) log: Level,
    pub(crate) limits: RateLimits,
    pub(crate) gateway: Gateway,
    pub(crate) backlog: Backlog,
    pub(crate) roster: Roster,
    pub(crate) sessions: Sessions,
    pub(crate) workspaces: Workspaces,
    pub(crate) gate: Gate,
    pub(crate) skills: SkillFiles,
    pub(crate) ledger: Ledger,
    pub(crate) proxy: Proxy,
    pub(crate) retention_days: watch::Sender<Option<u32>>,
}

impl Live {
    /// What can fail of it, without changing anything: also files that the configuration only names.
    pub(crate) fn prepare(&self, next: &Config) -> anyhow::Result<Prepared> {
        let gateway = self.gateway.prepare(next.gateway()).context("gateway")?;
        self.gateway.reload_tls().context("tls")?;
        Ok(gateway)
    }

    /// Puts a configuration in force that was validated, and prepared by [`Live::prepare`].
    ///
    /// # Errors
    /// None for such a configuration: each part only checks again what [`Config::validate`] has.
    pub(crate) fn apply(&self, next: &Config, gateway: Prepared) -> anyhow::Result<()> {
        self.log.set(&next.log_level())?;
        self.backlog.reconfigure(next.tasks.clone())?;
        self.roster.apply(next)?;
        self.skills.apply(next);
        self.sessions.set_max_active(next.daemon.max_sessions)?;
        self.workspaces.reconfigure(next.workspaces.clone())?;
        self.limits.per_address.reconfigure(next.rate_limit.per_address());
        self.limits.per_credential.reconfigure(next.rate_limit.per_credential());
        self.gate.reconfigure(&next.tools, &next.security.labels);
        self.ledger.reconfigure(&next.budget)?;
        self.proxy.reconfigure(next.proxy.clone())?;
        self.retention_days.send_replace(next.events.retention_days);
        gateway.apply();
        Ok(())
    }
}
