mod asking;
mod changing;
mod elsewhere;
mod embedding;
mod erasing;
#[cfg(feature = "markdown")]
mod importing;
mod keeping;
mod learning;
mod looked;
mod notes;
mod verifying;

pub use elsewhere::{Elsewhere, Place};
pub use erasing::{Erased, Erasing};
#[cfg(feature = "markdown")]
pub use importing::{Counts, ENTRIES_MAX, Imported, ImportedEntry, Importing, Status};
pub use keeping::Swept;
pub use notes::{Edit, Pad};
pub use verifying::Coverage;

use looked::Looked;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use orchestrator_vocab::{Actor, Clock, OrgId, SessionId};
use serde_json::json;

use crate::analysis::Analyzer;
use crate::text::digest;
use crate::vectors::Index;
use crate::{
    Bounds, Config, Draft, Embedder, Error, Filter, Insert, Memory, MemoryId, Owners, Prepared, State, Store,
    Summarizer, Tier, Used, event,
};

/// The most memories that are stored at once.
pub const BATCH_MAX: usize = 1_000;

/// So many that wait are counted.
const WAITING_MAX: usize = 1_000;

/// What [`Memories`] are made of.
pub struct MemoriesParts {
    /// Where they are.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How much is remembered, and how it is found.
    pub config: Config,
    /// Who makes vectors; without, memories are found by their words.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Who sums up what is old; without, that is done by rules.
    pub summarizer: Option<Arc<dyn Summarizer>>,
    /// What every text goes through before it is remembered: for secrets that are not to be.
    pub filter: Option<Arc<dyn Fn(String) -> String + Send + Sync>>,
}

/// Everything that is remembered. Cheap to clone.
#[derive(Clone)]
pub struct Memories(Arc<Shared>);

struct Shared {
    parts: MemoriesParts,
    analyzer: Analyzer,
    index: Option<Index>,
    looked: Looked,
    /// What is full, and was told to be.
    full: Mutex<HashSet<Tiered>>,
    elsewhere: OnceLock<Vec<Arc<dyn Elsewhere>>>,
    erasing: tokio::sync::Mutex<()>,
}

/// Whose, which, and of which session.
type Tiered = (OrgId, Tier, Option<SessionId>);

impl std::fmt::Debug for Memories {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memories").field("config", &self.0.parts.config).finish_non_exhaustive()
    }
}

impl Memories {
    /// # Errors
    /// [`Error::Invalid`] if the configuration makes no sense.
    pub fn new(parts: MemoriesParts) -> Result<Self, Error> {
        parts.config.validate()?;
        let index = parts.embedder.as_ref().map(|embedder| Index::new(embedder.name(), embedder.dimensions()));
        let (analyzer, looked, full) = (Analyzer::new(parts.config.language), Looked::default(), Mutex::default());
        let (elsewhere, erasing) = (OnceLock::new(), tokio::sync::Mutex::default());
        Ok(Self(Arc::new(Shared { analyzer, index, looked, full, elsewhere, erasing, parts })))
    }

    /// How much is remembered, and how it is found.
    pub fn config(&self) -> &Config {
        &self.0.parts.config
    }

    /// Remembers something.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the field; `supersedes`, if what is quarantined was to take the place of what is active.
    /// [`Error::Full`]: nothing was stored. [`Error::NotFound`] and [`Error::Conflict`] if it was to take the place of one that is not
    /// there, or was replaced already.
    pub async fn store(&self, org: OrgId, by: &Actor, draft: Draft) -> Result<Memory, Error> {
        let mut stored = self.store_many(org, by, vec![draft]).await?;
        Ok(stored.pop().expect("one for one"))
    }

    /// Remembers 1 to [`BATCH_MAX`] things, all or none, in one transaction. What they supersede ends in the same moment, and is not
    /// recalled any more.
    ///
    /// # Errors
    /// As for [`store`](Self::store); fields are named with their place, as `memories[3].content`.
    pub async fn store_many(&self, org: OrgId, by: &Actor, drafts: Vec<Draft>) -> Result<Vec<Memory>, Error> {
        if drafts.is_empty() || drafts.len() > BATCH_MAX {
            return Err(Error::invalid("memories", format!("expected 1 to {BATCH_MAX}")));
        }
        let is_one = drafts.len() == 1;
        let now = self.0.parts.clock.now();
        let made = drafts.into_iter().enumerate().map(|(place, draft)| {
            let memory = self.filtered(draft).into_memory(org, by.clone(), now);
            memory.map_err(|error| if is_one { error } else { placed(error, place) })
        });
        let memories: Vec<Memory> = made.collect::<Result<_, _>>()?;
        self.put(org, by, memories, Vec::new()).await
    }

    /// All or none, in one transaction; some of them perhaps under ids that were given out before.
    async fn put(
        &self,
        org: OrgId,
        by: &Actor,
        memories: Vec<Memory>,
        restored: Vec<MemoryId>,
    ) -> Result<Vec<Memory>, Error> {
        let bounds = self.bounds();
        let mut events = vec![event::stored(org, &memories, by, bounds.now)];
        for memory in &memories {
            if let Some(old) = memory.supersedes {
                let (old, facts) = (self.get(org, old).await?, json!({ "supersededBy": memory.id }));
                check_place(memory.state, &old)?;
                events.push(event::about(&old, "memory.superseded", bounds.now, by, facts));
            }
        }
        let prepared = memories.iter().cloned().map(|memory| self.prepare(memory)).collect();
        let insert = Insert { org, memories: prepared, replaces: Vec::new(), restored, bounds, events };
        match self.0.parts.store.insert(insert).await {
            Ok(_) => {
                self.has_room(&memories);
                Ok(memories)
            }
            Err(error) => Err(self.refused(org, memories.first(), error).await),
        }
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, org: OrgId, id: MemoryId) -> Result<Memory, Error> {
        let found = self.0.parts.store.get(org, &[id]).await?.pop();
        found.map(|stored| stored.memory).ok_or(Error::NotFound(id))
    }

    /// The latest that pass, before a number, the latest first; each with its number.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(
        &self,
        org: OrgId,
        filter: &Filter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<(i64, Memory)>, Error> {
        let found = self.0.parts.store.list(org, filter, before, limit).await?;
        Ok(found.into_iter().map(|stored| (stored.number, stored.memory)).collect())
    }

    /// What each tier holds, in the order of [`Tier::ALL`]; of a session, its scratchpad.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn usage(&self, org: OrgId, session: Option<SessionId>) -> Result<[Used; 3], Error> {
        self.0.parts.store.usage(org, session).await
    }

    /// How many memories wait for somebody to confirm them, and how many for their vectors; both up to 1,000.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn waiting(&self, org: OrgId) -> Result<(usize, usize), Error> {
        let quarantined = Filter { states: vec![State::Quarantined], ..Filter::default() };
        let quarantined = self.0.parts.store.list(org, &quarantined, None, WAITING_MAX).await?.len();
        let unembedded = match &self.0.parts.embedder {
            Some(embedder) => {
                let after = self.0.looked.after();
                self.0.parts.store.unembedded(embedder.name(), &Owners::One(org), after, WAITING_MAX).await?.len()
            }
            None => 0,
        };
        Ok((quarantined, unembedded))
    }

    /// Who makes vectors, if anybody does.
    pub fn embedder(&self) -> Option<&dyn Embedder> {
        self.0.parts.embedder.as_deref()
    }

    fn filtered(&self, draft: Draft) -> Draft {
        match &self.0.parts.filter {
            Some(filter) => draft.map_texts(|text| filter(text)),
            None => draft,
        }
    }

    fn prepare(&self, memory: Memory) -> Prepared {
        let terms = self.0.analyzer.terms(&memory.text).join(" ");
        Prepared { digest: digest(&memory.text), memory, terms }
    }

    fn bounds(&self) -> Bounds {
        let config = &self.0.parts.config;
        Bounds {
            bytes_max: Tier::ALL.map(|tier| config.bytes_max(tier)),
            alert: config.alert_threshold,
            now: self.0.parts.clock.now(),
        }
    }

    fn has_room(&self, memories: &[Memory]) {
        let mut full = self.0.full.lock().unwrap_or_else(PoisonError::into_inner);
        if full.is_empty() {
            return;
        }
        for memory in memories {
            full.remove(&place(memory.org, memory.tier, memory.session));
        }
    }

    /// That there is no room is told, as far as that can be: once, until there is some again.
    async fn refused(&self, org: OrgId, first: Option<&Memory>, error: Error) -> Error {
        let Error::Full { tier, used, .. } = &error else { return error };
        let place = place(org, *tier, first.and_then(|memory| memory.session));
        if !self.0.full.lock().unwrap_or_else(PoisonError::into_inner).insert(place) {
            return error;
        }
        let used = Used { bytes: *used, ..Used::default() };
        let told = self.0.parts.store.tell(vec![event::full(org, (place.1, place.2), used, &self.bounds())]).await;
        if let Err(error) = told {
            tracing::warn!(%error, "that the memory is full could not be told");
        }
        error
    }
}

fn place(org: OrgId, tier: Tier, session: Option<SessionId>) -> Tiered {
    (org, tier, session.filter(|_| tier == Tier::Scratchpad))
}

/// What waits to be confirmed takes the place of nothing that counts: or whoever is not believed could make others forget.
fn check_place(state: State, old: &Memory) -> Result<(), Error> {
    if state == State::Quarantined && old.state == State::Active {
        let problem = "it would wait to be confirmed, and what counts would be gone: remember it beside that";
        return Err(Error::invalid("supersedes", problem));
    }
    Ok(())
}

fn placed(error: Error, place: usize) -> Error {
    match error {
        Error::Invalid { field, problem } => Error::Invalid { field: format!("memories[{place}].{field}"), problem },
        other => other,
    }
}
