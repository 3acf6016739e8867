use orchestrator_vocab::{Actor, Integrity, OrgId};
use serde_json::json;

use super::Memories;
use crate::{Change, Error, Memory, MemoryId, event};

impl Memories {
    /// Somebody vouches for what was quarantined: from now on it is recalled, and believed as a user's word.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it is not quarantined.
    pub async fn confirm(&self, org: OrgId, by: &Actor, id: MemoryId) -> Result<Memory, Error> {
        let memory = self.get(org, id).await?;
        let now = self.0.parts.clock.now();
        let events = vec![event::about(&memory, "memory.confirmed", now, by, json!({}))];
        self.0.parts.store.change(org, id, Change::Confirm { integrity: Integrity::User }, events).await
    }

    /// Forgets one for good.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, org: OrgId, by: &Actor, id: MemoryId) -> Result<(), Error> {
        let found = self.0.parts.store.get(org, &[id]).await?.pop().ok_or(Error::NotFound(id))?;
        let now = self.0.parts.clock.now();
        let events = vec![event::about(&found.memory, "memory.deleted", now, by, json!({}))];
        let gone = self.0.parts.store.remove(org, &[id], now, events).await?;
        self.forget_vectors_of(org, &[found.number]).await;
        if gone.is_empty() { Err(Error::NotFound(id)) } else { Ok(()) }
    }

    /// A summary of a stretch of a session does not stand any more: it goes, and what it stood for is open again. Whether it was there.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn take_back(&self, org: OrgId, by: &Actor, summary: MemoryId) -> Result<bool, Error> {
        let Some(found) = self.0.parts.store.get(org, &[summary]).await?.pop() else { return Ok(false) };
        let now = self.0.parts.clock.now();
        let facts = json!({ "sessionId": found.memory.session, "covered": found.memory.covers.len() });
        let events = vec![event::about(&found.memory, "memory.reverted", now, by, facts)];
        let gone = self.0.parts.store.remove(org, &[summary], self.0.parts.clock.now(), events).await?;
        self.forget_vectors_of(org, &[found.number]).await;
        Ok(!gone.is_empty())
    }

    pub(super) async fn forget_vectors_of(&self, org: OrgId, numbers: &[i64]) {
        if let Some(index) = &self.0.index {
            index.remove(org, numbers).await;
        }
    }
}
