use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use orchestrator_events::{MemoryLog, NewEvent};
use orchestrator_vocab::{OrgId, SessionId, Timestamp};

use crate::{Error, Listing, Query, Session, Status, Store};

/// Sessions that are remembered as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryStore {
    log: Arc<MemoryLog>,
    sessions: Mutex<BTreeMap<(OrgId, SessionId), Session>>,
}

impl MemoryStore {
    /// A store that appends its events to `log`.
    pub fn new(log: Arc<MemoryLog>) -> Self {
        Self { log, sessions: Mutex::default() }
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<(OrgId, SessionId), Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn insert(&self, session: Session, events: Vec<NewEvent>) -> Result<(), Error> {
        let mut sessions = self.sessions();
        sessions.insert((session.org, session.id), session);
        // Under the lock, so that events are in the order of the changes.
        self.log.append(events);
        Ok(())
    }

    async fn update(&self, session: Session, events: Vec<NewEvent>) -> Result<(), Error> {
        let mut sessions = self.sessions();
        let stored = sessions.get_mut(&(session.org, session.id)).ok_or(Error::NotFound(session.id))?;
        if !stored.state.is_active() {
            return Err(Error::Ended(session.id));
        }
        *stored = session;
        self.log.append(events);
        Ok(())
    }

    async fn get(&self, org: OrgId, id: SessionId) -> Result<Option<Session>, Error> {
        Ok(self.sessions().get(&(org, id)).cloned())
    }

    async fn list(&self, org: OrgId, query: Query) -> Result<Listing, Error> {
        let sessions = self.sessions();
        let wanted = |session: &&Session| {
            session.org == org && query.status.is_none_or(|status| session.state.status() == status)
        };
        let total = sessions.values().filter(wanted).count() as u64;
        let page = sessions.values().rev().filter(wanted).skip(query.offset).take(query.limit).cloned().collect();
        Ok(Listing { sessions: page, total })
    }

    async fn counts(&self, org: OrgId) -> Result<BTreeMap<Status, u64>, Error> {
        let mut counts = BTreeMap::new();
        for session in self.sessions().values().filter(|session| session.org == org) {
            *counts.entry(session.state.status()).or_default() += 1;
        }
        Ok(counts)
    }

    async fn left_behind(&self, node: &str, epoch: u64, limit: usize) -> Result<Vec<Session>, Error> {
        let is_left = |session: &&Session| session.state.is_active() && session.node == node && session.epoch < epoch;
        Ok(self.sessions().values().filter(is_left).take(limit).cloned().collect())
    }

    async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut sessions = self.sessions();
        let is_old = |session: &&Session| session.ended_at.is_some_and(|ended| ended < before);
        let old: Vec<_> = sessions.values().filter(is_old).take(limit).map(|one| (one.org, one.id)).collect();
        old.iter().for_each(|key| drop(sessions.remove(key)));
        Ok(old.len() as u64)
    }
}
