mod difference;
mod planning;

use std::collections::{HashMap, HashSet};

use orchestrator_vocab::{Actor, Label, OrgId};
use serde::Serialize;

use super::{BATCH_MAX, Memories};
use crate::markdown::{self, Entry, MarkdownFile};
use crate::{Draft, Error, Memory, MemoryId, Scope};

/// The most things that files may say at once.
pub const ENTRIES_MAX: usize = BATCH_MAX;
/// How often what took the place of another is looked up.
const STEPS_MAX: usize = 64;

/// What is to be read from files, and by which rules.
pub struct Importing<'a> {
    /// The files.
    pub files: &'a [MarkdownFile],
    /// Who is to remember what is new; otherwise as its file says.
    pub scope: Option<Scope>,
    /// How far whoever imports may be believed: what a file says of that only lowers it.
    pub label: Label,
    /// Whether the difference is made, or only told.
    pub apply: bool,
    /// Whether what was forgotten comes back.
    pub restore_forgotten: bool,
    /// Whether whoever imports knows of a memory.
    pub sees: &'a (dyn Fn(&Memory) -> bool + Sync),
    /// What whoever imports may store so, and in which state; or why not.
    pub allows: &'a (dyn Fn(Draft, Option<Scope>) -> Result<Draft, String> + Sync),
}

/// What became of something that a file says, or would become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It is new.
    Added,
    /// A memory is to be replaced: the old one stays readable.
    Changed,
    /// It is known as it is.
    Unchanged,
    /// It was forgotten, and is left out.
    Forgotten,
    /// It cannot be remembered; `problem` says why.
    Invalid,
}

/// One thing that a file says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImportedEntry {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u64,
    /// What became of it.
    pub status: Status,
    /// Its first words.
    pub title: String,
    /// The memory that it is about, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_id: Option<MemoryId>,
    /// The memory that was made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_as: Option<MemoryId>,
    /// What changes, as a unified diff; a long one is cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What is worth knowing beside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How many of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "they are those of `Status`")]
pub struct Counts {
    pub added: usize,
    pub changed: usize,
    pub unchanged: usize,
    pub forgotten: usize,
    pub invalid: usize,
}

/// The difference between files and what is remembered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// In the order of the files.
    pub entries: Vec<ImportedEntry>,
    /// How many of each.
    pub counts: Counts,
    /// How many memories were stored: nothing, unless that was asked for.
    pub applied: usize,
}

/// What there is already of what the files say.
struct Known {
    memories: HashMap<MemoryId, Memory>,
    /// There, and not for whoever imports to know of.
    hidden: HashSet<MemoryId>,
    forgotten: HashSet<MemoryId>,
}

impl Memories {
    /// Tells how files differ from what is remembered, and makes the difference if that is wanted: what is new is stored, what is changed
    /// takes the place of what was there. Nothing is overwritten, and nothing removed for missing in the files. All of it is stored, or
    /// nothing; what is invalid is left out.
    ///
    /// # Errors
    /// [`Error::Invalid`]: the files say more than [`ENTRIES_MAX`] things. [`Error::Full`]: nothing was stored. [`Error::NotFound`] and
    /// [`Error::Conflict`]: something was changed meanwhile; do it again.
    pub async fn import(&self, org: OrgId, by: &Actor, importing: &Importing<'_>) -> Result<Imported, Error> {
        let said =
            importing.files.iter().flat_map(|file| markdown::read(&file.content).into_iter().map(move |e| (file, e)));
        let said: Vec<(&MarkdownFile, Entry)> = said.take(ENTRIES_MAX + 1).collect();
        if said.len() > ENTRIES_MAX {
            return Err(Error::invalid("files", format!("expected at most {ENTRIES_MAX} paragraphs and items in all")));
        }
        let known = self.known(org, importing, &said).await?;
        let mut plan = self.plan(org, by, importing, said, &known).await?;
        let (mut stored, mut restored) = (Vec::new(), Vec::new());
        for planned in &mut plan {
            let Some(memory) = planned.new.take_if(|_| importing.apply) else { continue };
            planned.entry.stored_as = Some(memory.id);
            restored.extend(planned.is_named.then_some(memory.id));
            stored.push(memory);
        }
        let applied = stored.len();
        if applied > 0 {
            self.put(org, by, stored, restored).await?;
        }
        let entries: Vec<ImportedEntry> = plan.into_iter().map(|planned| planned.entry).collect();
        Ok(Imported { counts: Counts::of(&entries), entries, applied })
    }

    /// What is named in the files, with what took its place, as far as whoever asks knows of it.
    async fn known(
        &self,
        org: OrgId,
        importing: &Importing<'_>,
        said: &[(&MarkdownFile, Entry)],
    ) -> Result<Known, Error> {
        let named = said.iter().filter_map(|(_, entry)| entry.said.as_ref().ok()?.id);
        let named: HashSet<MemoryId> = named.collect();
        let (mut memories, mut hidden) = (HashMap::new(), HashSet::new());
        let mut wanted: Vec<MemoryId> = named.iter().copied().collect();
        for _ in 0..STEPS_MAX {
            if wanted.is_empty() {
                break;
            }
            let found = self.0.parts.store.get(org, &wanted).await?.into_iter().map(|stored| stored.memory);
            let (found, others): (Vec<Memory>, Vec<Memory>) = found.partition(|memory| (importing.sees)(memory));
            hidden.extend(others.into_iter().map(|memory| memory.id));
            let next = found.iter().filter_map(|memory| memory.superseded_by);
            wanted = next.filter(|id| !memories.contains_key(id)).collect();
            memories.extend(found.into_iter().map(|memory| (memory.id, memory)));
        }
        let missing: Vec<MemoryId> = named.into_iter().filter(|id| !memories.contains_key(id)).collect();
        let forgotten = self.0.parts.store.forgotten(org, &missing).await?.into_iter().collect();
        Ok(Known { memories, hidden, forgotten })
    }
}

impl Known {
    /// What stands for it today.
    fn current<'a>(&'a self, memory: &'a Memory) -> &'a Memory {
        let mut current = memory;
        for _ in 0..STEPS_MAX {
            match current.superseded_by.and_then(|id| self.memories.get(&id)) {
                Some(next) => current = next,
                None => break,
            }
        }
        current
    }
}

impl Counts {
    fn of(entries: &[ImportedEntry]) -> Self {
        let of = |status| entries.iter().filter(|entry| entry.status == status).count();
        Self {
            added: of(Status::Added),
            changed: of(Status::Changed),
            unchanged: of(Status::Unchanged),
            forgotten: of(Status::Forgotten),
            invalid: of(Status::Invalid),
        }
    }
}
