use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_vocab::OrgId;
use tokio::sync::watch;

use crate::Event;

/// How many of the newest events of each organisation are kept in memory.
const KEPT_MAX: usize = 1_024;

/// The newest events, so that live delivery does not read back what was just written.
#[derive(Debug)]
pub(crate) struct Recent {
    orgs: Mutex<HashMap<OrgId, VecDeque<Arc<Event>>>>,
    changed: watch::Sender<u64>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { orgs: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Recent {
    /// Takes events that are durable now. A run with a hole (another process wrote between) starts over.
    pub(crate) fn push(&self, events: Vec<Arc<Event>>) {
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            let kept = orgs.entry(event.org).or_default();
            if kept.back().is_some_and(|last| last.seq + 1 != event.seq) {
                kept.clear();
            }
            if kept.len() == KEPT_MAX {
                kept.pop_front();
            }
            kept.push_back(event);
        }
        drop(orgs);
        self.wake();
    }

    /// What follows `after`, if that is still in memory.
    pub(crate) fn after(&self, org: OrgId, after: u64, limit: usize) -> Option<Vec<Arc<Event>>> {
        let orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = orgs.get(&org)?;
        let first = kept.front()?.seq;
        let last = kept.back()?.seq;
        if after + 1 < first || after >= last {
            return None;
        }
        let skip = usize::try_from(after + 1 - first).ok()?;
        Some(kept.iter().skip(skip).take(limit).cloned().collect())
    }

    pub(crate) fn wake(&self) {
        self.changed.send_modify(|generation| *generation += 1);
    }

    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
