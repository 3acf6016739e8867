use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use orchestrator_events::{MemoryLog, NewEvent};
use orchestrator_vocab::{OrgId, SessionId, Timestamp};

use crate::{Error, Query, Status, Store, Workspace};

type Key = (OrgId, SessionId);

/// Workspaces that are remembered as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryStore {
    log: Arc<MemoryLog>,
    workspaces: Mutex<BTreeMap<Key, Workspace>>,
}

impl MemoryStore {
    /// A store that appends its events to `log`.
    pub fn new(log: Arc<MemoryLog>) -> Self {
        Self { log, workspaces: Mutex::default() }
    }

    fn workspaces(&self) -> MutexGuard<'_, BTreeMap<Key, Workspace>> {
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn insert(&self, workspace: Workspace) -> Result<Workspace, Error> {
        let mut workspaces = self.workspaces();
        Ok(workspaces.entry((workspace.org, workspace.session)).or_insert(workspace).clone())
    }

    async fn update(&self, workspace: Workspace, from: Status, events: Vec<NewEvent>) -> Result<(), Error> {
        let mut workspaces = self.workspaces();
        let session = workspace.session;
        let stored = workspaces.get_mut(&(workspace.org, session)).ok_or(Error::NotFound(session))?;
        if stored.status != from {
            return Err(Error::Raced(session));
        }
        *stored = workspace;
        // Under the lock, so that events are in the order of the changes.
        self.log.append(events);
        Ok(())
    }

    async fn get(&self, org: OrgId, session: SessionId) -> Result<Option<Workspace>, Error> {
        Ok(self.workspaces().get(&(org, session)).cloned())
    }

    async fn list(&self, org: OrgId, query: Query) -> Result<Vec<Workspace>, Error> {
        let wanted = |one: &&Workspace| one.org == org && query.before.is_none_or(|before| one.session < before);
        Ok(self.workspaces().values().rev().filter(wanted).take(query.limit).cloned().collect())
    }

    async fn open_on(&self, node: &str, after: Option<Key>, limit: usize) -> Result<Vec<Workspace>, Error> {
        let workspaces = self.workspaces();
        let wanted = |(key, one): &(&Key, &Workspace)| {
            one.node == node && one.status.is_open() && after.is_none_or(|after| **key > after)
        };
        Ok(workspaces.iter().filter(wanted).take(limit).map(|(_, one)| one.clone()).collect())
    }

    async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut workspaces = self.workspaces();
        let is_old = |one: &&Workspace| one.closed_at.is_some_and(|closed| closed < before);
        let old: Vec<Key> = workspaces.values().filter(is_old).take(limit).map(|one| (one.org, one.session)).collect();
        old.iter().for_each(|key| drop(workspaces.remove(key)));
        Ok(old.len() as u64)
    }
}
