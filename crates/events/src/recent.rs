use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use orchestrator_vocab::OrgId;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::{Event, Relay};

/// How many of the newest events of each organisation are kept in memory.
const KEPT_MAX: usize = 1_024;
/// How long what another process committed may be on its way before the log is asked for it.
pub(crate) const ON_ITS_WAY_MAX: Duration = Duration::from_millis(25);

/// The newest events, so that live delivery does not read back what was just written, here or elsewhere.
pub(crate) struct Recent {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    /// Counts commits of this process only: what others committed must not be announced again.
    committed: watch::Sender<u64>,
    /// Something that was committed here did not go to the relay.
    unrelayed: AtomicBool,
    pub(crate) relay: OnceLock<Arc<dyn Relay>>,
    /// Something is missing in the middle, and may be on its way.
    pub(crate) awaited: Notify,
    pub(crate) reads: Counts,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) memory: AtomicU64,
    pub(crate) relay: AtomicU64,
    pub(crate) log: AtomicU64,
}

#[derive(Default)]
struct State {
    /// When it was last said that there is something new, without saying what.
    told_at: u64,
    orgs: HashMap<OrgId, Kept>,
}

#[derive(Default)]
struct Kept {
    events: BTreeMap<u64, Arc<Event>>,
    /// When the newest was added.
    moved_at: u64,
    /// After which number something has been missing, and since when.
    awaiting: Option<(u64, Instant)>,
    /// The relay was asked for what it holds.
    recalled: bool,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            committed: watch::Sender::new(0),
            unrelayed: AtomicBool::new(false),
            relay: OnceLock::new(),
            awaited: Notify::new(),
            reads: Counts::default(),
        }
    }
}

impl std::fmt::Debug for Recent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recent").field("relayed", &self.relay.get().is_some()).finish_non_exhaustive()
    }
}

impl Recent {
    /// Takes events that this process has made durable.
    pub(crate) fn push(&self, events: Vec<Arc<Event>>) {
        if let Some(relay) = self.relay.get()
            && !relay.offer(&events)
        {
            self.unrelayed.store(true, Ordering::Release);
        }
        self.take(events);
        self.committed.send_modify(|count| *count += 1);
    }

    /// Takes events that are durable, and wakes who follows.
    pub(crate) fn take(&self, events: Vec<Arc<Event>>) {
        let mut state = self.state();
        let generation = *self.changed.borrow() + 1;
        for event in events {
            let kept = state.orgs.entry(event.org).or_default();
            if kept.events.last_key_value().is_none_or(|(last, _)| *last < event.seq) {
                kept.moved_at = generation;
            }
            kept.keep(event);
            // What was missing in the middle may be there now.
            if kept.awaiting.is_some() {
                kept.moved_at = generation;
            }
        }
        self.changed.send_replace(generation);
    }

    /// Takes events that were read from elsewhere; they are news to nobody.
    pub(crate) fn remember(&self, org: OrgId, events: &[Arc<Event>]) {
        let mut state = self.state();
        let kept = state.orgs.entry(org).or_default();
        events.iter().for_each(|event| kept.keep(event.clone()));
    }

    /// Takes these for those of the same numbers, as far as they are here.
    pub(crate) fn replace(&self, org: OrgId, events: &[Event]) {
        let mut state = self.state();
        let Some(kept) = state.orgs.get_mut(&org) else { return };
        for event in events {
            if let Some(old) = kept.events.get_mut(&event.seq) {
                *old = Arc::new(old.with_texts_of(event.clone()));
            }
        }
    }

    /// Only the newest says how far it goes.
    pub(crate) fn let_go(&self, org: OrgId) {
        let mut state = self.state();
        let Some(kept) = state.orgs.get_mut(&org) else { return };
        if let Some((newest, _)) = kept.events.last_key_value() {
            kept.events = kept.events.split_off(&newest.clone());
        }
    }

    /// The run that follows `after`, if that is in memory.
    pub(crate) fn after(&self, org: OrgId, after: u64, limit: usize) -> Option<Vec<Arc<Event>>> {
        let state = self.state();
        let kept = state.orgs.get(&org)?;
        let following = kept.events.range(after.saturating_add(1)..);
        let run: Vec<_> = following
            .zip(after.saturating_add(1)..)
            .take_while(|((seq, _), wanted)| *seq == wanted)
            .take(limit)
            .map(|((_, event), _)| event.clone())
            .collect();
        (!run.is_empty()).then_some(run)
    }

    /// Whether what follows `after` is missing for so short a time that the relay may still bring it.
    pub(crate) fn is_on_its_way(&self, org: OrgId, after: u64) -> bool {
        if !self.relay_is_up() {
            return false;
        }
        let mut state = self.state();
        let Some(kept) = state.orgs.get_mut(&org) else { return false };
        if kept.events.range(after.saturating_add(1)..).next().is_none() {
            return false;
        }
        let now = Instant::now();
        let since = match kept.awaiting {
            Some((number, since)) if number == after => since,
            _ => now,
        };
        kept.awaiting = Some((after, since));
        let patient = now.duration_since(since) < ON_ITS_WAY_MAX;
        drop(state);
        if patient {
            self.awaited.notify_one();
        }
        patient
    }

    /// Whether the relay may hold what memory does not; true once for each organisation.
    pub(crate) fn may_recall(&self, org: OrgId) -> bool {
        self.relay_is_up() && !self.state().orgs.get(&org).is_some_and(|kept| kept.recalled)
    }

    pub(crate) fn was_recalled(&self, org: OrgId) {
        self.state().orgs.entry(org).or_default().recalled = true;
    }

    /// Which organisations have moved since `generation`, and how far, unless there is news that is not in memory.
    pub(crate) fn heads_since(&self, generation: u64) -> Option<Vec<(OrgId, u64)>> {
        let state = self.state();
        if state.told_at > generation {
            return None;
        }
        let moved = state.orgs.iter().filter(|(_, kept)| kept.moved_at > generation);
        Some(moved.filter_map(|(org, kept)| Some((*org, *kept.events.last_key_value()?.0))).collect())
    }

    /// There is something new, and nobody said what.
    pub(crate) fn wake(&self) {
        let mut state = self.state();
        let generation = *self.changed.borrow() + 1;
        state.told_at = generation;
        self.changed.send_replace(generation);
    }

    /// What was offered to the relay has not gone anywhere: others have to be told.
    pub(crate) fn was_not_carried(&self) {
        self.unrelayed.store(true, Ordering::Release);
        self.committed.send_modify(|count| *count += 1);
    }

    /// Whether everything committed here since the last call went to the relay.
    pub(crate) fn was_relayed(&self) -> bool {
        !self.unrelayed.swap(false, Ordering::AcqRel) && self.relay_is_up()
    }

    pub(crate) fn relay_is_up(&self) -> bool {
        self.relay.get().is_some_and(|relay| relay.is_up())
    }

    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, event: Arc<Event>) {
        self.events.entry(event.seq).or_insert(event);
        if self.events.len() > KEPT_MAX {
            self.events.pop_first();
        }
    }
}
