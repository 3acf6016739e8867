use std::sync::{Mutex, MutexGuard, PoisonError};

use orchestrator_vocab::{EventId, OrgId, Timestamp};
use tokio_util::sync::CancellationToken;

use super::positions::Positions;
use super::store::{Bookmark, Definition, Record, WindowId};
use crate::{Part, Progress};

/// After this the store is told that a subscriber is still there, even if nothing happened.
const SEEN_EVERY_MS: i64 = 60_000;

/// A window whose subscriber is connected here.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: WindowId,
    pub(super) org: OrgId,
    pub(super) subject: String,
    /// Somebody else has the window now.
    pub(super) lost: CancellationToken,
    /// Held while the window is written, so that later subscriptions do not become durable before earlier ones.
    pub(super) writing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    generation: u64,
    entries: Vec<Entry>,
    next_n: u32,
    /// Raised with each change of the entries.
    version: u64,
    /// What of it the store has; `None` if the store has no such window.
    stored: Option<u64>,
    /// It was one too many: it is stored again with its next subscription, lest two drive each other out by turns.
    is_evicted: bool,
    /// What the store has of them; `None` if that is not known.
    positions: Option<Positions>,
    seen: Timestamp,
}

#[derive(Debug)]
struct Entry {
    definition: Definition,
    progress: Progress,
}

impl State {
    /// The subscription of this id, or all of them.
    fn named(&self, id: Option<&str>) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| id.is_none_or(|id| entry.definition.id == id))
    }
}

impl Held {
    /// A window that nobody has stored yet.
    pub(super) fn fresh(org: OrgId, subject: &str) -> Self {
        Self::new(
            WindowId::new(),
            org,
            subject,
            State {
                generation: 1,
                entries: Vec::new(),
                next_n: 0,
                version: 0,
                stored: None,
                is_evicted: false,
                positions: None,
                seen: Timestamp(0),
            },
        )
    }

    /// A window that was taken from the store, with where its subscriptions go on.
    pub(super) fn taken(record: Record, restored: Vec<(Definition, Progress)>) -> Self {
        let next_n = record.definitions.iter().map(|definition| definition.n + 1).max().unwrap_or(0);
        let entries = restored.into_iter().map(|(definition, progress)| Entry { definition, progress }).collect();
        Self::new(
            record.id,
            record.org,
            &record.subject,
            State {
                generation: record.generation,
                entries,
                next_n,
                version: 0,
                stored: Some(0),
                is_evicted: false,
                positions: Some(record.positions),
                seen: record.seen,
            },
        )
    }

    fn new(id: WindowId, org: OrgId, subject: &str, state: State) -> Self {
        Self {
            id,
            org,
            subject: subject.to_owned(),
            lost: CancellationToken::new(),
            writing: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Adds a subscription; `definition` gets its number here. Answers the version that has it.
    pub(super) fn add(&self, mut definition: Definition, progress: Progress) -> u64 {
        let mut state = self.state();
        definition.n = state.next_n;
        state.next_n += 1;
        state.version += 1;
        state.entries.push(Entry { definition, progress });
        state.version
    }

    /// Changes what a subscription wants, from the next time it is taken up on. Answers the version that has it.
    pub(super) fn define(&self, id: &str, parts: Vec<Part>) -> u64 {
        let mut state = self.state();
        state.version += 1;
        if let Some(entry) = state.entries.iter_mut().find(|entry| entry.definition.id == id) {
            entry.definition.parts = parts;
        }
        state.version
    }

    /// Where a subscription is and whether it acknowledges; then it is where the progress is that `renewed` makes of that.
    pub(super) fn renew(&self, id: &str, renewed: impl FnOnce(u64, bool) -> Progress) {
        let mut state = self.state();
        if let Some(entry) = state.entries.iter_mut().find(|entry| entry.definition.id == id) {
            entry.progress = renewed(entry.progress.0.position(), entry.definition.requires_ack);
        }
    }

    /// Answers the version without it.
    pub(super) fn remove(&self, id: &str) -> u64 {
        let mut state = self.state();
        state.entries.retain(|entry| entry.definition.id != id);
        state.version += 1;
        state.version
    }

    pub(super) fn acknowledge(&self, seq: u64, id: Option<&str>) {
        self.state().named(id).for_each(|entry| entry.progress.0.acknowledge(seq));
    }

    pub(super) fn acknowledge_ids(&self, ids: &[EventId], id: Option<&str>) {
        self.state().named(id).for_each(|entry| entry.progress.0.acknowledge_ids(ids));
    }

    /// The version of the subscriptions, if the store lacks it.
    pub(super) fn ahead_of_store(&self) -> Option<u64> {
        let state = self.state();
        let is_ahead = state.stored.map_or(!state.entries.is_empty(), |stored| stored < state.version);
        (is_ahead && !state.is_evicted).then_some(state.version)
    }

    /// What has to be stored so that the store has this version, and the version it then has.
    pub(super) fn unstored(&self, version: u64, now: Timestamp) -> Option<(Record, u64)> {
        let state = self.state();
        let is_stored = state.stored.is_some_and(|stored| stored >= version);
        (!is_stored).then(|| (self.record(&state, now), state.version))
    }

    pub(super) fn stored(&self, record: &Record, version: u64) {
        let mut state = self.state();
        (state.stored, state.is_evicted) = (Some(version), false);
        state.positions = Some(record.positions.clone());
        state.seen = record.seen;
    }

    /// Where it stands, if the store has the window and does not know.
    pub(super) fn moved(&self, now: Timestamp) -> Option<Bookmark> {
        let mut state = self.state();
        state.stored?;
        let is_quiet = now.millis() - state.seen.millis() < SEEN_EVERY_MS;
        let bookmark = self.bookmark(&state, if is_quiet { state.seen } else { now });
        if is_quiet && state.positions.as_ref() == Some(&bookmark.positions) {
            return None;
        }
        state.positions = Some(bookmark.positions.clone());
        state.seen = bookmark.seen;
        Some(bookmark)
    }

    /// Where it stands at its end, if the store has the window.
    pub(super) fn last(&self, now: Timestamp) -> Option<Bookmark> {
        let state = self.state();
        state.stored.map(|_| self.bookmark(&state, now))
    }

    /// What the last [`moved`](Self::moved) answered was not written.
    pub(super) fn not_saved(&self) {
        self.state().positions = None;
    }

    /// The store does not have it any more: it was one too many, or nobody was seen for too long.
    pub(super) fn gone(&self) {
        let mut state = self.state();
        (state.stored, state.is_evicted) = (None, true);
    }

    pub(super) fn is_stored(&self) -> bool {
        self.state().stored.is_some()
    }

    fn record(&self, state: &State, seen: Timestamp) -> Record {
        let Bookmark { id, generation, positions, seen } = self.bookmark(state, seen);
        let definitions = state.entries.iter().map(|entry| entry.definition.clone()).collect();
        Record { id, org: self.org, subject: self.subject.clone(), generation, definitions, positions, seen }
    }

    fn bookmark(&self, state: &State, seen: Timestamp) -> Bookmark {
        let positions = state.entries.iter().map(|entry| (entry.definition.n, entry.progress.0.position()));
        Bookmark { id: self.id, generation: state.generation, positions: positions.collect(), seen }
    }
}

impl Record {
    /// The subscriptions with where each goes on after.
    pub(super) fn standings(&self) -> Vec<(Definition, u64)> {
        let position = |definition: &Definition| self.positions.at(definition.n).max(definition.after);
        self.definitions.iter().map(|definition| (definition.clone(), position(definition))).collect()
    }
}
