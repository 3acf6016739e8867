//! Which agents the operator decided on, by configuration and by files, and how each of them is run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use orchestrator_agents::{Agent, Catalogue, Changes, Definition, Error, Kind, Profile, Registry, Runtime, Status};
use orchestrator_budget::Ledger;
use orchestrator_charter::{Catalogue as CharterCatalogue, Charters, Documents};
use orchestrator_settings::Watch;
use orchestrator_vocab::{Actor, AgentId, OrgId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::charters::{Announcer, budgets, narrow};
use super::{Programs, coding};
use crate::config::Config;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Roster(Arc<Inner>);

struct Inner {
    registry: Registry,
    programs: Programs,
    charters: Charters,
    announcer: Announcer,
    /// Who holds agents to what their charters let them spend, once it is made.
    ledger: OnceLock<Ledger>,
    /// What relative directories are relative to.
    base: PathBuf,
    known: Mutex<Known>,
    /// One reload at a time.
    turn: tokio::sync::Mutex<()>,
    /// Wakes whoever looks at the files.
    look: Arc<Notify>,
}

struct Known {
    config: Config,
    /// As it is written.
    read: Arc<Catalogue>,
    /// As far as it fits the configuration.
    catalogue: Arc<Catalogue>,
}

/// What reading the files again did.
pub(crate) struct Reloaded {
    pub(crate) changes: Changes,
    pub(crate) catalogue: Arc<Catalogue>,
}

impl std::fmt::Debug for Roster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roster").field("registry", &self.0.registry).finish_non_exhaustive()
    }
}

/// What the files define for this configuration: charters, and agents under them. Blocks while it reads.
pub(crate) fn read(config: &Config, base: &Path) -> (CharterCatalogue, Catalogue) {
    let charters = Charters::new(&config.charters, super::ENFORCED);
    charters.put(Documents::read(&config.charters, base));
    let charters = charters.catalogue();
    let agents = fitting(config, &Catalogue::read(&config.agent_files, base), &charters);
    (Arc::unwrap_or_clone(charters), agents)
}

/// Without agents that cannot be beside those of the configuration or under their charters, and within those.
fn fitting(config: &Config, read: &Catalogue, charters: &CharterCatalogue) -> Catalogue {
    let mut catalogue = read.clone();
    for (id, profile) in &read.profiles {
        if config.agents.contains_key(id) {
            catalogue.refuse(id, format!("the configuration has an agent `{id}` too: rename one of them"));
        }
        if let Some(program) = &profile.program
            && config.agents.get(program).is_none_or(|agent| agent.org != profile.org)
        {
            catalogue.refuse(id, format!("program: no agent `{program}` of its organisation is configured"));
        }
        if let Some(source) = &profile.workspace_source
            && !config.workspaces.sources.keys().any(|name| name.to_string() == *source)
        {
            catalogue.refuse(id, format!("workspaceSource: `{source}` is none of `workspaces.sources`"));
        }
        if let Some(Err(error)) = coding::claude(config, profile).map(|claude| claude.validate()) {
            catalogue.refuse(id, error.to_string());
        }
        narrow(&mut catalogue, id, charters);
    }
    catalogue
}

impl Roster {
    /// Reads the files and hands everything to the registry. What is wrong with files is logged.
    ///
    /// # Errors
    /// The registry's; files that are wrong are none.
    pub(crate) async fn open(
        config: &Config,
        registry: Registry,
        programs: Programs,
        charters: Charters,
        announcer: Announcer,
    ) -> anyhow::Result<Self> {
        let base = std::env::current_dir()?;
        let none = Arc::new(Catalogue::default());
        let known = Known { config: config.clone(), read: none.clone(), catalogue: none };
        let roster = Self(Arc::new(Inner {
            registry,
            programs,
            charters,
            announcer,
            ledger: OnceLock::new(),
            base,
            known: Mutex::new(known),
            turn: tokio::sync::Mutex::default(),
            look: Arc::default(),
        }));
        let (documents, read) = roster.read_files().await?;
        roster.0.charters.put(documents);
        tell_charters(&roster.0.charters.catalogue());
        tell(&read);
        roster.known().read = Arc::new(read);
        roster.apply(config)?;
        Ok(roster)
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The charters in force.
    pub(crate) fn charters(&self) -> &Charters {
        &self.0.charters
    }

    /// What files define, and what is wrong with them.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.known().catalogue.clone()
    }

    /// Puts another configuration in force. If it names other directories, they are read soon.
    ///
    /// # Errors
    /// The registry's, for a configuration out of bounds.
    pub(crate) fn apply(&self, config: &Config) -> anyhow::Result<()> {
        let mut known = self.known();
        self.0.charters.reconfigure(&config.charters);
        let catalogue = fitting(config, &known.read, &self.0.charters.catalogue());
        self.put(config, &catalogue)?;
        let looks_elsewhere =
            config.agent_files != known.config.agent_files || config.charters != known.config.charters;
        let read = known.read.clone();
        *known = Known { config: config.clone(), read, catalogue: Arc::new(catalogue) };
        if looks_elsewhere {
            self.0.look.notify_one();
        }
        Ok(())
    }

    /// Reads the files again. Sessions that run keep what they began with.
    ///
    /// # Errors
    /// The registry's.
    pub(crate) async fn reload(&self, actor: Actor) -> anyhow::Result<Reloaded> {
        let _turn = self.0.turn.lock().await;
        let (documents, read) = self.read_files().await?;
        let read = Arc::new(read);
        self.reload_charters(documents, &actor).await;
        let (before, catalogue) = {
            let mut known = self.known();
            let catalogue = Arc::new(fitting(&known.config, &read, &self.0.charters.catalogue()));
            self.put(&known.config, &catalogue)?;
            known.read = read;
            (std::mem::replace(&mut known.catalogue, catalogue.clone()), catalogue)
        };
        let changes = catalogue.changes_since(&before);
        if !changes.is_empty() || catalogue.faults != before.faults {
            tell(&catalogue);
            let org_of = |id: &AgentId| {
                let profile = catalogue.profiles.get(id).or_else(|| before.profiles.get(id));
                profile.map_or(OrgId::LOCAL, |profile| profile.org)
            };
            self.0.registry.announce(&changes, &catalogue.faults, org_of, actor).await?;
        }
        Ok(Reloaded { changes, catalogue })
    }

    /// In force before agents are looked at: those under them depend on it.
    async fn reload_charters(&self, documents: Documents, actor: &Actor) {
        let before = self.0.charters.catalogue();
        let changes = self.0.charters.put(documents);
        let now = self.0.charters.catalogue();
        if !changes.is_empty() || now.faults != before.faults {
            tell_charters(&now);
            self.0.announcer.charters(&changes, &now.faults, actor.clone()).await;
        }
    }

    /// Follows the files until `stop`.
    ///
    /// # Errors
    /// None: what cannot be watched, or stored, is logged, and the rest goes on.
    pub(crate) async fn run(&self, stop: CancellationToken) -> std::io::Result<()> {
        let watch = || {
            let told = self.0.look.clone();
            Watch::new(move || told.notify_one())
        };
        let (agents, charters) = (watch(), watch());
        if let Some(error) = agents.as_ref().err().or(charters.as_ref().err()) {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "changes of agents' files and charters are not noticed; use agent.reload");
        }
        loop {
            let config = self.known().config.clone();
            self.follow(&agents, &config.agent_files.directories, "md");
            self.follow(&charters, std::slice::from_ref(&config.charters.directory), "yaml");
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.0.look.notified() => {}
            }
            if let Err(error) = self.reload(Actor::system("agent-files")).await {
                tracing::warn!(error = format!("{error:#}"), "the agents' files could not be put in force");
            }
        }
    }

    fn follow(&self, watch: &Result<Watch, orchestrator_settings::Error>, directories: &[PathBuf], ending: &str) {
        let Ok(watch) = watch else { return };
        match watch.follow_trees(directories.iter().map(|directory| self.0.base.join(directory)), ending) {
            // What was written between reading and this is read now.
            Ok(true) => self.0.look.notify_one(),
            Ok(false) => {}
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "use agent.reload"),
        }
    }

    /// Why an agent that could be given work cannot be run here; `None` if it can.
    pub(crate) fn why_not(&self, agent: &Agent) -> Option<String> {
        if agent.status != Status::Ready {
            let status = serde_json::to_value(agent.status).unwrap_or_default();
            let error = agent.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            return Some(format!("agent `{}` is {}{error}", agent.id, status.as_str().unwrap_or_default()));
        }
        if agent.kind != Kind::Defined || self.runs(agent.org, &agent.id) {
            return None;
        }
        let missing = coding::missing(agent.runtime.unwrap_or(Runtime::Llm));
        Some(format!("agent `{}` runs by {missing}", agent.id))
    }

    /// Whether something here runs this agent.
    pub(crate) fn runs(&self, org: OrgId, agent: &AgentId) -> bool {
        self.0.programs.has(org, agent)
    }

    /// What a file says of an agent, if one defines it.
    pub(crate) fn profile(&self, org: OrgId, agent: &AgentId) -> Option<Arc<Profile>> {
        self.0.registry.profile(org, agent)
    }

    /// An agent that asks for others while it works on this task: how deep it is, and what it may use, those above it taken into
    /// account. What one may that no file defines any more cannot be told.
    pub(crate) fn parent_of(&self, agent: &AgentId, task: &orchestrator_tasks::Task) -> Option<super::Parent> {
        let profile = self.profile(task.org, agent)?;
        Some(super::spawning::parent(agent, task, &profile))
    }

    fn put(&self, config: &Config, catalogue: &Catalogue) -> Result<(), Error> {
        let defined = catalogue.profiles.values().map(|profile| Definition::from(profile.clone()));
        let definitions = config.definitions().into_iter().chain(defined).collect();
        let configured: BTreeSet<&AgentId> = config.agents.keys().collect();
        let mut broken = BTreeMap::new();
        for fault in &catalogue.faults {
            // The first thing that is wrong with it; one that the configuration has is there.
            if let Some(id) = fault.agent_id.clone().filter(|id| !configured.contains(id)) {
                broken.entry(id).or_insert_with(|| fault.to_string());
            }
        }
        self.0.registry.reconfigure_with(definitions, broken, config.registry.clone())?;
        self.0.programs.replace(config, catalogue);
        self.hold_to_budgets(catalogue);
        Ok(())
    }

    /// Tells the ledger what charters let agents spend, now and whenever that changes.
    pub(crate) fn connect(&self, ledger: &Ledger) {
        self.0.ledger.get_or_init(|| ledger.clone());
        self.hold_to_budgets(&self.catalogue());
    }

    fn hold_to_budgets(&self, catalogue: &Catalogue) {
        let Some(ledger) = self.0.ledger.get() else { return };
        if let Err(error) = ledger.hold_to(budgets(catalogue, &self.0.charters.catalogue())) {
            tracing::error!(%error, "agents are not held to the budgets of their charters");
        }
    }

    async fn read_files(&self) -> anyhow::Result<(Documents, Catalogue)> {
        let (config, base) = (self.known().config.clone(), self.0.base.clone());
        let read = move || (Documents::read(&config.charters, &base), Catalogue::read(&config.agent_files, &base));
        Ok(tokio::task::spawn_blocking(read).await?)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell_charters(catalogue: &CharterCatalogue) {
    for fault in &catalogue.faults {
        tracing::error!("charter: {fault}");
    }
    for note in &catalogue.notes {
        tracing::warn!("charter: {note}");
    }
}

fn tell(catalogue: &Catalogue) {
    for fault in &catalogue.faults {
        tracing::error!("agent file: {fault}");
    }
    for note in &catalogue.notes {
        tracing::warn!("agent file: {note}");
    }
}
