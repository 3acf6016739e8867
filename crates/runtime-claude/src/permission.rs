use std::convert::Infallible;

use orchestrator_vocab::{AgentId, Label, OrgId, SessionId, TaskId};
use serde_json::Value;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt as _, service_fn};

/// What an agent asks leave for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Whose session it is.
    pub org: OrgId,
    /// Which one.
    pub session: SessionId,
    /// At which task.
    pub task: TaskId,
    /// Who asks.
    pub agent: AgentId,
    /// The agent's own id of the call.
    pub call: String,
    /// The tool, as the agent names it.
    pub tool: String,
    /// What it would be called with.
    pub input: Value,
    /// Of everything that was said in the session before.
    pub label: Label,
    /// Why the agent did not decide itself, in its words, if it says.
    pub why: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allow {
        /// By what rule; for the journal.
        reason: String,
        /// With these arguments; `None`: with those that it asked for.
        input: Option<Value>,
    },
    /// It may not.
    Deny {
        /// Why not. The agent is told.
        reason: String,
    },
}

/// Who gives leave. An error denies.
pub type Permissions = BoxCloneSyncService<Asked, Verdict, BoxError>;

/// Gives nobody leave for anything.
pub fn deny_all() -> Permissions {
    let deny = |_: Asked| async {
        let reason = "nobody here gives leave for tools".to_owned();
        Ok::<_, Infallible>(Verdict::Deny { reason })
    };
    BoxCloneSyncService::new(service_fn(deny).map_err(BoxError::from))
}

/// # Errors
/// None: whoever cannot answer denies.
pub(crate) async fn ask(permissions: Permissions, asked: Asked, patience: std::time::Duration) -> Verdict {
    match tokio::time::timeout(patience, permissions.oneshot(asked)).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => Verdict::Deny { reason: format!("leave could not be asked for: {error}") },
        Err(_) => Verdict::Deny { reason: format!("nobody answered within {} ms", patience.as_millis()) },
    }
}
