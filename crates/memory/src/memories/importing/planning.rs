use std::collections::{BTreeSet, HashMap, HashSet};

use orchestrator_vocab::{Actor, OrgId, Timestamp};

use super::difference::Differences;
use super::{ImportedEntry, Importing, Known, Status};
use crate::markdown::{Entry, MarkdownFile, Said, title};
use crate::memories::{Memories, check_place};
use crate::text::digest;
use crate::{Draft, Error, Kind, Memory, MemoryId, Scope, State, Tier};

/// The longest path that is kept as a source, in bytes.
const SOURCE_BYTES_MAX: usize = 256;

/// What is to be done about one thing that a file says.
pub(super) struct Planned {
    pub(super) entry: ImportedEntry,
    /// What is to be stored.
    pub(super) new: Option<Memory>,
    /// Whether the file names it, and not we.
    pub(super) is_named: bool,
}

/// What two things must have in common to be one.
type Same = ([u8; 32], Scope, Tier);

/// Who plans, for whom, and when.
struct Planner<'a> {
    memories: &'a Memories,
    importing: &'a Importing<'a>,
    known: &'a Known,
    differences: Differences,
    org: OrgId,
    by: &'a Actor,
    now: Timestamp,
    /// What files before this one are about.
    named: HashSet<MemoryId>,
}

impl Memories {
    pub(super) async fn plan(
        &self,
        org: OrgId,
        by: &Actor,
        importing: &Importing<'_>,
        said: Vec<(&MarkdownFile, Entry)>,
        known: &Known,
    ) -> Result<Vec<Planned>, Error> {
        let (differences, now) = (Differences::new(), self.0.parts.clock.now());
        let named = HashSet::new();
        let mut planner = Planner { memories: self, importing, known, differences, org, by, now, named };
        let mut plan: Vec<Planned> = said.into_iter().map(|(file, entry)| planner.planned(&file.path, entry)).collect();
        self.without_repetitions(org, importing, &mut plan).await?;
        Ok(plan)
    }

    /// What is known word by word to the same, or stands in the files before, is not new.
    async fn without_repetitions(
        &self,
        org: OrgId,
        importing: &Importing<'_>,
        plan: &mut [Planned],
    ) -> Result<(), Error> {
        let added = |planned: &Planned| planned.entry.status == Status::Added;
        let digests: BTreeSet<[u8; 32]> =
            plan.iter().filter(|planned| added(planned)).filter_map(|p| Some(digest(&p.new.as_ref()?.text))).collect();
        let digests: Vec<[u8; 32]> = digests.into_iter().collect();
        let mut there: HashMap<Same, MemoryId> = HashMap::new();
        for stored in self.0.parts.store.saying(org, &digests).await? {
            if (importing.sees)(&stored.memory) {
                there.insert(same(&stored.memory), stored.memory.id);
            }
        }
        for planned in plan.iter_mut().filter(|planned| added(planned)) {
            let Some(new) = &planned.new else { continue };
            let id = *there.entry(same(new)).or_insert(new.id);
            if id != new.id {
                planned.entry.status = Status::Unchanged;
                planned.entry.memory_id = Some(id);
                planned.new = None;
            }
        }
        Ok(())
    }
}

fn same(memory: &Memory) -> Same {
    (digest(&memory.text), memory.scope.clone(), memory.tier)
}

impl Planner<'_> {
    fn planned(&mut self, path: &str, entry: Entry) -> Planned {
        let Entry { line, said, notes } = entry;
        let mut planned = Planned {
            entry: ImportedEntry {
                path: path.to_owned(),
                line,
                status: Status::Invalid,
                title: said.as_ref().map(|said| title(&said.text)).unwrap_or_default(),
                memory_id: None,
                stored_as: None,
                diff: None,
                problem: None,
                notes,
            },
            new: None,
            is_named: false,
        };
        let outcome = said.and_then(|said| {
            planned.entry.memory_id = said.id;
            self.outcome(path, said, &mut planned)
        });
        match outcome {
            Ok(status) => planned.entry.status = status,
            Err(problem) => planned.entry.problem = Some(problem),
        }
        planned
    }

    fn outcome(&mut self, path: &str, said: Said, planned: &mut Planned) -> Result<Status, String> {
        let known = self.known;
        let Some(id) = said.id else {
            planned.new = Some(self.added(path, said)?);
            return Ok(Status::Added);
        };
        if !self.named.insert(id) {
            return Err(format!("another of these files is about {id} too: leave one out"));
        }
        if let Some(old) = known.memories.get(&id) {
            return self.changed(path, old, said, planned);
        }
        if known.forgotten.contains(&id) && !self.importing.restore_forgotten {
            return Ok(Status::Forgotten);
        }
        if known.hidden.contains(&id) {
            planned.entry.memory_id = None;
            planned.new = Some(self.added(path, said)?);
            return Ok(Status::Added);
        }
        // It is the one that was exported, wherever that was, and as old as that.
        let created_at = said.at.map_or(self.now, |at| at.min(self.now));
        planned.new = Some(Memory { id, created_at, ..self.added(path, said)? });
        planned.is_named = true;
        Ok(Status::Added)
    }

    /// Something that nobody knows under this name.
    fn added(&self, path: &str, said: Said) -> Result<Memory, String> {
        let is_note = said.id.is_none();
        let (tier, kind) = (said.tier.unwrap_or(Tier::Semantic), said.kind.unwrap_or(Kind::Fact));
        let base = Draft::new(tier, kind, said.text);
        let scope = self.importing.scope.clone().or(said.scope);
        let draft = Draft {
            // A file cannot make itself be believed.
            label: said.label.map_or(self.importing.label, |label| self.importing.label.join(label)),
            confidence: said.confidence.unwrap_or(base.confidence),
            importance: said.importance.unwrap_or(base.importance),
            session: said.session,
            people: said.people,
            topics: said.topics,
            sources: if is_note { said.sources.into_iter().chain(source(path)).collect() } else { said.sources },
            valid_from: said.valid_from,
            valid_to: said.valid_to,
            metadata: said.metadata,
            ..base
        };
        let was = said.state.unwrap_or_default();
        let draft = (self.importing.allows)(draft, scope)?;
        // Nor count more than it did where it comes from.
        let state = if was == State::Active { draft.state } else { was };
        self.made(Draft { state, ..draft })
    }

    /// Something else about what is known under this name; or about what took its place since.
    fn changed(&self, path: &str, old: &Memory, said: Said, planned: &mut Planned) -> Result<Status, String> {
        // When it ended is not in a file from before.
        let before = Memory { valid_to: said.valid_to, ..old.clone() };
        if old.state == State::Superseded && self.differences.between(path, &before, &edited(old, &said)).is_none() {
            planned.entry.notes.push("another took its place since".to_owned());
            return Ok(Status::Unchanged);
        }
        let old = self.known.current(old);
        planned.entry.memory_id = Some(old.id);
        let wanted = edited(old, &said);
        if self.differences.between(path, old, &wanted).is_none() {
            return Ok(Status::Unchanged);
        }
        if old.state == State::Superseded {
            return Err(format!(
                "what took the place of {} is not there any more: import it without its memoryId",
                old.id
            ));
        }
        let draft = Draft {
            label: self.importing.label.join(old.label),
            scope: wanted.scope,
            state: old.state,
            confidence: wanted.confidence,
            importance: wanted.importance,
            session: old.session,
            place: old.place,
            task: old.task,
            agent: old.agent.clone(),
            sources: wanted.sources,
            covers: old.covers.clone(),
            supersedes: Some(old.id),
            people: wanted.people,
            topics: wanted.topics,
            valid_from: wanted.valid_from,
            valid_to: wanted.valid_to,
            metadata: wanted.metadata,
            ..Draft::new(wanted.tier, wanted.kind, wanted.text)
        };
        let scope = Some(draft.scope.clone());
        let draft = (self.importing.allows)(draft, scope)?;
        check_place(draft.state, old).map_err(|error| error.to_string())?;
        let state = if old.state == State::Quarantined { State::Quarantined } else { draft.state };
        let new = self.made(Draft { state, ..draft })?;
        match self.differences.between(path, old, &new) {
            None => Ok(Status::Unchanged),
            diff => {
                planned.entry.diff = diff;
                planned.new = Some(new);
                Ok(Status::Changed)
            }
        }
    }

    fn made(&self, draft: Draft) -> Result<Memory, String> {
        if draft.tier == Tier::Scratchpad {
            return Err("tier: a scratchpad belongs to its session; expected episodic or semantic".to_owned());
        }
        let draft = self.memories.filtered(draft);
        draft.into_memory(self.org, self.by.clone(), self.now).map_err(|error| error.to_string())
    }
}

/// A memory as a file says it is.
fn edited(old: &Memory, said: &Said) -> Memory {
    let said = said.clone();
    Memory {
        tier: said.tier.unwrap_or(old.tier),
        kind: said.kind.unwrap_or(old.kind),
        scope: said.scope.unwrap_or_else(|| old.scope.clone()),
        text: said.text,
        confidence: said.confidence.unwrap_or(old.confidence),
        importance: said.importance.unwrap_or(old.importance),
        sources: said.sources,
        people: said.people,
        topics: said.topics,
        valid_from: said.valid_from,
        valid_to: said.valid_to,
        metadata: said.metadata,
        ..old.clone()
    }
}

/// The end of a path says most.
fn source(path: &str) -> Option<String> {
    let at = path.ceil_char_boundary(path.len().saturating_sub(SOURCE_BYTES_MAX));
    Some(path[at..].trim().to_owned()).filter(|path| !path.is_empty())
}
