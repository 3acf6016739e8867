use async_trait::async_trait;
use orchestrator_vocab::{AgentId, Label, OrgId, SessionId, TaskId, Timestamp};
use serde_json::Value;

/// What a session holds of the backlog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Whose task.
    pub org: OrgId,
    /// Which.
    pub task: TaskId,
    /// Under which claim.
    pub fence: u64,
    /// Who holds it.
    pub session: SessionId,
    /// Who works on it.
    pub agent: AgentId,
}

/// What the backlog says to a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was taken, and after a heartbeat: go on.
    Accepted,
    /// The task is no longer this holder's (another fence, cancelled, deleted): stop working on it.
    Lost,
}

/// Why the backlog gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// It could not be reached. It is asked again until it answers.
    #[error("the backlog cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It will never take this, for example because a result is too large. The same is not sent again.
    #[error("the backlog refused it: {0}")]
    Refused(String),
}

/// What a session needs from the backlog.
///
/// Every call may come twice, because an answer can get lost: a repeated end under the same fence is
/// [`Answer::Accepted`] again, if the backlog can tell. A call that takes long holds up nothing but itself.
#[async_trait]
pub trait Work: Send + Sync {
    /// Renews the lease and reports how far the work is.
    async fn heartbeat(&self, lease: &Lease, progress: Option<Value>) -> Result<Answer, WorkError>;

    /// The task is done. `label`: of everything that led to the result.
    async fn complete(&self, lease: &Lease, result: Value, label: Label) -> Result<Answer, WorkError>;

    /// The attempt failed; whether there is another is the backlog's to decide.
    async fn fail(&self, lease: &Lease, error: String) -> Result<Answer, WorkError>;

    /// The task goes back as if it had not been tried, also from [`wait`](Self::wait): no attempt is spent. Nobody is to try it before `run_at`.
    async fn release(&self, lease: &Lease, reason: String, run_at: Option<Timestamp>) -> Result<Answer, WorkError>;

    /// Only a person can say how it goes on: the task waits for that, and nobody holds it meanwhile.
    async fn wait(&self, lease: &Lease, reason: String) -> Result<Answer, WorkError>;

    /// The suspended session can go on. Its task is to be given to its agent again, and its session reopened by
    /// [`Sessions::start`](crate::Sessions::start) before this returns; if that cannot be now, the task stays in the
    /// backlog. [`Answer::Lost`] if it is finished or somebody else's.
    async fn go_on(&self, lease: &Lease) -> Result<Answer, WorkError>;
}
