use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use orchestrator_vocab::{OrgId, Timestamp};
use tokio::sync::watch;

use crate::{Error, Event, Log, NewEvent, Order, Query};

/// A log that lives as long as the process.
#[derive(Debug)]
pub struct MemoryLog {
    orgs: Mutex<BTreeMap<OrgId, Kept>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    head: u64,
    events: BTreeMap<u64, Arc<Event>>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self { orgs: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl MemoryLog {
    /// Numbers the events, in the order given, and wakes followers.
    pub fn append(&self, events: Vec<NewEvent>) {
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            let kept = orgs.entry(event.org).or_default();
            kept.head += 1;
            kept.events.insert(kept.head, Arc::new(event.numbered(kept.head)));
        }
        drop(orgs);
        self.changed.send_modify(|generation| *generation += 1);
    }

    fn with<R>(&self, org: OrgId, look: impl FnOnce(&mut Kept) -> R) -> R {
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        look(orgs.entry(org).or_default())
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn read(&self, org: OrgId, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, Error> {
        Ok(self.with(org, |kept| {
            kept.events.range(after.saturating_add(1)..).take(limit).map(|(_, event)| event.clone()).collect()
        }))
    }

    async fn query(&self, org: OrgId, query: Query) -> Result<Vec<Arc<Event>>, Error> {
        let wanted = |event: &&Arc<Event>| {
            query.after.is_none_or(|after| event.seq > after)
                && query.before.is_none_or(|before| event.seq < before)
                && query.subject.as_ref().is_none_or(|subject| event.subject.as_ref() == Some(subject))
        };
        Ok(self.with(org, |kept| {
            let found = kept.events.values().filter(wanted);
            match query.order {
                Order::OldestFirst => found.take(query.limit).cloned().collect(),
                Order::NewestFirst => found.rev().take(query.limit).cloned().collect(),
            }
        }))
    }

    async fn head(&self, org: OrgId) -> Result<u64, Error> {
        Ok(self.with(org, |kept| kept.head))
    }

    async fn heads(&self) -> Result<Vec<(OrgId, u64)>, Error> {
        let orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(orgs.iter().filter(|(_, kept)| kept.head > 0).map(|(org, kept)| (*org, kept.head)).collect())
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn replace(&self, org: OrgId, events: Vec<Event>) -> Result<(), Error> {
        self.with(org, |kept| {
            for event in events {
                if let Some(old) = kept.events.get_mut(&event.seq) {
                    *old = Arc::new(old.with_texts_of(event));
                }
            }
        });
        Ok(())
    }

    async fn trim(&self, org: OrgId, before: Timestamp, limit: usize) -> Result<u64, Error> {
        Ok(self.with(org, |kept| {
            let old: Vec<u64> = kept
                .events
                .values()
                .take_while(|event| event.time < before)
                .take(limit)
                .map(|event| event.seq)
                .collect();
            old.iter().for_each(|seq| {
                kept.events.remove(seq);
            });
            old.len() as u64
        }))
    }
}
