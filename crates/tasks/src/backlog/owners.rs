use std::sync::Arc;

use orchestrator_vocab::{AgentId, TaskId, Timestamp};
use serde_json::Value;

use super::Backlog;
use crate::{Assignment, Candidate, Claim, Completion, Error, Fence, Origin, Renewed, Scores, Task, check, engine};

impl Backlog {
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

    /// Gives one task to one agent, past the scheduler's choice but within the agent's room: for an agent that had begun it.
    /// `agents` are all agents of the organisation. `None` if the task is not ready, or the agent is not among them, is not
    /// healthy, lacks a capability or has no room.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn claim_exact(
        &self,
        origin: &Origin,
        id: TaskId,
        agent: &AgentId,
        agents: Vec<Candidate>,
    ) -> Result<Option<Claim>, Error> {
        let (task, _) = self.get(origin.org, id).await?;
        let is_able = |candidate: &Candidate| {
            candidate.id == *agent && candidate.healthy && task.required_capabilities.is_subset(&candidate.capabilities)
        };
        if !agents.iter().any(is_able) {
            return Ok(None);
        }
        let scores = Scores::default();
        let assignments = vec![Assignment { task: id, agent: agent.clone(), scores, losers: Vec::new() }];
        Ok(self.run(origin, engine::Assign { assignments, agents: Arc::new(agents) }).await?.pop())
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
        self.run(origin, engine::Release { id, fence, run_at: None }).await
    }

    /// Like [`release`](Self::release), and nobody gets it before `run_at`.
    ///
    /// # Errors
    /// As there.
    pub async fn release_until(
        &self,
        origin: &Origin,
        id: TaskId,
        fence: Fence,
        run_at: Timestamp,
    ) -> Result<Task, Error> {
        self.run(origin, engine::Release { id, fence, run_at: Some(run_at) }).await
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
}
