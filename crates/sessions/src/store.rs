use std::collections::BTreeMap;

use async_trait::async_trait;
use orchestrator_events::NewEvent;
use orchestrator_vocab::{OrgId, SessionId, Timestamp};

use crate::{Error, Session, Status};

/// Which sessions to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// Only these.
    pub status: Option<Status>,
    /// At most this many.
    pub limit: usize,
    /// After passing over this many.
    pub offset: usize,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The newest first.
    pub sessions: Vec<Session>,
    /// How many there are without limit and offset.
    pub total: u64,
}

/// Where sessions are remembered. Implementations must pass the conformance suite (feature `test-util`).
#[async_trait]
pub trait Store: Send + Sync {
    /// Adds a session and appends the events, both or neither.
    async fn insert(&self, session: Session, events: Vec<NewEvent>) -> Result<(), Error>;

    /// Replaces a session and appends the events, both or neither. [`Error::NotFound`] if there is none;
    /// [`Error::Ended`] if the stored one has ended: that is final.
    async fn update(&self, session: Session, events: Vec<NewEvent>) -> Result<(), Error>;

    /// The session, or `None`; another organisation's is `None` too.
    async fn get(&self, org: OrgId, id: SessionId) -> Result<Option<Session>, Error>;

    /// The organisation's sessions, the newest first.
    async fn list(&self, org: OrgId, query: Query) -> Result<Listing, Error>;

    /// How many sessions the organisation has in each status that occurs.
    async fn counts(&self, org: OrgId) -> Result<BTreeMap<Status, u64>, Error>;

    /// Active sessions, of all organisations, that an earlier start of the node left behind; at most `limit`.
    async fn left_behind(&self, node: &str, epoch: u64, limit: usize) -> Result<Vec<Session>, Error>;

    /// Removes at most `limit` sessions, of all organisations, that ended before `before`, and tells how many.
    async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error>;
}
