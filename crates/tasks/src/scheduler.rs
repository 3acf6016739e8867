use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_vocab::{Actor, AgentId, OrgId, TaskId, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::{Assign, Skips, with_load};
use crate::sweep::Sweep;
use crate::{Audience, Backlog, Candidate, Claim, Error, Origin, Ready, Skip, SkipReason, Snapshot, decide};

/// The most assignments of one transaction.
const ASSIGNMENTS_MAX: usize = 500;
/// More rows than agents have room for, so that some may be avoided or lost to others.
const SPARE_ROWS: usize = 64;
/// The most skips that one round reports, and that are remembered per organisation as reported.
const SKIPS_REPORTED_MAX: usize = 100;
const SKIPS_REMEMBERED_MAX: usize = 10_000;

/// What the scheduler asks about agents. Implemented where agents are known.
#[async_trait]
pub trait Workforce: Send + Sync {
    /// Every agent of the organisation, also those that cannot take anything now. `running` and `last_assigned` may be
    /// left at their defaults: the backlog knows better.
    async fn agents(&self, org: OrgId) -> Result<Vec<Candidate>, Error>;

    /// The organisations that have agents.
    async fn orgs(&self) -> Result<Vec<OrgId>, Error>;

    /// An agent has called by itself: it is alive. The default does nothing with that.
    async fn seen(&self, org: OrgId, agent: &AgentId) -> Result<(), Error> {
        let _ = (org, agent);
        Ok(())
    }

    /// Changes whenever an agent comes, goes, becomes healthy or gets more room.
    fn changed(&self) -> watch::Receiver<u64>;
}

/// Where claims for [`Accepts::Push`](crate::Accepts::Push) agents go. Implemented where agents are run.
#[async_trait]
pub trait Dispatch: Send + Sync {
    /// Takes over a claim: from now on somebody renews its lease, and completes, fails or releases the task under its
    /// fence. Returns without waiting for that.
    ///
    /// # Errors
    /// It cannot be taken now, and why; the task goes back into the backlog and this was no attempt.
    async fn dispatch(&self, claim: Claim) -> Result<(), Refused>;
}

/// A claim that cannot be taken over now. The organisation's next round comes with the next sweep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// Why, for the log.
    pub reason: String,
}

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// How many ready tasks were looked at.
    pub looked_at: usize,
    /// How many tasks were given to agents.
    pub assigned: usize,
    /// How many of those the dispatch refused; they are back in the backlog.
    pub refused: usize,
    /// How many of those looked at nobody gets now.
    pub skipped: usize,
    /// How long deciding took, without reading and writing.
    pub decided_in: Duration,
}

/// Gives ready tasks to the agents that take what they are given.
pub struct Scheduler {
    backlog: Backlog,
    workforce: Arc<dyn Workforce>,
    dispatch: Arc<dyn Dispatch>,
    memory: Mutex<Memory>,
}

/// What the scheduler remembers between rounds. It may be lost: only fairness and fewer events depend on it.
#[derive(Default)]
struct Memory {
    last_assigned: HashMap<(OrgId, AgentId), Timestamp>,
    skipped: HashMap<OrgId, HashMap<TaskId, SkipReason>>,
    /// No round before this, because a claim was refused.
    rests: HashMap<OrgId, Instant>,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").field("backlog", &self.backlog).finish_non_exhaustive()
    }
}

impl Scheduler {
    /// Starts nothing; see [`run`](Self::run).
    pub fn new(backlog: Backlog, workforce: Arc<dyn Workforce>, dispatch: Arc<dyn Dispatch>) -> Self {
        Self { backlog, workforce, dispatch, memory: Mutex::default() }
    }

    /// Makes rounds until told to stop: when tasks become ready or agents get free in this process, when the workforce
    /// changes, and every [`Config::sweep_ms`](crate::Config::sweep_ms) for what was not noticed. Failures are logged; the
    /// next round tries again.
    pub async fn run(self, stop: CancellationToken) {
        let mut changed = self.workforce.changed();
        let mut sweep = Sweep::of(&self.backlog);
        loop {
            let orgs = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                orgs = self.backlog.poke().take() => Ok(orgs),
                () = next_change(&mut changed) => self.all_orgs().await,
                () = sweep.tick(&self.backlog) => self.all_orgs().await,
            };
            let rounds = async {
                for org in orgs? {
                    if !self.rests(org) {
                        self.round(org).await?;
                    }
                }
                Ok::<(), Error>(())
            };
            if let Err(error) = rounds.await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a round of the scheduler failed");
            }
        }
    }

    /// Looks at the ready tasks and the agents of one organisation, once.
    ///
    /// # Errors
    /// The store's and the workforce's.
    pub async fn round(&self, org: OrgId) -> Result<Round, Error> {
        let agents = self.workforce.agents(org).await?;
        let (agents, ready) = self.look(org, agents).await?;
        let started = Instant::now();
        let config = self.backlog.config();
        let audience = Audience::Push;
        let snapshot =
            Snapshot { ready: &ready, agents: &agents, strategy: config.strategy, audience, limit: usize::MAX };
        let decision = decide(&snapshot);
        let mut round = Round {
            looked_at: ready.len(),
            skipped: decision.skipped.len(),
            decided_in: started.elapsed(),
            ..Round::default()
        };
        let agents = Arc::new(agents);
        for assignments in decision.assignments.chunks(ASSIGNMENTS_MAX) {
            let assign = Assign { assignments: assignments.to_vec(), agents: agents.clone() };
            let (assigned, refused) = self.assign(org, assign).await?;
            round.assigned += assigned;
            round.refused += refused;
        }
        self.report(org, decision.skipped).await?;
        Ok(round)
    }

    /// The agents with their load, and the heads of the ready index.
    async fn look(&self, org: OrgId, agents: Vec<Candidate>) -> Result<(Vec<Candidate>, Vec<Ready>), Error> {
        let most = self.backlog.config().round_tasks_max;
        let agents = Arc::new(agents);
        let (mut agents, ready) = self
            .backlog
            .read(move |rows| {
                let agents = agents.clone();
                Box::pin(async move {
                    let agents = with_load(&agents, &rows.running(org).await?);
                    let room: usize = agents.iter().map(|agent| agent.free() as usize).sum();
                    let classes = rows.ready_classes(org).await?;
                    let ready = rows.ready_heads(org, &classes, most.min(room.saturating_add(SPARE_ROWS))).await?;
                    Ok((agents, ready))
                })
            })
            .await?;
        let memory = self.memory();
        for agent in &mut agents {
            let remembered = memory.last_assigned.get(&(org, agent.id.clone())).copied();
            agent.last_assigned = agent.last_assigned.max(remembered);
        }
        Ok((agents, ready))
    }

    async fn assign(&self, org: OrgId, assign: Assign) -> Result<(usize, usize), Error> {
        let origin = origin(org);
        let claims = self.backlog.run(&origin, assign).await?;
        let assigned = claims.len();
        let mut refused = 0;
        for claim in claims {
            self.remember(org, &claim);
            let (id, fence) = (claim.task.id, claim.fence);
            if let Err(reason) = self.dispatch.dispatch(claim).await {
                tracing::warn!(task = %id, %reason, "a claim was refused and goes back");
                refused += 1;
                // If this fails too, the lease runs out.
                self.backlog.release(&origin, id, fence).await?;
            }
        }
        if refused > 0 {
            let until = Instant::now() + self.backlog.config().sweep();
            self.memory().rests.insert(org, until);
        }
        Ok((assigned, refused))
    }

    /// Reports what needs somebody's attention, once per task and reason. That all agents are busy is no news.
    async fn report(&self, org: OrgId, skipped: Vec<Skip>) -> Result<(), Error> {
        let noteworthy = |skip: &Skip| !matches!(skip.reason, SkipReason::NoCapacity | SkipReason::WaitsForPull);
        let news: Vec<Skip> = {
            let mut memory = self.memory();
            let known = memory.skipped.entry(org).or_default();
            let present: HashSet<TaskId> = skipped.iter().map(|skip| skip.task).collect();
            known.retain(|task, _| present.contains(task));
            let fresh = skipped.into_iter().filter(|skip| known.get(&skip.task) != Some(&skip.reason));
            let room = SKIPS_REMEMBERED_MAX.saturating_sub(known.len()).min(SKIPS_REPORTED_MAX);
            let news: Vec<Skip> = fresh.filter(noteworthy).take(room).collect();
            known.extend(news.iter().map(|skip| (skip.task, skip.reason.clone())));
            news
        };
        if news.is_empty() { Ok(()) } else { self.backlog.run(&origin(org), Skips(news)).await }
    }

    fn remember(&self, org: OrgId, claim: &Claim) {
        if let (Some(agent), Some(at)) = (claim.task.state.owner(), claim.task.started_at) {
            self.memory().last_assigned.insert((org, agent.clone()), at);
        }
    }

    fn rests(&self, org: OrgId) -> bool {
        let mut memory = self.memory();
        match memory.rests.get(&org) {
            Some(until) if Instant::now() < *until => true,
            Some(_) => memory.rests.remove(&org).is_none(),
            None => false,
        }
    }

    async fn all_orgs(&self) -> Result<BTreeSet<OrgId>, Error> {
        Ok(self.workforce.orgs().await?.into_iter().collect())
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Never returns once nobody can change anything any more.
async fn next_change(changed: &mut watch::Receiver<u64>) {
    if changed.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn origin(org: OrgId) -> Origin {
    Origin::new(org, Actor::system("scheduler"))
}
