use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use orchestrator_sessions::{Answer, Lease, Work, WorkError};
use orchestrator_tasks::{Backlog, Claim, Completion, Dispatch, Error, Fence, Origin, Status, Task, Workforce as _};
use orchestrator_vocab::{Actor, Integrity, Label, Timestamp};
use serde_json::Value;

use super::{FromRegistry, Roster};

/// What sessions hold of the backlog. A stale fence, a cancelled or a deleted task all mean the same to a session: it is no
/// longer its own.
#[derive(Clone)]
pub(crate) struct OnBacklog {
    backlog: Backlog,
    workforce: FromRegistry,
    /// Where claims go, once there are sessions to go to.
    dispatch: Arc<OnceLock<Arc<dyn Dispatch>>>,
}

impl OnBacklog {
    pub(crate) fn new(backlog: Backlog, roster: Roster) -> Self {
        Self { backlog, workforce: FromRegistry(roster), dispatch: Arc::default() }
    }

    /// Lets suspended sessions go on from now on.
    pub(crate) fn connect(&self, dispatch: Arc<dyn Dispatch>) {
        self.dispatch.get_or_init(|| dispatch);
    }

    /// The task for the agent that had begun it, if that may have it now.
    async fn claim_again(&self, lease: &Lease, task: &Task) -> Result<Option<Claim>, Error> {
        let origin = Origin::new(lease.org, Actor::system("sessions"));
        if task.state.status() == Status::AwaitingApproval {
            return self.backlog.resume(&origin, lease.task, Fence(lease.fence)).await.map(Some);
        }
        let agents = self.workforce.agents(lease.org).await?;
        self.backlog.claim_exact(&origin, lease.task, &lease.agent, agents).await
    }

    async fn take_up_again(&self, lease: &Lease) -> Result<Answer, Error> {
        let (task, _) = self.backlog.get(lease.org, lease.task).await?;
        if task.state.is_finished() || matches!(task.state.status(), Status::InProgress) {
            return Ok(Answer::Lost);
        }
        let Some(claim) = self.claim_again(lease, &task).await? else { return Ok(Answer::Accepted) };
        let fence = claim.fence;
        let refused = match self.dispatch.get() {
            Some(dispatch) => dispatch.dispatch(claim).await.err().map(|refused| refused.reason),
            None => Some("the daemon is starting".to_owned()),
        };
        if let Some(reason) = refused {
            tracing::info!(task = %lease.task, session = %lease.session, %reason, "a session cannot go on now");
            let origin = Origin::new(lease.org, Actor::system("sessions"));
            self.backlog.release(&origin, lease.task, fence).await?;
        }
        Ok(Answer::Accepted)
    }
}

#[async_trait]
impl Work for OnBacklog {
    async fn heartbeat(&self, lease: &Lease, progress: Option<Value>) -> Result<Answer, WorkError> {
        answer(self.backlog.heartbeat(&origin(lease), lease.task, Fence(lease.fence), progress).await)
    }

    async fn complete(&self, lease: &Lease, result: Value, label: Label) -> Result<Answer, WorkError> {
        let completion = Completion { task_id: lease.task, fence: Fence(lease.fence), result };
        let mut origin = origin(lease);
        origin.label = origin.label.join(label);
        answer(self.backlog.complete(&origin, completion).await)
    }

    async fn fail(&self, lease: &Lease, error: String) -> Result<Answer, WorkError> {
        answer(self.backlog.fail(&origin(lease), lease.task, Fence(lease.fence), &error).await)
    }

    async fn release(&self, lease: &Lease, _reason: String, run_at: Option<Timestamp>) -> Result<Answer, WorkError> {
        let (origin, fence) = (origin(lease), Fence(lease.fence));
        let released = match run_at {
            Some(run_at) => self.backlog.release_until(&origin, lease.task, fence, run_at).await,
            None => self.backlog.release(&origin, lease.task, fence).await,
        };
        if matches!(released, Err(Error::Transition { .. })) && self.waits(lease).await? {
            return answer(self.backlog.approve(&origin, lease.task).await);
        }
        answer(released)
    }

    async fn wait(&self, lease: &Lease, _reason: String) -> Result<Answer, WorkError> {
        let waits = self.backlog.await_approval(&origin(lease), lease.task, Fence(lease.fence)).await;
        if matches!(waits, Err(Error::Transition { .. })) && self.waits(lease).await? {
            return Ok(Answer::Accepted); // The first answer was not heard.
        }
        answer(waits)
    }

    async fn go_on(&self, lease: &Lease) -> Result<Answer, WorkError> {
        match self.take_up_again(lease).await {
            Ok(said) => Ok(said),
            Err(error) => answer(Err::<(), _>(error)),
        }
    }
}

impl OnBacklog {
    /// Whether the task waits for a person under this claim.
    async fn waits(&self, lease: &Lease) -> Result<bool, WorkError> {
        match self.backlog.get(lease.org, lease.task).await {
            Ok((task, _)) => Ok(task.fence == Fence(lease.fence) && task.state.status() == Status::AwaitingApproval),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(WorkError::Unavailable(Box::new(error))),
        }
    }
}

/// What an agent says is data: it is not believed because an operator configured the agent.
fn origin(lease: &Lease) -> Origin {
    let mut origin = Origin::new(lease.org, Actor::Agent(lease.agent.clone()));
    origin.label = Label { integrity: Integrity::Untrusted, ..Label::USER };
    origin
}

fn answer<T>(outcome: Result<T, Error>) -> Result<Answer, WorkError> {
    match outcome {
        Ok(_) => Ok(Answer::Accepted),
        Err(Error::Stale { .. } | Error::NotFound(_) | Error::Transition { .. }) => Ok(Answer::Lost),
        Err(error) if error.is_retryable() => Err(WorkError::Unavailable(Box::new(error))),
        Err(error) => Err(WorkError::Refused(error.to_string())),
    }
}
