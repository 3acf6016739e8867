use async_trait::async_trait;
use orchestrator_sessions::{Answer, Lease, Work, WorkError};
use orchestrator_tasks::{Backlog, Completion, Error, Fence, Origin, Status};
use orchestrator_vocab::{Actor, Integrity, Label, Timestamp};
use serde_json::Value;

/// What sessions hold of the backlog. A stale fence, a cancelled or a deleted task all mean the same to a session: it is no
/// longer its own.
#[derive(Debug, Clone)]
pub(crate) struct OnBacklog(pub(crate) Backlog);

#[async_trait]
impl Work for OnBacklog {
    async fn heartbeat(&self, lease: &Lease, progress: Option<Value>) -> Result<Answer, WorkError> {
        answer(self.0.heartbeat(&origin(lease), lease.task, Fence(lease.fence), progress).await)
    }

    async fn complete(&self, lease: &Lease, result: Value) -> Result<Answer, WorkError> {
        let completion = Completion { task_id: lease.task, fence: Fence(lease.fence), result };
        answer(self.0.complete(&origin(lease), completion).await)
    }

    async fn fail(&self, lease: &Lease, error: String) -> Result<Answer, WorkError> {
        answer(self.0.fail(&origin(lease), lease.task, Fence(lease.fence), &error).await)
    }

    async fn release(&self, lease: &Lease, _reason: String, run_at: Option<Timestamp>) -> Result<Answer, WorkError> {
        let (origin, fence) = (origin(lease), Fence(lease.fence));
        answer(match run_at {
            Some(run_at) => self.0.release_until(&origin, lease.task, fence, run_at).await,
            None => self.0.release(&origin, lease.task, fence).await,
        })
    }

    async fn wait(&self, lease: &Lease, _reason: String) -> Result<Answer, WorkError> {
        let waits = self.0.await_approval(&origin(lease), lease.task, Fence(lease.fence)).await;
        if let Err(Error::Transition { .. }) = &waits
            && let Ok((task, _)) = self.0.get(lease.org, lease.task).await
            && task.fence == Fence(lease.fence)
            && task.state.status() == Status::AwaitingApproval
        {
            return Ok(Answer::Accepted); // The first answer was not heard.
        }
        answer(waits)
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
