use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use orchestrator_redact::Forget;
use orchestrator_vocab::{OrgId, Timestamp};

use super::store::{Bookmark, Bounds, Record, WindowId, WindowStore};
use crate::Error;

/// Windows that live as long as the process.
#[derive(Debug, Default)]
pub struct MemoryWindows(Mutex<HashMap<WindowId, Record>>);

impl MemoryWindows {
    fn records(&self) -> MutexGuard<'_, HashMap<WindowId, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the least recently seen of those that count beyond `max`.
fn keep_newest(records: &mut HashMap<WindowId, Record>, max: u32, counts: impl Fn(&Record) -> bool) {
    let mut seen: Vec<_> =
        records.values().filter(|record| counts(record)).map(|record| (record.seen, record.id)).collect();
    seen.sort_unstable();
    let surplus = seen.len().saturating_sub(usize::try_from(max).unwrap_or(usize::MAX));
    seen.iter().take(surplus).for_each(|(_, id)| {
        records.remove(id);
    });
}

#[async_trait]
impl WindowStore for MemoryWindows {
    async fn put(&self, record: Record, bounds: Bounds) -> Result<bool, Error> {
        let mut records = self.records();
        if records.get(&record.id).is_some_and(|held| held.generation != record.generation) {
            return Ok(false);
        }
        let (org, subject) = (record.org, record.subject.clone());
        records.insert(record.id, record);
        keep_newest(&mut records, bounds.per_subject, |other| other.org == org && other.subject == subject);
        keep_newest(&mut records, bounds.per_org, |other| other.org == org);
        Ok(true)
    }

    async fn take(
        &self,
        org: OrgId,
        subject: &str,
        id: WindowId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Record>, Error> {
        let mut records = self.records();
        let Some(record) = records.get_mut(&id) else { return Ok(None) };
        if (record.org, record.subject.as_str()) != (org, subject) || record.seen < since {
            return Ok(None);
        }
        record.generation += 1;
        record.seen = now;
        Ok(Some(record.clone()))
    }

    async fn save(&self, saved: Vec<Bookmark>) -> Result<(), Error> {
        let mut records = self.records();
        for new in saved {
            if let Some(record) = records.get_mut(&new.id).filter(|record| record.generation == new.generation) {
                (record.positions, record.seen) = (new.positions, new.seen);
            }
        }
        Ok(())
    }

    async fn generations(&self, ids: &[WindowId]) -> Result<Vec<(WindowId, u64)>, Error> {
        let records = self.records();
        Ok(ids.iter().filter_map(|id| Some((*id, records.get(id)?.generation))).collect())
    }

    async fn forget(&self, org: OrgId, forget: &Forget) -> Result<u64, Error> {
        let mut records = self.records();
        let is_gone = |record: &Record| record.org == org && record.is_forgotten_by(forget);
        let gone: Vec<WindowId> = records.values().filter(|record| is_gone(record)).map(|record| record.id).collect();
        if forget.changes() {
            records.retain(|id, _| !gone.contains(id));
        }
        Ok(gone.len() as u64)
    }

    async fn remove_unseen(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut records = self.records();
        let old = records.values().filter(|record| record.seen < before).map(|record| record.id);
        let old: Vec<_> = old.take(limit).collect();
        old.iter().for_each(|id| {
            records.remove(id);
        });
        Ok(old.len() as u64)
    }
}
