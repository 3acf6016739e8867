use async_trait::async_trait;
use orchestrator_events::NewEvent;
use orchestrator_vocab::{OrgId, SessionId, Timestamp};

use crate::{Error, Status, Workspace};

/// A part of the workspaces, the newest session first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// Only those of sessions older than this one.
    pub before: Option<SessionId>,
    /// At most this many.
    pub limit: usize,
}

/// Where workspaces are remembered. Implementations must pass the conformance suite (feature `test-util`).
#[async_trait]
pub trait Store: Send + Sync {
    /// Adds a workspace, unless its session has one: the one that is there then is answered.
    async fn insert(&self, workspace: Workspace) -> Result<Workspace, Error>;

    /// Replaces a workspace that has the status `from` and appends the events, both or neither. [`Error::Raced`] if its
    /// status is another by now, [`Error::NotFound`] if there is none.
    async fn update(&self, workspace: Workspace, from: Status, events: Vec<NewEvent>) -> Result<(), Error>;

    /// The session's workspace, or `None`; another organisation's is `None` too.
    async fn get(&self, org: OrgId, session: SessionId) -> Result<Option<Workspace>, Error>;

    /// The organisation's workspaces, the newest session first.
    async fn list(&self, org: OrgId, query: Query) -> Result<Vec<Workspace>, Error>;

    /// Those of all organisations that are open on this node, in the order of organisation and session, after the
    /// given one; at most `limit`.
    async fn open_on(
        &self,
        node: &str,
        after: Option<(OrgId, SessionId)>,
        limit: usize,
    ) -> Result<Vec<Workspace>, Error>;

    /// Removes at most `limit` records, of all organisations, that were closed before `before`, and tells how many.
    async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error>;
}
