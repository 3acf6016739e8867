mod inbox;
mod listen;
mod migrations;
mod rows;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::future::BoxFuture;
use orchestrator_sql::{Backend, CommitHook, Database, Tx};
use orchestrator_vocab::{OrgId, Timestamp};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use inbox::Inbox;

use crate::recent::Recent;
use crate::{Error, Event, Log, NewEvent, Query, Relay};

pub use windows::SqlWindows;

/// The log on SQLite or PostgreSQL.
///
/// Make a [`Numbering`] first, connect the database with it as its hook, then open the log: appending is part of the writer's
/// transactions, numbering is the last thing they do.
#[derive(Clone)]
pub struct SqlLog {
    database: Database,
    recent: Arc<Recent>,
}

/// The commit hook that numbers and stores what was appended.
#[derive(Clone, Default)]
pub struct Numbering {
    recent: Arc<Recent>,
    filter: Option<Arc<PayloadFilter>>,
}

type PayloadFilter = dyn Fn(Value) -> Value + Send + Sync;

impl Numbering {
    /// Every payload goes through `filter` before it is stored or delivered, for example to take secrets out.
    #[must_use]
    pub fn with_filter(mut self, filter: impl Fn(Value) -> Value + Send + Sync + 'static) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }

    /// Also offers what was committed to `relay`, and takes from it what it holds. A second relay is ignored.
    #[must_use]
    pub fn with_relay(self, relay: Arc<dyn Relay>) -> Self {
        self.recent.relay.get_or_init(|| relay);
        self
    }

    fn filtered(&self, mut event: NewEvent) -> NewEvent {
        if let Some(filter) = &self.filter {
            event.payload = filter(event.payload);
        }
        event
    }
}

impl std::fmt::Debug for Numbering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Numbering").field("recent", &self.recent).finish_non_exhaustive()
    }
}

/// How many reads were answered from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// From what this process has in memory.
    pub memory: u64,
    /// From what the relay held.
    pub relay: u64,
    /// By the database.
    pub log: u64,
}

#[derive(Default)]
struct Outbox(Vec<NewEvent>);

impl std::fmt::Debug for SqlLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlLog").field("database", &self.database).finish_non_exhaustive()
    }
}

impl SqlLog {
    /// Where texts are: what [`Database::scrub`] is to see to after something was forgotten.
    pub const TABLES: [&str; 3] = ["events_log", "events_windows", "events_windows_definitions"];

    /// Lets go of what this process has in memory of an organisation's events but for the newest, because another one may have
    /// [replaced](Log::replace) some.
    pub fn let_go(&self, org: OrgId) {
        self.recent.let_go(org);
    }

    /// Brings the tables up to date and opens the log of a database that was connected with `numbering` as its hook.
    pub async fn open(database: Database, numbering: &Numbering) -> Result<Self, Error> {
        orchestrator_sql::migrate(&database, "events", migrations::ALL).await?;
        Ok(Self { database, recent: numbering.recent.clone() })
    }

    /// Adds events to the transaction. They are numbered and stored when it commits, or never.
    pub fn append(tx: &Tx, events: impl IntoIterator<Item = NewEvent>) {
        tx.stash(|outbox: &mut Outbox| outbox.0.extend(events));
    }

    /// Writes one event in a transaction of its own: for what is told and nothing else. Numbered and stored when this returns.
    ///
    /// # Errors
    /// The database's; then nothing was told.
    pub async fn tell(database: &Database, event: NewEvent) -> Result<(), orchestrator_sql::Error> {
        database
            .write(move |tx| {
                let event = event.clone();
                Box::pin(async move {
                    Self::append(tx, [event]);
                    Ok(())
                })
            })
            .await
    }

    /// Where reads were answered from since the start.
    pub fn reads(&self) -> Reads {
        let counts = &self.recent.reads;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Reads { memory: get(&counts.memory), relay: get(&counts.relay), log: get(&counts.log) }
    }

    async fn read_log(&self, org: OrgId, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, Error> {
        self.recent.reads.log.fetch_add(1, Ordering::Relaxed);
        self.query(org, Query { after: Some(after), limit, ..Query::default() }).await
    }

    fn read_memory(&self, org: OrgId, after: u64, limit: usize) -> Option<Vec<Arc<Event>>> {
        let events = self.recent.after(org, after, limit)?;
        self.recent.reads.memory.fetch_add(1, Ordering::Relaxed);
        Some(events)
    }

    /// What the relay holds is taken into memory once; from then on memory holds as much as the relay.
    async fn read_relay(&self, org: OrgId, after: u64, limit: usize) -> Option<Vec<Arc<Event>>> {
        let relay = self.recent.relay.get().filter(|_| self.recent.may_recall(org))?;
        let held = relay.recall(org).await?;
        self.recent.was_recalled(org);
        self.recent.remember(org, &held);
        let events = self.recent.after(org, after, limit)?;
        self.recent.reads.relay.fetch_add(1, Ordering::Relaxed);
        Some(events)
    }

    /// On PostgreSQL, tells other daemons of new events and learns of theirs, until `stop`; elsewhere it only waits.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        match self.database.backend() {
            Backend::Sqlite => stop.cancelled().await,
            Backend::Postgres => listen::run(&self.database, &self.recent, &stop).await?,
        }
        Ok(())
    }
}

impl CommitHook for Numbering {
    fn before_commit<'t>(&'t self, tx: &'t Tx) -> BoxFuture<'t, Result<(), orchestrator_sql::Error>> {
        Box::pin(async move {
            let Some(Outbox(events)) = tx.take::<Outbox>() else { return Ok(()) };
            let mut counts = BTreeMap::<OrgId, u64>::new();
            events.iter().for_each(|event| *counts.entry(event.org).or_default() += 1);
            let mut next = rows::reserve(tx, &counts).await?;
            let numbered: Vec<_> = events
                .into_iter()
                .map(|event| {
                    let seq = next.entry(event.org).or_default();
                    *seq += 1;
                    Arc::new(self.filtered(event).numbered(*seq))
                })
                .collect();
            rows::insert(tx, &numbered).await?;
            let recent = self.recent.clone();
            tx.on_commit(move || recent.push(numbered));
            Ok(())
        })
    }
}

#[async_trait]
impl Log for SqlLog {
    async fn read(&self, org: OrgId, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, Error> {
        if let Some(events) = self.read_memory(org, after, limit) {
            return Ok(events);
        }
        match self.read_relay(org, after, limit).await {
            Some(events) => Ok(events),
            None => self.read_log(org, after, limit).await,
        }
    }

    async fn follow(&self, org: OrgId, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, Error> {
        if let Some(events) = self.read_memory(org, after, limit) {
            return Ok(events);
        }
        if self.recent.is_on_its_way(org, after) {
            return Ok(Vec::new());
        }
        let events = self.read_log(org, after, limit).await?;
        // What was missing in memory is there again, for all who read on from here.
        self.recent.remember(org, &events);
        Ok(events)
    }

    fn heads_since(&self, generation: u64) -> Option<Vec<(OrgId, u64)>> {
        self.recent.heads_since(generation)
    }

    async fn query(&self, org: OrgId, query: Query) -> Result<Vec<Arc<Event>>, Error> {
        rows::select(self.database.reader(), org, &query).await
    }

    async fn head(&self, org: OrgId) -> Result<u64, Error> {
        rows::head(self.database.reader(), org).await
    }

    async fn heads(&self) -> Result<Vec<(OrgId, u64)>, Error> {
        rows::heads(self.database.reader()).await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.recent.changed()
    }

    async fn replace(&self, org: OrgId, events: Vec<Event>) -> Result<(), Error> {
        let (events, recent) = (Arc::new(events), self.recent.clone());
        self.database
            .write(move |tx| {
                let (events, recent) = (events.clone(), recent.clone());
                Box::pin(async move {
                    rows::replace(tx, org, &events).await?;
                    tx.on_commit(move || recent.replace(org, &events));
                    Ok::<_, Error>(())
                })
            })
            .await?;
        if let Some(relay) = self.recent.relay.get() {
            relay.forget(org).await;
        }
        Ok(())
    }

    async fn trim(&self, org: OrgId, before: Timestamp, limit: usize) -> Result<u64, Error> {
        self.database.write(move |tx| Box::pin(rows::trim(tx, org, before, limit))).await
    }
}
