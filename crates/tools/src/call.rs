use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use orchestrator_transcript::ToolPattern;
use orchestrator_vocab::{Actor, AgentId, Label, OrgId, SessionId, TaskId};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::ToolName;

/// A call that somebody wants to make. A [`Mint`](crate::Mint) makes a permit of it.
#[derive(Debug, Clone)]
pub struct Call {
    /// The tool.
    pub tool: ToolName,
    /// An object, as the tool's schema describes it.
    pub arguments: Value,
    /// For whom and where.
    pub context: Context,
}

/// For whom a call is made and where it works.
#[derive(Debug, Clone)]
pub struct Context {
    /// Whose it is: a tool must not reach beyond.
    pub org: OrgId,
    /// Who wants it.
    pub actor: Actor,
    /// The session it is made in, if any.
    pub session: Option<SessionId>,
    /// The task it is made for, if any.
    pub task: Option<TaskId>,
    /// The agent that makes it, if one does.
    pub agent: Option<AgentId>,
    /// The directory in which tools for files and commands work; without one they refuse.
    pub workspace: Option<PathBuf>,
    /// What programs may read and execute beside it: directories.
    pub readable: Vec<PathBuf>,
    /// The tools that whoever makes the call may use at the moment, if those are fewer than it may use by itself: what it has done for
    /// it must not use others.
    pub narrowed: Option<BTreeSet<ToolPattern>>,
    /// The same for the same call, also when it is made again after a crash: what a keyed tool tells repetitions by. Up to 200
    /// characters of letters, digits, `.`, `_` and `-`.
    pub key: String,
    /// Of the words that led to the call: its effects and what it says are to be trusted no more.
    pub label: Label,
    /// Cancelled when nobody wants the result any more: a tool ends what it started, and says so.
    pub cancel: CancellationToken,
    /// Told how far it is.
    pub progress: Progress,
}

/// Told how far a call is, as JSON for whoever watches. Cheap to clone; may be called often.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Value) + Send + Sync>);

/// What a tool is given.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// An object that its schema describes: it was checked.
    pub arguments: Value,
    /// For whom and where.
    pub context: Context,
}

impl Context {
    /// Of the organisation, for this actor; without a session, a workspace or anybody who watches.
    pub fn new(org: OrgId, actor: Actor, key: impl Into<String>) -> Self {
        Self {
            org,
            actor,
            session: None,
            task: None,
            agent: None,
            workspace: None,
            readable: Vec::new(),
            narrowed: None,
            key: key.into(),
            label: Label::default(),
            cancel: CancellationToken::new(),
            progress: Progress::nobody(),
        }
    }
}

impl Progress {
    /// Tells this function.
    pub fn new(tell: impl Fn(Value) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells nobody.
    pub fn nobody() -> Self {
        Self::new(drop)
    }

    /// Tells how far it is.
    pub fn tell(&self, progress: Value) {
        (self.0)(progress);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
