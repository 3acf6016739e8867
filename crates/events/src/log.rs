use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_vocab::{OrgId, Timestamp};
use tokio::sync::watch;

use crate::{Error, Event};

/// From which end to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Lowest number first.
    #[default]
    OldestFirst,
    /// Highest number first.
    NewestFirst,
}

/// Which stored events to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Only those with a number above this one.
    pub after: Option<u64>,
    /// Only those with a number below this one.
    pub before: Option<u64>,
    /// Only those about this one thing.
    pub subject: Option<String>,
    /// From which end.
    pub order: Order,
    /// At most this many.
    pub limit: usize,
}

/// What a hub needs from a log. The promises are tested on each implementation by `tests/log.rs`.
#[async_trait]
pub trait Log: Send + Sync {
    /// The organisation's events with a number above `after`, lowest first, at most `limit` of them.
    async fn read(&self, org: OrgId, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, Error>;

    /// As [`read`](Log::read), for a follower that comes again when [`changed`](Log::changed) says so: an empty answer may
    /// also mean that what is missing is on its way, and then that change comes soon.
    async fn follow(&self, org: OrgId, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, Error> {
        self.read(org, after, limit).await
    }

    /// The organisations whose highest number has risen since [`changed`](Log::changed) had the value `generation`, if that
    /// can be told without asking the store; `None` sends the caller to [`heads`](Log::heads).
    fn heads_since(&self, _generation: u64) -> Option<Vec<(OrgId, u64)>> {
        None
    }

    /// The organisation's events that fit the query.
    async fn query(&self, org: OrgId, query: Query) -> Result<Vec<Arc<Event>>, Error>;

    /// The highest number given in this organisation; 0 before the first.
    async fn head(&self, org: OrgId) -> Result<u64, Error>;

    /// Every organisation that has events, with its highest number.
    async fn heads(&self) -> Result<Vec<(OrgId, u64)>, Error>;

    /// Changes its value whenever this process learns of new events, after they are durable.
    fn changed(&self) -> watch::Receiver<u64>;

    /// Writes actor, subject, correlation and payload of these over those of the events with the same numbers; whatever else they
    /// are stays, and numbers that are not there are passed over. All or none; nobody is told.
    async fn replace(&self, org: OrgId, events: Vec<Event>) -> Result<(), Error>;

    /// Removes at most `limit` events of the organisation that happened before `before`, oldest first, and tells how many.
    /// Numbers are never used again.
    async fn trim(&self, org: OrgId, before: Timestamp, limit: usize) -> Result<u64, Error>;
}
