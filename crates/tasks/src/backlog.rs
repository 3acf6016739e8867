use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use orchestrator_vocab::{AgentId, OrgId, ScheduleId, TaskId, Timestamp};
use serde_json::Value;

use crate::engine::{self, Command, Plan};
use crate::poke::Poke;
use crate::schedule::{Schedule, ScheduleDraft, SchedulePatch};
use crate::{
    Candidate, Claim, Completion, Config, Counts, Dependency, Draft, Edge, Error, Explanation, Fence, Origin, Patch,
    Query, Renewed, Rows, ScheduleQuery, Store, Task, Work, check, explain,
};

/// How often a command runs again because somebody else wrote at the same time.
const CONFLICTS_MAX: usize = 5;

/// The backlog: what it holds, and every way to change it. Cheap to clone; all clones share one store.
///
/// Commands are atomic: one that is refused has changed nothing. Constructing one starts nothing; what happens by the
/// passage of time happens in [`Keeper::run`](crate::Keeper::run), what is given to agents is given by
/// [`Scheduler::run`](crate::Scheduler::run).
#[derive(Clone)]
pub struct Backlog {
    store: Arc<dyn Store>,
    config: Arc<Config>,
    poke: Arc<Poke>,
}

impl std::fmt::Debug for Backlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backlog").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Backlog {
    /// A backlog over a store; the store says what time it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the configuration breaks a limit.
    pub fn new(store: Arc<dyn Store>, config: Config) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self { store, config: Arc::new(config), poke: Arc::default() })
    }

    /// How it was configured.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn poke(&self) -> &Poke {
        &self.poke
    }

    // --- creating and changing

    /// Creates a task. Under a known idempotency key it returns the task that was created first, as it is now.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::UnknownDependencies`].
    pub async fn create(&self, origin: &Origin, draft: Draft) -> Result<Task, Error> {
        let create = engine::Create::one(draft);
        create.validate()?;
        self.run(origin, create).await?.pop().ok_or(Error::Conflict)
    }

    /// Creates up to 1,000 tasks, all or none; they may depend on each other by `ref`. In the order of the drafts.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the path `tasks[n]`, [`Error::UnknownDependencies`], [`Error::Cycle`].
    pub async fn create_many(&self, origin: &Origin, drafts: Vec<Draft>) -> Result<Vec<Task>, Error> {
        let create = engine::Create { drafts, list: "tasks", schedule: None };
        create.validate()?;
        self.run(origin, create).await
    }

    /// Changes what a task says. An owner keeps it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`], also for a field that a finished task keeps.
    pub async fn update(&self, origin: &Origin, id: TaskId, patch: Patch) -> Result<Task, Error> {
        patch.validate()?;
        self.run(origin, engine::Update { id, patch }).await
    }

    /// Makes a task that has not started wait for others too.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::UnknownDependencies`], [`Error::Cycle`]; [`Error::Transition`] if it has started.
    pub async fn depend(&self, origin: &Origin, id: TaskId, on: Vec<Dependency>) -> Result<Task, Error> {
        check::count("dependsOn", on.len(), check::DEPENDENCIES_MAX)?;
        self.run(origin, engine::Depend { id, on }).await
    }

    /// Takes dependencies away; those it does not have are ignored.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn undepend(&self, origin: &Origin, id: TaskId, on: Vec<TaskId>) -> Result<Task, Error> {
        check::count("dependsOn", on.len(), check::DEPENDENCIES_MAX)?;
        self.run(origin, engine::Undepend { id, on }).await
    }

    /// Calls a task off, and its dependents as their edges say. Its owner, if any, is stale from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Transition`] if it has finished.
    pub async fn cancel(&self, origin: &Origin, id: TaskId, reason: &str) -> Result<Task, Error> {
        check::bytes("reason", reason, check::ERROR_BYTES_MAX)?;
        self.run(origin, engine::Cancel { id, reason: reason.to_owned() }).await
    }

    /// Starts a failed or cancelled task anew, with all its attempts. Dependents that were cancelled because of it stay
    /// cancelled; retry them after it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Transition`] if it is neither failed nor cancelled; [`Error::Invalid`] if a
    /// dependency would cancel it at once.
    pub async fn retry(&self, origin: &Origin, id: TaskId) -> Result<Task, Error> {
        self.run(origin, engine::Retry { id }).await
    }

    /// Hides a task for good, after cancelling it if it has not finished.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, origin: &Origin, id: TaskId) -> Result<Task, Error> {
        self.run(origin, engine::Delete { id }).await
    }

    // --- owners

    /// Gives an agent up to `limit` tasks, by the same decision the scheduler makes, restricted to this agent. `agents`
    /// are all agents of the organisation; how many tasks each has is read from the backlog.
    ///
    /// # Errors
    /// [`Error::NoAgent`] if `agent` is not among them.
    pub async fn claim(
        &self,
        origin: &Origin,
        agent: &AgentId,
        agents: Vec<Candidate>,
        limit: usize,
    ) -> Result<Vec<Claim>, Error> {
        check::count("limit", limit, check::BATCH_MAX)?;
        self.run(origin, engine::Pull { agent: agent.clone(), agents, limit }).await
    }

    /// Renews the lease and keeps what the owner has to report. Returns when the new lease ends.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Stale`], [`Error::Transition`].
    pub async fn heartbeat(
        &self,
        origin: &Origin,
        id: TaskId,
        fence: Fence,
        progress: Option<Value>,
    ) -> Result<Timestamp, Error> {
        Ok(self.renew(origin, id, fence, progress).await?.lease_until)
    }

    /// Like [`heartbeat`](Self::heartbeat), and also says whose lease it is.
    ///
    /// # Errors
    /// As there.
    pub async fn renew(
        &self,
        origin: &Origin,
        id: TaskId,
        fence: Fence,
        progress: Option<Value>,
    ) -> Result<Renewed, Error> {
        progress.as_ref().map_or(Ok(()), |progress| check::json("progress", progress, check::PROGRESS_BYTES_MAX))?;
        self.run(origin, engine::Heartbeat { id, fence, progress }).await
    }

    /// The owner is done. Dependents are unblocked in the same transaction. Saying it twice is no error.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Stale`], [`Error::Transition`], [`Error::Invalid`].
    pub async fn complete(&self, origin: &Origin, completion: Completion) -> Result<Task, Error> {
        self.complete_many(origin, vec![completion]).await?.pop().unwrap_or(Err(Error::Conflict))
    }

    /// Up to 1,000 owners are done, in one transaction. Each item stands for itself: the answers come in the order of the
    /// items, and a stale one does not keep the others from completing.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any of the items; then nothing was done.
    pub async fn complete_many(
        &self,
        origin: &Origin,
        items: Vec<Completion>,
    ) -> Result<Vec<Result<Task, Error>>, Error> {
        check::count("items", items.len(), check::BATCH_MAX)?;
        for item in &items {
            check::json("result", &item.result, check::RESULT_BYTES_MAX)?;
        }
        self.run(origin, engine::CompleteMany { items }).await
    }

    /// The attempt failed: another one follows after the backoff, or the task has failed for good.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Stale`], [`Error::Transition`].
    pub async fn fail(&self, origin: &Origin, id: TaskId, fence: Fence, error: &str) -> Result<Task, Error> {
        check::bytes("error", error, check::ERROR_BYTES_MAX)?;
        self.run(origin, engine::Fail { id, fence, error: error.to_owned() }).await
    }

    /// The owner gives the task back undone; this was no attempt.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Stale`], [`Error::Transition`].
    pub async fn release(&self, origin: &Origin, id: TaskId, fence: Fence) -> Result<Task, Error> {
        self.run(origin, engine::Release { id, fence }).await
    }

    /// Takes the task from its owner and puts it back, whoever that is: for owners that are known to be gone. The attempt
    /// counts.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Transition`] if nobody works on it.
    pub async fn requeue(&self, origin: &Origin, id: TaskId) -> Result<Task, Error> {
        self.run(origin, engine::Requeue { id }).await
    }

    /// The owner cannot go on before a person has decided. No lease is held meanwhile; the fence stays good.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Stale`], [`Error::Transition`].
    pub async fn await_approval(&self, origin: &Origin, id: TaskId, fence: Fence) -> Result<Task, Error> {
        self.run(origin, engine::AwaitApproval { id, fence }).await
    }

    /// The owner has heard the decision and goes on under a new lease.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Stale`], [`Error::Transition`].
    pub async fn resume(&self, origin: &Origin, id: TaskId, fence: Fence) -> Result<Claim, Error> {
        self.run(origin, engine::Resume { id, fence }).await
    }

    /// A person said yes and nobody holds on to the task: it goes back into the backlog under a new fence.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Transition`].
    pub async fn approve(&self, origin: &Origin, id: TaskId) -> Result<Task, Error> {
        self.run(origin, engine::Approve { id }).await
    }

    // --- reading

    /// A task and its dependencies.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, org: OrgId, id: TaskId) -> Result<(Task, Vec<Edge>), Error> {
        self.read(move |rows| {
            Box::pin(async move {
                let task = rows.tasks(org, &[id]).await?.pop().filter(|task| task.deleted_at.is_none());
                let edges = rows.edges_from(org, &[id]).await?;
                Ok((task.ok_or(Error::NotFound(id))?, edges))
            })
        })
        .await
    }

    /// The tasks that match.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the limit is above 1,000.
    pub async fn list(&self, org: OrgId, query: Query) -> Result<Vec<Task>, Error> {
        check::count("limit", query.limit, crate::LIST_LIMIT_MAX)?;
        let query = Arc::new(query);
        self.read(move |rows| {
            let query = query.clone();
            Box::pin(async move { rows.list(org, &query).await })
        })
        .await
    }

    /// How many tasks there are, by status and priority, and how many may be claimed now.
    pub async fn counts(&self, org: OrgId) -> Result<Counts, Error> {
        self.read(move |rows| Box::pin(async move { rows.counts(org).await })).await
    }

    /// How many tasks each agent holds in progress.
    pub async fn running(&self, org: OrgId) -> Result<std::collections::BTreeMap<AgentId, u32>, Error> {
        self.read(move |rows| Box::pin(async move { rows.running(org).await })).await
    }

    /// How long the tasks at the heads of the ready index have been waiting at most; `None` if nothing is ready.
    pub async fn oldest_ready(&self, org: OrgId) -> Result<Option<std::time::Duration>, Error> {
        let step = self.config.ageing_step();
        self.read(move |rows| Box::pin(async move { explain::oldest_ready(rows, org, step).await })).await
    }

    /// Why a task is where it is. `agents` are all agents of the organisation.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn explain(&self, org: OrgId, id: TaskId, agents: Vec<Candidate>) -> Result<Explanation, Error> {
        let (config, agents) = (self.config.clone(), Arc::new(agents));
        self.read(move |rows| {
            let (config, agents) = (config.clone(), agents.clone());
            Box::pin(async move { explain::explain(rows, &config, org, id, &agents).await })
        })
        .await
    }

    // --- schedules

    /// Creates a schedule. Under a known idempotency key it returns the one that was created first.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub async fn create_schedule(&self, origin: &Origin, draft: ScheduleDraft) -> Result<Schedule, Error> {
        self.run(origin, engine::CreateSchedule { draft }).await
    }

    /// Changes a schedule, or lets it rest (`paused`) or go on. What falls into a rest is not caught up with.
    ///
    /// # Errors
    /// [`Error::NoSchedule`], [`Error::Invalid`].
    pub async fn update_schedule(
        &self,
        origin: &Origin,
        id: ScheduleId,
        patch: SchedulePatch,
    ) -> Result<Schedule, Error> {
        self.run(origin, engine::UpdateSchedule { id, patch }).await
    }

    /// Creates a task of the schedule now, whatever its plan, its rest and its overlap policy say.
    ///
    /// # Errors
    /// [`Error::NoSchedule`]; the errors of [`create`](Self::create).
    pub async fn trigger_schedule(
        &self,
        origin: &Origin,
        id: ScheduleId,
        idempotency_key: Option<String>,
    ) -> Result<Task, Error> {
        check::optional_chars("idempotencyKey", idempotency_key.as_ref(), check::IDEMPOTENCY_KEY_CHARS_MAX)?;
        self.run(origin, engine::Trigger { id, idempotency_key }).await
    }

    /// Removes a schedule; its tasks stay.
    ///
    /// # Errors
    /// [`Error::NoSchedule`].
    pub async fn delete_schedule(&self, origin: &Origin, id: ScheduleId) -> Result<Schedule, Error> {
        self.run(origin, engine::DeleteSchedule { id }).await
    }

    /// A schedule.
    ///
    /// # Errors
    /// [`Error::NoSchedule`].
    pub async fn schedule(&self, org: OrgId, id: ScheduleId) -> Result<Schedule, Error> {
        let found = self.read(move |rows| Box::pin(async move { rows.schedules(org, &[id]).await })).await?.pop();
        found.ok_or(Error::NoSchedule(id))
    }

    /// Schedules, by id.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the limit is above 1,000.
    pub async fn list_schedules(&self, org: OrgId, query: ScheduleQuery) -> Result<Vec<Schedule>, Error> {
        check::count("limit", query.limit, crate::LIST_LIMIT_MAX)?;
        let query = Arc::new(query);
        self.read(move |rows| {
            let query = query.clone();
            Box::pin(async move { rows.list_schedules(org, &query).await })
        })
        .await
    }

    // --- for the loops

    /// Runs a command, again if somebody else wrote at the same time.
    pub(crate) async fn run<C: Command>(&self, origin: &Origin, command: C) -> Result<C::Output, Error> {
        let slot: Arc<Mutex<Option<C::Output>>> = Arc::default();
        let worth_a_round = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let work: Work = {
            let (slot, worth_a_round) = (slot.clone(), worth_a_round.clone());
            let (config, origin, command) = (self.config.clone(), origin.clone(), Arc::new(command));
            Arc::new(move |rows| {
                let (slot, worth_a_round) = (slot.clone(), worth_a_round.clone());
                let (config, origin, command) = (config.clone(), origin.clone(), command.clone());
                Box::pin(async move {
                    let mut plan = Plan::new(rows, &config, &origin);
                    let output = command.run(&mut plan).await?;
                    let effects = plan.flush().await?;
                    worth_a_round.store(effects.worth_a_round, std::sync::atomic::Ordering::Relaxed);
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(output);
                    Ok(())
                })
            })
        };
        self.transact(work).await?;
        if worth_a_round.load(std::sync::atomic::Ordering::Relaxed) {
            self.poke.poke(origin.org);
        }
        let output = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        output.ok_or_else(|| Error::Store("the store answered without running the work".into()))
    }

    /// Removes tasks that finished longer than `age` ago.
    pub(crate) async fn remove_finished(&self, age: std::time::Duration, limit: usize) -> Result<u64, Error> {
        let removed = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let count = removed.clone();
        let work: Work = Arc::new(move |rows| {
            let count = count.clone();
            Box::pin(async move {
                let removed = rows.remove_finished(rows.now() - age, limit).await?;
                count.store(removed, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            })
        });
        self.transact(work).await?;
        Ok(removed.load(std::sync::atomic::Ordering::Relaxed))
    }

    pub(crate) async fn transact(&self, work: Work) -> Result<(), Error> {
        for _ in 0..CONFLICTS_MAX {
            match self.store.transact(work.clone()).await {
                Err(Error::Conflict) => {}
                answer => return answer,
            }
        }
        self.store.transact(work).await
    }

    pub(crate) async fn read<T, F>(&self, look: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t dyn Rows) -> BoxFuture<'t, Result<T, Error>> + Send + Sync + 'static,
    {
        let slot: Arc<Mutex<Option<T>>> = Arc::default();
        let work: Work = {
            let (slot, look) = (slot.clone(), Arc::new(look));
            Arc::new(move |rows| {
                let (slot, look) = (slot.clone(), look.clone());
                Box::pin(async move {
                    let found = look(rows).await?;
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
                    Ok(())
                })
            })
        };
        self.store.read(work).await?;
        let found = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        found.ok_or_else(|| Error::Store("the store answered without running the work".into()))
    }
}
