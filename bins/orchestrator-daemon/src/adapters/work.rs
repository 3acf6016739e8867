use async_trait::async_trait;
use orchestrator_sessions::{Answer, Lease, Work, WorkError};
use orchestrator_tasks::{Backlog, Completion, Error, Fence, Origin};
use orchestrator_vocab::{Actor, Integrity, Label};
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

    async fn release(&self, lease: &Lease, _reason: String) -> Result<Answer, WorkError> {
        answer(self.0.release(&origin(lease), lease.task, Fence(lease.fence)).await)
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
