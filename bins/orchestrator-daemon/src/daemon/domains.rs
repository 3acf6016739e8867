use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use orchestrator_agents::Registry;
use orchestrator_auth::Auth;
use orchestrator_budget::{Ledger, Owner};
use orchestrator_charter::Charters;
use orchestrator_egress::Proxy;
use orchestrator_hooks::Hooks;
use orchestrator_mcp::Servers;
use orchestrator_memory::{Memories, MemoriesParts, Summarizer};
use orchestrator_models::{Attribution, Router};
use orchestrator_process::Host;
use orchestrator_redact::Redactor;
use orchestrator_rpc::Table;
use orchestrator_security::{Approvals, ApprovalsParts};
use orchestrator_sessions::{Node, Parts, Sessions};
use orchestrator_tasks::{Backlog, SqlStore};
use orchestrator_workspaces::Workspaces;

use super::{Base, node_name};
use crate::adapters::{
    Announcer, AtWork, ENFORCED, FromRegistry, Gate, GateParts, Hooking, InJournals, LabelRules, Llms, OnBacklog,
    Programs, Roster, SkillDesk, SkillFiles, Through, Waiting, Workplaces, counted_hooks, embedder, offer_skills,
    sandboxes,
};
use crate::config::Config;
use crate::files::DataDir;
use crate::remembering::{Recorder, Scribe};
use crate::stacks::StopLayer;
use crate::{models, operations};

/// Every domain, made once.
#[derive(Clone)]
pub(crate) struct Domains {
    pub(crate) auth: Auth,
    pub(crate) registry: Registry,
    pub(crate) programs: Programs,
    pub(crate) roster: Roster,
    pub(crate) backlog: Backlog,
    pub(crate) sessions: Sessions,
    pub(crate) work: OnBacklog,
    pub(crate) router: Router,
    pub(crate) workplaces: Workplaces,
    pub(crate) llms: Llms,
    pub(crate) servers: Servers,
    pub(crate) ledger: Ledger,
    pub(crate) charters: Charters,
    pub(crate) memories: Memories,
    pub(crate) approvals: Approvals,
    /// What connects confined programs to the hosts that they may speak to.
    pub(crate) proxy: Proxy,
}

impl Domains {
    pub(super) async fn open(
        config: &Config,
        data: &DataDir,
        base: &Base,
        redactor: &Redactor,
    ) -> anyhow::Result<Self> {
        let Base { clock, database, .. } = base;
        let auth = open_auth(config, data, base).await?;
        let registry =
            Registry::open(database.clone(), config.definitions(), clock.clone(), config.registry.clone()).await?;
        let programs = Programs::default();
        let charters = Charters::new(&config.charters, ENFORCED);
        let announcer = Announcer { database: database.clone(), clock: clock.clone() };
        let roster = Roster::open(config, registry.clone(), programs.clone(), charters.clone(), announcer).await?;
        let store = Arc::new(SqlStore::open(database.clone(), clock.clone()).await?);
        let backlog = Backlog::new(store, config.tasks.clone())?;
        let work = OnBacklog::new(backlog.clone(), roster.clone());
        let (host, proxy) = sandboxes::host(config, data, base, redactor)?;
        let sessions = open_sessions(config, (data, &host), base, &work, redactor).await?;
        let ledger = open_ledger(config, data, base, &sessions).await?;
        roster.connect(&ledger);
        let router = models::open(
            config,
            &base.metrics,
            redactor,
            clock.clone(),
            (&ledger, &StopLayer(base.emergency.clone())),
        )?;
        let through = Through { router: router.clone(), clock: clock.clone(), attribution: Attribution::default() };
        let scribe = Scribe::new(&config.memory, through.clone(), base.emergency.clone(), (redactor, &base.metrics));
        let memories = open_memories(config, base, (&router, redactor, &scribe)).await?;
        let workplaces = open_workplaces(config, data, base, &work, &sessions).await?;
        let approvals = open_approvals(config, base).await?;
        let gate = open_gate(config, &host, base, (&charters, redactor, &approvals))?;
        let servers = open_servers(config, host.clone(), base, &gate).await?;
        let llms = Llms {
            through,
            gate,
            hooking: open_hooks(config, host, base, redactor)?,
            redactor: redactor.clone(),
            recorder: Recorder::new(memories.clone(), sessions.clone(), (backlog.clone(), roster.clone()), scribe),
            skills: SkillDesk { files: SkillFiles::open(config, data, base).await?, roster: roster.clone() },
        };
        offer_skills(llms.gate.registry(), &llms.skills)?;
        Ok(Self {
            auth,
            registry,
            programs,
            roster,
            backlog,
            sessions,
            work,
            router,
            workplaces,
            llms,
            servers,
            ledger,
            charters,
            memories,
            approvals,
            proxy,
        })
    }

    /// The operations that the domains declare.
    pub(super) fn table(&self, base: &Base, redactor: &Redactor, config: &Config) -> Table {
        let workforce = Arc::new(FromRegistry(self.roster.clone()));
        let gate = self.llms.gate.clone();
        let observe: orchestrator_charter::Observe =
            Arc::new(move |tool: &str, arguments: &_| gate.observe(tool, arguments));
        let (gate, hooking) = (self.llms.gate.clone(), self.llms.hooking.clone());
        Table::new()
            .merge(operations::tools(gate, hooking, config.tools.workspaces.clone()))
            .merge(orchestrator_tasks::operations(self.backlog.clone(), workforce, base.hub.log().clone()))
            .merge(orchestrator_agents::operations(&self.registry))
            .merge(orchestrator_charter::operations(&self.charters, observe))
            .merge(orchestrator_sessions::operations(&self.sessions))
            .merge(orchestrator_runtime_llm::operations(&self.sessions))
            .merge(orchestrator_workspaces::operations(&self.workplaces.workspaces))
            .merge(orchestrator_mcp::client_operations(&self.servers))
            .merge(orchestrator_models::operations(&self.router, &base.hub, redactor))
            .merge(orchestrator_budget::operations(&self.ledger))
            .merge(orchestrator_memory::operations(&self.memories))
            .merge(operations::reverting(&self.llms.recorder))
            .merge(orchestrator_hooks::operations(&self.llms.hooking.hooks))
            .merge(orchestrator_skills::operations(&self.llms.skills.files.skills))
            .merge(orchestrator_auth::operations(&self.auth))
            .merge(orchestrator_security::operations(&base.audit))
            .merge(orchestrator_security::approval_operations(&self.approvals, &base.audit))
            .merge(orchestrator_security::emergency::operations(&base.emergency))
            .merge(orchestrator_events::operations(base.hub.log().clone()))
    }
}

async fn open_auth(config: &Config, data: &DataDir, base: &Base) -> anyhow::Result<Auth> {
    let keys = config.auth.keys(data.path())?;
    let auth = Auth::open(base.database.clone(), keys, config.auth.lifetime(), base.clock.clone()).await?;
    auth.ensure_administrator(&data.admin_token()).await?;
    Ok(auth)
}

async fn open_sessions(
    config: &Config,
    (data, host): (&DataDir, &Host),
    base: &Base,
    work: &OnBacklog,
    redactor: &Redactor,
) -> anyhow::Result<Sessions> {
    let redactor = redactor.clone();
    let node =
        Node { name: node_name(config, data)?, epoch: u64::try_from(base.clock.now().millis()).unwrap_or_default() };
    let parts = Parts {
        store: Arc::new(orchestrator_sessions::SqlStore::open(base.database.clone()).await?),
        work: Arc::new(work.clone()),
        hub: base.hub.clone(),
        clock: base.clock.clone(),
        node,
        config: config.sessions(),
        host: host.clone(),
        filter: Some(Arc::new(move |line| redact_line(&redactor, line))),
    };
    Ok(Sessions::new(parts)?)
}

/// What was spent is told by the journals of sessions, as far as they go.
async fn open_ledger(config: &Config, data: &DataDir, base: &Base, sessions: &Sessions) -> anyhow::Result<Ledger> {
    let parts = orchestrator_budget::Parts {
        store: Arc::new(orchestrator_budget::SqlStore::open(base.database.clone()).await?),
        clock: base.clock.clone(),
        owner: Owner {
            node: node_name(config, data)?,
            epoch: u64::try_from(base.clock.now().millis()).unwrap_or_default(),
        },
        config: config.budget.clone(),
        witness: Arc::new(InJournals(sessions.clone())),
        vendors: config.models.vendors(),
    };
    Ledger::new(parts).context("budget")
}

/// Secrets are not remembered, by whomever they were said.
async fn open_memories(
    config: &Config,
    base: &Base,
    (router, redactor, scribe): (&Router, &Redactor, &Scribe),
) -> anyhow::Result<Memories> {
    let summarizer = config.memory.summary_model.as_ref().map(|_| Arc::new(scribe.clone()) as Arc<dyn Summarizer>);
    let redactor = redactor.clone();
    let parts = MemoriesParts {
        store: Arc::new(orchestrator_memory::SqlStore::open(base.database.clone()).await?),
        clock: base.clock.clone(),
        config: config.memory.clone(),
        embedder: embedder(&config.memory.embedder, router).await?,
        summarizer,
        filter: Some(Arc::new(move |text: String| redactor.redact(&text).into_owned())),
    };
    Memories::new(parts).context("memory")
}

async fn open_approvals(config: &Config, base: &Base) -> anyhow::Result<Approvals> {
    let parts =
        ApprovalsParts { database: base.database.clone(), clock: base.clock.clone(), config: config.approvals.clone() };
    Ok(Approvals::open(parts).await?)
}

/// Every tool that is built in, behind the operator's list.
fn open_gate(
    config: &Config,
    host: &Host,
    base: &Base,
    (charters, redactor, approvals): (&Charters, &Redactor, &Approvals),
) -> anyhow::Result<Gate> {
    let is_cut_off = sandboxes::cuts_off(config);
    let parts = GateParts {
        labels: LabelRules::new(&config.security.labels, is_cut_off, redactor),
        metrics: base.metrics.clone(),
        charters: charters.clone(),
        redactor: redactor.clone(),
        audit: base.audit.clone(),
        approvals: approvals.clone(),
        waiting: Waiting::listen(&base.hub, approvals.clone()),
        emergency: base.emergency.clone(),
    };
    let gate = Gate::new(&config.tools, parts);
    let mut tools = orchestrator_tools::file_tools();
    tools.extend(orchestrator_tools::command_tools(config.tools.command.clone(), config.sandbox.clone(), host.clone()));
    let client = orchestrator_egress::Client::new(config.tools.http.clone())?;
    tools.extend(orchestrator_tools::http_tools(client));
    gate.registry().replace("builtin", tools)?;
    Ok(gate)
}

fn open_hooks(config: &Config, host: Host, base: &Base, redactor: &Redactor) -> anyhow::Result<Hooking> {
    let parts = orchestrator_hooks::Parts {
        config: config.hooks.clone(),
        more: Vec::new(),
        redactor: redactor.clone(),
        clock: base.clock.clone(),
        host,
        listener: counted_hooks(&base.metrics),
    };
    let hooks = Hooks::new(parts).context("hooks")?;
    let (database, clock, emergency) = (base.database.clone(), base.clock.clone(), base.emergency.clone());
    Ok(Hooking { hooks, database, clock, emergency })
}

/// Nothing of them runs yet, so that none can be in the way of the start.
async fn open_servers(config: &Config, host: Host, base: &Base, gate: &Gate) -> anyhow::Result<Servers> {
    let parts = orchestrator_mcp::Parts {
        servers: config.mcp.servers.clone(),
        registry: gate.registry().clone(),
        store: Arc::new(orchestrator_mcp::SqlStore::open(base.database.clone()).await?),
        clock: base.clock.clone(),
        host,
    };
    Ok(Servers::new(parts)?)
}

async fn open_workplaces(
    config: &Config,
    data: &DataDir,
    base: &Base,
    work: &OnBacklog,
    sessions: &Sessions,
) -> anyhow::Result<Workplaces> {
    let at_work = AtWork::of(sessions.clone());
    let parts = orchestrator_workspaces::Parts {
        store: Arc::new(orchestrator_workspaces::SqlStore::open(base.database.clone()).await?),
        activity: Arc::new(at_work.clone()),
        clock: base.clock.clone(),
        node: node_name(config, data)?,
        owner: data.node()?,
        root: data.workspaces(),
        keep_out: vec![data.path().to_owned()],
        config: config.workspaces.clone(),
    };
    let work = Arc::new(work.clone());
    let heartbeat = Duration::from_millis(config.sessions.heartbeat_ms);
    Ok(Workplaces::new(Workspaces::open(parts)?, at_work, work, heartbeat))
}

/// What agents print. A line of JSON stays JSON, also if a number in it is hidden.
fn redact_line(redactor: &Redactor, line: String) -> String {
    let Cow::Owned(redacted) = redactor.redact(&line) else { return line };
    match serde_json::from_str(&line) {
        Ok(value) => redactor.redact_json(value).to_string(),
        Err(_) => redacted,
    }
}
