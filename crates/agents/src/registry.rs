mod change;
#[cfg(feature = "files")]
mod definitions;
mod memory;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use orchestrator_sql::Database;
use orchestrator_vocab::{AgentId, Clock, OrgId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::sql::{self, Row};
use crate::{Agent, Config, Definition, Error, Kind, Outcome, Profile, Restart, Role, Selection, Status};
use memory::Memory;

/// Every agent of every organisation. Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
    configured: RwLock<Arc<Configured>>,
    memory: Memory,
    changed: watch::Sender<u64>,
}

/// What the operator decided, as a whole.
struct Configured {
    programs: BTreeMap<OrgId, BTreeMap<AgentId, Arc<Definition>>>,
    /// Agents whose files are wrong, and what is. They are the operator's: whose they would be, a wrong file cannot say.
    broken: BTreeMap<AgentId, String>,
    config: Config,
}

impl Configured {
    fn new(programs: Vec<Definition>, broken: BTreeMap<AgentId, String>, config: Config) -> Result<Arc<Self>, Error> {
        config.validate()?;
        let mut by_org = BTreeMap::<OrgId, BTreeMap<AgentId, Arc<Definition>>>::new();
        for program in programs {
            program.validate()?;
            let id = program.id.clone();
            if by_org.entry(program.org).or_default().insert(id.clone(), Arc::new(program)).is_some() {
                return Err(Error::invalid("agents", format!("`{id}` is configured twice")));
            }
        }
        Ok(Arc::new(Self { programs: by_org, broken, config }))
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("programs", &self.0.configured().programs).finish_non_exhaustive()
    }
}

impl Registry {
    /// Brings the tables up to date and takes the operator's programs over. Starts nothing: spawn [`Registry::run`].
    ///
    /// The database must have been connected with the [`Numbering`](orchestrator_events::Numbering) of its event log.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a configuration out of bounds, also for two programs of one name; [`Error::Store`].
    pub async fn open(
        database: Database,
        programs: Vec<Definition>,
        clock: Arc<dyn Clock>,
        config: Config,
    ) -> Result<Self, Error> {
        let configured = RwLock::new(Configured::new(programs, BTreeMap::new(), config)?);
        orchestrator_sql::migrate(&database, "agents", sql::migrations::ALL).await?;
        let changed = watch::Sender::new(0);
        Ok(Self(Arc::new(Inner { database, clock, configured, memory: Memory::default(), changed })))
    }

    /// Puts other programs and another configuration in force, as a whole. A program that is gone gets no more work; what
    /// it works on is not touched, and what was said about it (narrowed, disabled) is remembered if it comes back.
    ///
    /// # Errors
    /// [`Error::Invalid`] as [`Registry::open`]; the old ones stay.
    pub fn reconfigure(&self, programs: Vec<Definition>, config: Config) -> Result<(), Error> {
        self.reconfigure_with(programs, BTreeMap::new(), config)
    }

    /// The same, with agents of the operator's organisation that cannot be because their files are wrong, and why.
    ///
    /// # Errors
    /// [`Error::Invalid`] as [`Registry::open`]; the old ones stay.
    pub fn reconfigure_with(
        &self,
        definitions: Vec<Definition>,
        broken: BTreeMap<AgentId, String>,
        config: Config,
    ) -> Result<(), Error> {
        let configured = Configured::new(definitions, broken, config)?;
        *self.0.configured.write().unwrap_or_else(PoisonError::into_inner) = configured;
        self.0.bump();
        Ok(())
    }

    /// Every agent of the organisation, in the order of their names: also lost and disabled ones.
    pub async fn candidates(&self, org: OrgId) -> Result<Vec<Agent>, Error> {
        let rows = sql::all(self.0.database.reader(), org).await?;
        let mut agents: BTreeMap<AgentId, Agent> =
            rows.into_iter().filter_map(|row| self.0.of_row(row)).map(|agent| (agent.id.clone(), agent)).collect();
        for (id, program) in self.0.configured().programs.get(&org).into_iter().flatten() {
            agents.entry(id.clone()).or_insert_with(|| self.0.of_program(program, None));
        }
        for (id, problem) in self.0.configured().broken.iter().filter(|_| org == OrgId::LOCAL) {
            agents.entry(id.clone()).or_insert_with(|| broken(id, problem));
        }
        Ok(agents.into_values().collect())
    }

    /// At most `limit` agents with names after `after`, in the order of their names.
    pub async fn list(&self, org: OrgId, after: Option<&AgentId>, limit: usize) -> Result<Vec<Agent>, Error> {
        self.select(org, &Selection::default(), after, limit).await
    }

    /// The same, of those that are selected.
    pub async fn select(
        &self,
        org: OrgId,
        selection: &Selection,
        after: Option<&AgentId>,
        limit: usize,
    ) -> Result<Vec<Agent>, Error> {
        let is_later = |agent: &Agent| after.is_none_or(|after| agent.id > *after);
        let is_wanted = |agent: &Agent| is_later(agent) && selection.fits(agent);
        Ok(self.candidates(org).await?.into_iter().filter(is_wanted).take(limit).collect())
    }

    /// What the file of an agent says, if one defines it.
    pub fn profile(&self, org: OrgId, id: &AgentId) -> Option<Arc<Profile>> {
        self.0.program(org, id)?.profile.clone()
    }

    /// How many tasks all defined agents of this type may have at once together, if that is bounded.
    pub fn max_of_type(&self, role: Role) -> Option<u32> {
        self.0.configured().config.max_per_type.get(&role).copied()
    }

    /// How deep agents may spawn agents.
    pub fn spawn_depth_max(&self) -> u32 {
        self.0.configured().config.spawn_depth_max
    }

    /// One agent.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn get(&self, org: OrgId, id: &AgentId) -> Result<Agent, Error> {
        let row = sql::find(self.0.database.reader(), org, id).await?;
        self.0.agent(org, id, row).ok_or_else(|| Error::NotFound(id.clone()))
    }

    /// The organisations that have agents.
    pub async fn orgs(&self) -> Result<Vec<OrgId>, Error> {
        let mut orgs = sql::orgs(self.0.database.reader()).await?;
        orgs.extend(self.0.configured().programs.keys());
        orgs.sort_unstable();
        orgs.dedup();
        Ok(orgs)
    }

    /// Takes the end of one of the agent's attempts into account. Kept in memory: a new start begins with a clean slate.
    pub fn record_outcome(&self, org: OrgId, id: &AgentId, outcome: Outcome) {
        let restart = self.profile(org, id).map_or(Restart::default(), |profile| profile.restart);
        let config = &self.0.configured().config;
        if self.0.memory.record((org, id.clone()), outcome, restart, self.0.clock.now(), config) {
            self.0.bump();
        }
    }

    /// Changes its value whenever an agent of this registry comes, goes, is lost, or turns healthy or unhealthy.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Watches for workers that went silent, until `stop`. An error ends it; run it again.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        loop {
            self.sweep().await?;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.0.configured().config.sweep()) => {}
            }
        }
    }
}

impl Inner {
    fn configured(&self) -> Arc<Configured> {
        self.configured.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn program(&self, org: OrgId, id: &AgentId) -> Option<Arc<Definition>> {
        self.configured().programs.get(&org)?.get(id).cloned()
    }

    fn agent(&self, org: OrgId, id: &AgentId, row: Option<Row>) -> Option<Agent> {
        match row.and_then(|row| self.of_row(row)) {
            Some(agent) => Some(agent),
            None => match self.program(org, id) {
                Some(program) => Some(self.of_program(&program, None)),
                None => self.problem(org, id).map(|problem| broken(id, &problem)),
            },
        }
    }

    /// What is wrong with the file of an agent.
    fn problem(&self, org: OrgId, id: &AgentId) -> Option<String> {
        self.configured().broken.get(id).filter(|_| org == OrgId::LOCAL).cloned()
    }

    /// `None` for what an earlier configuration left behind.
    fn of_row(&self, row: Row) -> Option<Agent> {
        match (row.kind, self.program(row.org, &row.id)) {
            (Kind::Worker, None) => Some(self.of_worker(row)),
            (kind, Some(program)) if kind == program.kind() => Some(self.of_program(&program, Some(row))),
            _ => None,
        }
    }

    fn of_worker(&self, row: Row) -> Agent {
        let (healthy, recent_failures) =
            self.memory.health(row.org, &row.id, self.clock.now(), &self.configured().config);
        Agent {
            id: row.id,
            org: row.org,
            kind: Kind::Worker,
            status: row.status,
            description: row.description,
            capabilities: row.capabilities.unwrap_or_default(),
            max_concurrent: row.max_concurrent.unwrap_or(1),
            healthy,
            recent_failures,
            registered_at: Some(row.registered_at),
            last_seen: Some(row.last_seen),
            role: None,
            tier: None,
            groups: BTreeSet::new(),
            runtime: None,
            source: None,
            error: None,
        }
    }

    /// What was narrowed stays within the configuration of today.
    fn of_program(&self, program: &Definition, row: Option<Row>) -> Agent {
        let (healthy, recent_failures) =
            self.memory.health(program.org, &program.id, self.clock.now(), &self.configured().config);
        let narrowed = row.as_ref().and_then(|row| row.capabilities.as_ref());
        let fewer = row.as_ref().and_then(|row| row.max_concurrent).unwrap_or(u32::MAX);
        let profile = program.profile.as_deref();
        Agent {
            id: program.id.clone(),
            org: program.org,
            kind: program.kind(),
            role: profile.map(|profile| profile.role),
            tier: profile.and_then(|profile| profile.tier),
            groups: profile.map(|profile| profile.groups.clone()).unwrap_or_default(),
            runtime: profile.map(|profile| profile.runtime),
            source: profile.map(|profile| profile.source.clone()),
            error: None,
            status: row.as_ref().map_or(Status::Ready, |row| row.status),
            description: program.description.clone(),
            capabilities: narrowed.map_or_else(|| program.capabilities.clone(), |some| some & &program.capabilities),
            max_concurrent: program.max_concurrent.min(fewer),
            healthy,
            recent_failures,
            registered_at: row.map(|row| row.registered_at),
            last_seen: None,
        }
    }

    fn bump(&self) {
        self.changed.send_modify(|generation| *generation += 1);
    }
}

/// What there is to say of an agent whose file is wrong.
fn broken(id: &AgentId, problem: &str) -> Agent {
    Agent {
        id: id.clone(),
        org: OrgId::LOCAL,
        kind: Kind::Defined,
        status: Status::Invalid,
        description: String::new(),
        role: None,
        tier: None,
        groups: BTreeSet::new(),
        runtime: None,
        source: None,
        error: Some(problem.to_owned()),
        capabilities: BTreeSet::new(),
        max_concurrent: 0,
        healthy: false,
        recent_failures: 0,
        registered_at: None,
        last_seen: None,
    }
}
