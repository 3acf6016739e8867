use std::sync::Arc;

use orchestrator_vocab::OrgId;
use sea_orm::ConnectionTrait as _;
use sea_orm::sea_query::{Alias, Query as Sql};

use super::{SqlLog, rows};
use crate::{Error, Event, Hub, Query, Transient};

/// Where a relay puts what arrives from other processes, and what it asks to be sure of it.
#[derive(Debug, Clone)]
pub struct Inbox {
    log: SqlLog,
    hub: Hub,
}

impl Inbox {
    /// The inbox of a log and of the hub that delivers from it.
    pub fn new(log: SqlLog, hub: Hub) -> Self {
        Self { log, hub }
    }

    /// What tells this log from every other one, also from one with the same organisations: made with its tables.
    pub async fn log_id(&self) -> Result<String, Error> {
        let statement = Sql::select().column(Alias::new("id")).from(Alias::new("events_identity")).to_owned();
        let row = self.log.database.reader().query_one(&statement).await.map_err(rows::store)?;
        let missing = || Error::Damaged { seq: 0, what: "the log has no identity".into() };
        row.ok_or_else(missing)?.try_get("", "id").map_err(rows::store)
    }

    /// Whether the event is in the log exactly so: a database that was put back to an earlier state has others under the
    /// same numbers.
    pub async fn is_genuine(&self, org: OrgId, event: &Event) -> Result<bool, Error> {
        let query = Query {
            after: Some(event.seq.saturating_sub(1)),
            before: Some(event.seq + 1),
            limit: 1,
            ..Query::default()
        };
        let stored = rows::select(self.log.database.reader(), org, &query).await?;
        Ok(stored.first().is_some_and(|stored| stored.id == event.id))
    }

    /// Takes events that other processes have made durable, in any order, also repeatedly.
    pub fn take(&self, events: Vec<Arc<Event>>) {
        self.log.recent.take(events);
    }

    /// Delivers something live only to those who listen here.
    pub fn take_transient(&self, piece: Transient) {
        self.hub.deliver_transient(piece);
    }

    /// Output of other processes was lost on the way: so many pieces of an organisation's. Who listens here gets a gap.
    pub fn output_is_missing(&self, org: OrgId, count: u64) {
        self.hub.output_is_missing(Some(org), count);
    }

    /// As [`output_is_missing`](Self::output_is_missing), where nobody knows of whose, how many, or whether any.
    pub fn output_may_be_missing(&self) {
        self.hub.output_is_missing(None, 0);
    }

    /// Something may have been missed: whoever follows looks into the log.
    pub fn look_into_the_log(&self) {
        self.log.recent.wake();
    }

    /// What was offered has not gone out: other processes are told to look into the log.
    pub fn was_not_carried(&self) {
        self.log.recent.was_not_carried();
    }
}
