//! Which agents the operator decided on, by configuration and by files, and how each of them is run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orchestrator_agents::{Agent, Catalogue, Changes, Definition, Error, Kind, Profile, Registry, Runtime, Status};
use orchestrator_settings::Watch;
use orchestrator_vocab::{Actor, AgentId, OrgId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Programs, coding};
use crate::config::Config;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Roster(Arc<Inner>);

struct Inner {
    registry: Registry,
    programs: Programs,
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

/// What the files define for this configuration. Blocks while it reads.
pub(crate) fn read(config: &Config, base: &Path) -> Catalogue {
    fitting(config, &Catalogue::read(&config.agent_files, base))
}

/// Without agents that cannot be beside those of the configuration.
fn fitting(config: &Config, read: &Catalogue) -> Catalogue {
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
    }
    catalogue
}

impl Roster {
    /// Reads the files and hands everything to the registry. What is wrong with files is logged.
    ///
    /// # Errors
    /// The registry's; files that are wrong are none.
    pub(crate) async fn open(config: &Config, registry: Registry, programs: Programs) -> anyhow::Result<Self> {
        let base = std::env::current_dir()?;
        let none = Arc::new(Catalogue::default());
        let known = Known { config: config.clone(), read: none.clone(), catalogue: none };
        let roster = Self(Arc::new(Inner {
            registry,
            programs,
            base,
            known: Mutex::new(known),
            turn: tokio::sync::Mutex::default(),
            look: Arc::default(),
        }));
        let read = roster.read_files().await?;
        tell(&read);
        roster.known().read = Arc::new(read);
        roster.apply(config)?;
        Ok(roster)
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
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
        let catalogue = fitting(config, &known.read);
        self.put(config, &catalogue)?;
        let looks_elsewhere = config.agent_files != known.config.agent_files;
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
        let read = Arc::new(self.read_files().await?);
        let (before, catalogue) = {
            let mut known = self.known();
            let catalogue = Arc::new(fitting(&known.config, &read));
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

    /// Follows the files until `stop`.
    ///
    /// # Errors
    /// None: what cannot be watched, or stored, is logged, and the rest goes on.
    pub(crate) async fn run(&self, stop: CancellationToken) -> std::io::Result<()> {
        let told = self.0.look.clone();
        let watch = Watch::new(move || told.notify_one());
        if let Err(error) = &watch {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "changes of agents' files are not noticed; use agent.reload");
        }
        loop {
            if let Ok(watch) = &watch {
                let directories = self.known().config.agent_files.directories.clone();
                match watch.follow_trees(directories.iter().map(|directory| self.0.base.join(directory)), "md") {
                    // What was written between reading and this is read now.
                    Ok(true) => self.0.look.notify_one(),
                    Ok(false) => {}
                    Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "use agent.reload"),
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.0.look.notified() => {}
            }
            if let Err(error) = self.reload(Actor::system("agent-files")).await {
                tracing::warn!(error = format!("{error:#}"), "the agents' files could not be put in force");
            }
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

    /// An agent that asks for another while it works on this task: how deep it is, and what it may use, those above it taken into
    /// account. A program that nobody defined may use what the operator allows.
    pub(crate) fn parent_of(&self, agent: &AgentId, task: &orchestrator_tasks::Task) -> super::Parent {
        super::spawning::parent(agent, task, self.profile(task.org, agent).as_deref())
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
        Ok(())
    }

    async fn read_files(&self) -> anyhow::Result<Catalogue> {
        let (config, base) = (self.known().config.agent_files.clone(), self.0.base.clone());
        Ok(tokio::task::spawn_blocking(move || Catalogue::read(&config, &base)).await?)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
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
