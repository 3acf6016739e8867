use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use orchestrator_events::{MemoryLog, NewEvent};
use orchestrator_vocab::{OrgId, SessionId, TaskId, Timestamp};

use crate::{Append, Error, Listing, Numbered, Query, Session, Status, Store};

/// Sessions that are remembered as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryStore {
    log: Arc<MemoryLog>,
    sessions: Mutex<BTreeMap<(OrgId, SessionId), Kept>>,
}

#[derive(Debug)]
struct Kept {
    session: Session,
    journal: Vec<Numbered>,
    /// What was said under a key, by number.
    keys: BTreeMap<String, u64>,
}

impl MemoryStore {
    /// A store that appends its events to `log`.
    pub fn new(log: Arc<MemoryLog>) -> Self {
        Self { log, sessions: Mutex::default() }
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<(OrgId, SessionId), Kept>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn insert(&self, session: Session, events: Vec<NewEvent>) -> Result<(), Error> {
        let mut sessions = self.sessions();
        sessions.insert((session.org, session.id), Kept { session, journal: Vec::new(), keys: BTreeMap::new() });
        // Under the lock, so that events are in the order of the changes.
        self.log.append(events);
        Ok(())
    }

    async fn update(&self, session: Session, events: Vec<NewEvent>) -> Result<(), Error> {
        let mut sessions = self.sessions();
        let kept = sessions.get_mut(&(session.org, session.id)).ok_or(Error::NotFound(session.id))?;
        let stored = &mut kept.session;
        if stored.state.is_ended() {
            return Err(Error::Ended(session.id));
        }
        if stored.fence > session.fence {
            return Err(Error::Stale(session.id));
        }
        *stored = Session { entries: stored.entries, turns: stored.turns, ..session };
        self.log.append(events);
        Ok(())
    }

    async fn get(&self, org: OrgId, id: SessionId) -> Result<Option<Session>, Error> {
        Ok(self.sessions().get(&(org, id)).map(|kept| kept.session.clone()))
    }

    async fn list(&self, org: OrgId, query: Query) -> Result<Listing, Error> {
        let sessions = self.sessions();
        let wanted = |session: &&Session| {
            session.org == org && query.status.is_none_or(|status| session.state.status() == status)
        };
        let all = || sessions.values().map(|kept| &kept.session);
        let total = all().filter(wanted).count() as u64;
        let page = all().rev().filter(wanted).skip(query.offset).take(query.limit).cloned().collect();
        Ok(Listing { sessions: page, total })
    }

    async fn counts(&self, org: OrgId) -> Result<BTreeMap<Status, u64>, Error> {
        let mut counts = BTreeMap::new();
        for session in self.sessions().values().map(|kept| &kept.session).filter(|session| session.org == org) {
            *counts.entry(session.state.status()).or_default() += 1;
        }
        Ok(counts)
    }

    async fn left_behind(&self, node: &str, epoch: u64, limit: usize) -> Result<Vec<Session>, Error> {
        let is_left = |session: &&Session| session.state.is_active() && session.node == node && session.epoch < epoch;
        Ok(self.sessions().values().map(|kept| &kept.session).filter(is_left).take(limit).cloned().collect())
    }

    async fn open_of_task(&self, org: OrgId, task: TaskId) -> Result<Vec<Session>, Error> {
        let is_open = |session: &&Session| session.org == org && session.task == task && !session.state.is_ended();
        Ok(self.sessions().values().map(|kept| &kept.session).filter(is_open).cloned().collect())
    }

    async fn append(&self, append: Append) -> Result<u64, Error> {
        let mut sessions = self.sessions();
        let kept = sessions.get_mut(&(append.org, append.session)).ok_or(Error::NotFound(append.session))?;
        if let Some(number) = append.key.as_ref().and_then(|key| kept.keys.get(key)) {
            return Ok(*number);
        }
        if kept.session.state.is_ended() {
            return Err(Error::Ended(append.session));
        }
        if append.fence.is_some_and(|fence| fence != kept.session.fence || !kept.session.state.is_active()) {
            return Err(Error::Stale(append.session));
        }
        kept.session.turns += append.turns();
        for entry in append.entries {
            kept.session.entries += 1;
            kept.journal.push(Numbered { number: kept.session.entries, at: append.at, entry });
        }
        if let Some(key) = append.key {
            kept.keys.insert(key, kept.session.entries);
        }
        self.log.append(append.events);
        Ok(kept.session.entries)
    }

    async fn suspended(&self, after: Option<SessionId>, limit: usize) -> Result<Vec<Session>, Error> {
        let is_next = |session: &&Session| {
            session.state.status() == Status::Suspended && after.is_none_or(|after| session.id > after)
        };
        let sessions = self.sessions();
        let mut found: Vec<Session> = sessions.values().map(|kept| &kept.session).filter(is_next).cloned().collect();
        found.sort_by_key(|session| session.id);
        found.truncate(limit);
        Ok(found)
    }

    async fn entries(&self, org: OrgId, id: SessionId, after: u64, limit: usize) -> Result<Vec<Numbered>, Error> {
        let sessions = self.sessions();
        let journal = sessions.get(&(org, id)).map_or(&[][..], |kept| &kept.journal);
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(journal.iter().skip(skipped).take(limit).cloned().collect())
    }

    async fn newest(&self, org: OrgId, before: Option<SessionId>, limit: usize) -> Result<Vec<Session>, Error> {
        let is_next = |session: &&Session| session.org == org && before.is_none_or(|before| session.id < before);
        let sessions = self.sessions();
        Ok(sessions.values().rev().map(|kept| &kept.session).filter(is_next).take(limit).cloned().collect())
    }

    async fn keys(&self, org: OrgId, id: SessionId) -> Result<Vec<String>, Error> {
        Ok(self.sessions().get(&(org, id)).map(|kept| kept.keys.keys().cloned().collect()).unwrap_or_default())
    }

    async fn rewrite(&self, session: Session, entries: Vec<Numbered>) -> Result<bool, Error> {
        let mut sessions = self.sessions();
        let Some(kept) = sessions.get_mut(&(session.org, session.id)) else { return Ok(false) };
        if !kept.session.state.is_ended() {
            return Ok(false);
        }
        for Numbered { number, entry, .. } in entries {
            if let Some(kept) = kept.journal.iter_mut().find(|kept| kept.number == number) {
                kept.entry = entry;
            }
        }
        kept.keys.clear();
        kept.session = Session { entries: kept.session.entries, turns: kept.session.turns, ..session };
        Ok(true)
    }

    async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut sessions = self.sessions();
        let is_old = |session: &&Session| session.ended_at.is_some_and(|ended| ended < before);
        let old: Vec<_> = sessions
            .values()
            .map(|kept| &kept.session)
            .filter(is_old)
            .take(limit)
            .map(|one| (one.org, one.id))
            .collect();
        old.iter().for_each(|key| drop(sessions.remove(key)));
        Ok(old.len() as u64)
    }
}
