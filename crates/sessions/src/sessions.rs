mod control;
mod drain;
mod forgetting;
mod hold;
mod people;
mod reopen;
mod start;

use std::collections::BTreeMap;
use std::sync::Arc;

use orchestrator_events::{Filter, Hub, Subscription};
use orchestrator_process::Host;
use orchestrator_vocab::{Actor, Clock, OrgId, SessionId, Timestamp};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::live::{Live, Table};
use crate::{Config, Error, Listing, Node, Numbered, Query, Session, SessionInfo, Status, Step, Store, Work, event};

pub use control::Stop;
pub use drain::{Drained, Recovered};
pub use people::{Answered, Noting, Said};
pub use start::StartRequest;

/// What is told to whoever follows a session.
const FOLLOWED: [&str; 4] = ["session.*", "stream.*", "task.*", "tool.*"];

/// Changes each line of output before anybody sees it, for example to take secrets out.
pub type TextFilter = Arc<dyn Fn(String) -> String + Send + Sync>;

/// What sessions are made of.
#[derive(Clone)]
pub struct Parts {
    /// Where they are remembered.
    pub store: Arc<dyn Store>,
    /// Where their tasks come from.
    pub work: Arc<dyn Work>,
    /// Where their output is streamed to.
    pub hub: Hub,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Which daemon this is.
    pub node: Node,
    /// What the operator decided.
    pub config: Config,
    /// What each line of output goes through, if anything.
    pub filter: Option<TextFilter>,
    /// What starts the programs that run in them.
    pub host: Host,
}

/// The sessions of this daemon. Cheap to clone; starts nothing by itself.
#[derive(Clone)]
pub struct Sessions(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) table: Table,
    admission: Arc<Admission>,
    tracker: TaskTracker,
    handing_back: CancellationToken,
    holds: hold::Holds,
    /// From here on nobody is asked again: what is open is recovered at the next start.
    pub(crate) abandoned: CancellationToken,
    changed: watch::Sender<u64>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("active", &self.active()).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Sessions without any yet. Call [`Sessions::recover`] before the first start.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a configuration out of bounds.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        parts.config.validate()?;
        Ok(Self(Arc::new(Shared {
            admission: Admission::new(parts.config.max_active),
            parts,
            table: Table::default(),
            tracker: TaskTracker::new(),
            handing_back: CancellationToken::new(),
            holds: hold::Holds::default(),
            abandoned: CancellationToken::new(),
            changed: watch::Sender::new(0),
        })))
    }

    /// The session, with what it has used until now.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn get(&self, org: OrgId, id: SessionId) -> Result<Session, Error> {
        let stored = self.0.parts.store.get(org, id).await?;
        stored.map(|session| self.0.overlaid(session)).ok_or(Error::NotFound(id))
    }

    /// The organisation's sessions, the newest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(&self, org: OrgId, query: Query) -> Result<Listing, Error> {
        let Listing { sessions, total } = self.0.parts.store.list(org, query).await?;
        Ok(Listing { sessions: sessions.into_iter().map(|session| self.0.overlaid(session)).collect(), total })
    }

    /// How many sessions the organisation has in each status that occurs.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn counts(&self, org: OrgId) -> Result<BTreeMap<Status, u64>, Error> {
        self.0.parts.store.counts(org).await
    }

    /// What happens from now on to the session and its task, with what the session prints.
    ///
    /// # Errors
    /// [`Error::Store`]: the log cannot be read.
    pub async fn follow(&self, session: &Session) -> Result<Subscription, Error> {
        let fields = Map::from_iter([("taskId".to_owned(), json!(session.task))]);
        let filter = Filter::parse(FOLLOWED).expect("these are patterns").with_fields(fields);
        let failed = |error| Error::Store(Box::new(error));
        self.0.parts.hub.subscribe(session.org, filter).await.map_err(failed)
    }

    /// Removes at most `limit` sessions, of all organisations, that ended before `before`, and tells how many.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        self.0.parts.store.trim(before, limit).await
    }

    /// Everything that happened in the session, in order; empty for a runtime that keeps no journal.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn entries(&self, org: OrgId, id: SessionId) -> Result<Vec<Numbered>, Error> {
        self.get(org, id).await?;
        self.0.all_entries(org, id).await
    }

    /// The name of this daemon among those that share the store.
    pub fn node(&self) -> &str {
        &self.0.parts.node.name
    }

    /// How many sessions of this daemon are active.
    pub fn active(&self) -> usize {
        self.0.admission.active()
    }

    /// How many more could be started now.
    pub fn free(&self) -> usize {
        self.0.admission.free()
    }

    /// Lets so many sessions be active from now on, 1 to 100,000. Those that are go on, also if they are more.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a number out of bounds; the old one stays.
    pub fn set_max_active(&self, max: usize) -> Result<(), Error> {
        Config { max_active: max, ..self.0.parts.config.clone() }.validate()?;
        self.0.admission.resize(max);
        self.0.changed.send_modify(|generation| *generation += 1);
        Ok(())
    }

    /// Changes its value whenever a session has ended and made room.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// The session in the form for the wire, as of now.
    pub fn info(&self, session: &Session) -> SessionInfo {
        session.info(self.0.parts.clock.now())
    }
}

impl Shared {
    pub(crate) fn filtered(&self, text: String) -> String {
        match &self.parts.filter {
            Some(filter) => filter(text),
            None => text,
        }
    }

    /// Every text in it, names aside.
    pub(crate) fn filtered_json(&self, value: Value) -> Value {
        match value {
            _ if self.parts.filter.is_none() => value,
            Value::String(text) => Value::String(self.filtered(text)),
            Value::Array(items) => items.into_iter().map(|item| self.filtered_json(item)).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(name, value)| (name, self.filtered_json(value))).collect()
            }
            value => value,
        }
    }

    fn overlaid(&self, mut session: Session) -> Session {
        if session.state.is_active()
            && let Some(live) = self.table.get(session.org, session.id)
        {
            live.overlay(&mut session);
        }
        session
    }

    /// Makes a step, stores it and tells the log, all or nothing. `edit` may change more than the state.
    pub(crate) async fn step(
        &self,
        live: &Live,
        step: Step,
        actor: &Actor,
        edit: impl FnOnce(&mut Session),
    ) -> Result<Session, Error> {
        let mut record = live.record.lock().await;
        let mut next = record.clone();
        next.state = next.state.after(step)?;
        live.overlay(&mut next);
        edit(&mut next);
        self.save(&record, &next, actor).await?;
        record.clone_from(&next);
        Ok(next)
    }

    pub(crate) async fn save(&self, before: &Session, next: &Session, actor: &Actor) -> Result<(), Error> {
        let events = event::changed(next, before.state.status(), self.parts.clock.now(), actor);
        self.parts.store.update(next.clone(), events).await
    }
}
