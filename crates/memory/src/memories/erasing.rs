use std::collections::{BTreeMap, HashSet};

use super::Memories;
use super::elsewhere::Place;
use crate::{Error, Filter, Insert, Memory, MemoryId, Prepared, State, Stored, Tier, event, summary, text};
use orchestrator_redact::{Forget, Shape};
use orchestrator_vocab::{Actor, Label, OrgId, SessionId, Timestamp};
use serde::Serialize;
use serde_json::json;

/// How many memories are looked at, and removed, at a time.
const PAGE: usize = 500;
/// The longest name of what is to be forgotten.
const NAME_CHARS_MAX: usize = 256;
/// The longest summary that is made anew, in tokens.
const SUMMARY_TOKENS: usize = 600;

/// What is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erasing {
    /// Everything that is about a person, belongs to them alone, or has their name in it.
    Person(String),
    /// Everything that is about something, or has it in its words.
    Topic(String),
    /// Everything from one session.
    Session(SessionId),
    /// Everything of the organisation.
    Organisation,
}

/// What was forgotten: a receipt that names nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Erased {
    /// `person`, `topic`, `session` or `organisation`.
    pub by: &'static str,
    /// SHA-256 of what was named, in lower case: who knows the name can tell that this was it.
    pub subject_digest: String,
    /// When.
    pub at: Timestamp,
    /// How many memories are gone, in the order scratchpad, episodic, semantic. Their words and vectors are gone with them.
    pub erased: [u64; 3],
    /// Summaries that stood for some of them, and were made anew from what they cover beside.
    pub rebuilt: u64,
    /// What was found of it beyond memories, by the place: texts of `journals`, `tasks`, `events` and whatever else this is a part of.
    pub elsewhere: BTreeMap<String, Place>,
    /// What a second look found, everywhere: 0, unless somebody said more of it meanwhile. What is held is not among it.
    pub remaining: u64,
    /// Nothing was erased: this is what would have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl Erasing {
    fn kind(&self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Topic(_) => "topic",
            Self::Session(_) => "session",
            Self::Organisation => "organisation",
        }
    }

    fn name(&self, org: OrgId) -> String {
        match self {
            Self::Person(name) | Self::Topic(name) => name.to_lowercase(),
            Self::Session(session) => session.to_string(),
            Self::Organisation => org.to_string(),
        }
    }

    /// Which texts that are: of a session or an organisation all there are.
    fn how(&self) -> Result<Forget, Error> {
        let (Self::Person(name) | Self::Topic(name)) = self else { return Ok(Forget::everything()) };
        let is_short = name.chars().count() <= NAME_CHARS_MAX;
        Forget::naming(name).filter(|_| is_short).ok_or_else(|| {
            let expected = format!("expected a name of at most {NAME_CHARS_MAX} characters, with a word in it");
            Error::invalid(self.kind(), expected)
        })
    }

    fn concerns(&self, memory: &Memory) -> bool {
        match self {
            Self::Organisation => true,
            Self::Session(session) => memory.session == Some(*session),
            Self::Person(name) => {
                let own = [memory.scope.to_string(), memory.by.to_string()];
                memory.people.contains(&name.to_lowercase())
                    || own.iter().any(|whose| is_of(whose, name))
                    || says(memory, name)
            }
            Self::Topic(name) => {
                let name = name.to_lowercase();
                memory.topics.contains(&name) || says(memory, &name)
            }
        }
    }
}

/// `user:ada.lovelace` is Ada Lovelace's; an agent that bears a person's name is not that person.
fn is_of(whose: &str, name: &str) -> bool {
    whose.strip_prefix("user:").is_some_and(|user| Forget::naming(name).is_some_and(|name| name.concerns(user)))
}

/// In its text, its tags or whatever else is with it, as whole words.
fn says(memory: &Memory, name: &str) -> bool {
    let Some(name) = Forget::naming(name) else { return false };
    let tags = memory.people.iter().chain(&memory.topics).chain(&memory.sources).map(String::as_str);
    std::iter::once(memory.text.as_str()).chain(tags).any(|text| name.concerns(text))
        || name.count(&memory.metadata, &Shape::FREE) > 0
}

impl Memories {
    /// Forgets for good, in every form: memories in whatever state, their words, their vectors, and what summaries took from them; and
    /// the texts of wherever else it [reaches](Self::reach). It looks at every memory of the organisation three times, and at
    /// everything elsewhere twice. One after the other: whoever asks meanwhile waits.
    ///
    /// # Errors
    /// [`Error::Invalid`]: no name. [`Error::Store`]: some may be gone already; do it again.
    pub async fn erase(&self, org: OrgId, by: &Actor, what: &Erasing) -> Result<Erased, Error> {
        let how = what.how()?;
        // Two that write over the same text would each leave what the other took.
        let _alone = self.0.erasing.lock().await;
        // First there, so that nothing is remembered anew from what is gone here.
        let elsewhere = self.forget_elsewhere(org, what, &how).await?;
        let concerned = self.concerned(org, what).await?;
        let rebuilt = self.rebuild(org, &concerned.iter().map(|gone| gone.id).collect()).await?;
        for some in concerned.chunks(PAGE) {
            let ids: Vec<MemoryId> = some.iter().map(|gone| gone.id).collect();
            self.0.parts.store.remove(org, &ids, self.0.parts.clock.now(), Vec::new()).await?;
            self.forget_vectors_of(org, &some.iter().map(|gone| gone.number).collect::<Vec<_>>()).await;
        }
        self.0.parts.store.scrub().await?;
        let left = self.forget_elsewhere(org, what, &how.counting()).await?;
        let remaining =
            self.concerned(org, what).await?.len() as u64 + left.values().map(|left| left.erased).sum::<u64>();
        let receipt = Erased { rebuilt, remaining, elsewhere, ..self.receipt(org, what, &concerned) };
        let event = event::event(org, "memory.erased", receipt.at, by.clone(), json!(receipt));
        self.0.parts.store.tell(vec![event]).await?;
        Ok(receipt)
    }

    /// What [`erase`](Self::erase) would come to; nothing is erased, and nobody is told.
    ///
    /// # Errors
    /// As there.
    pub async fn would_erase(&self, org: OrgId, what: &Erasing) -> Result<Erased, Error> {
        let how = what.how()?.counting();
        let elsewhere = self.forget_elsewhere(org, what, &how).await?;
        let concerned = self.concerned(org, what).await?;
        let remaining = concerned.len() as u64 + elsewhere.values().map(|place| place.erased).sum::<u64>();
        Ok(Erased { elsewhere, remaining, dry_run: true, ..self.receipt(org, what, &concerned) })
    }

    fn receipt(&self, org: OrgId, what: &Erasing, concerned: &[Gone]) -> Erased {
        let mut erased = [0; 3];
        concerned.iter().for_each(|gone| erased[gone.tier as usize] += 1);
        Erased {
            by: what.kind(),
            subject_digest: digest(&what.name(org)),
            at: self.0.parts.clock.now(),
            erased,
            rebuilt: 0,
            elsewhere: BTreeMap::new(),
            remaining: 0,
            dry_run: false,
        }
    }

    /// What it concerns: only what is needed to remove it, for it may be all there is.
    async fn concerned(&self, org: OrgId, what: &Erasing) -> Result<Vec<Gone>, Error> {
        let mut concerned = Vec::new();
        let mut before = None;
        while let Some(page) = self.page(org, &mut before).await? {
            let gone = |stored: &Stored| Gone { id: stored.memory.id, number: stored.number, tier: stored.memory.tier };
            concerned.extend(page.iter().filter(|stored| what.concerns(&stored.memory)).map(gone));
        }
        Ok(concerned)
    }

    /// Summaries that stand for what goes say what is left; what has nothing left to say goes too.
    async fn rebuild(&self, org: OrgId, gone: &HashSet<MemoryId>) -> Result<u64, Error> {
        let mut rebuilt = 0;
        let mut before = None;
        while let Some(page) = self.page(org, &mut before).await? {
            let is_left = |stored: &Stored| !gone.contains(&stored.memory.id) && is_made_from(&stored.memory, gone);
            for Stored { memory, number, .. } in page.into_iter().filter(is_left) {
                let covers: Vec<MemoryId> = memory.covers.iter().copied().filter(|id| !gone.contains(id)).collect();
                let mut left = self.0.parts.store.get(org, &covers).await?;
                left.sort_by_key(|stored| stored.number);
                let memories: Vec<Prepared> =
                    again(&memory, &left, gone).into_iter().map(|memory| self.prepare(memory)).collect();
                rebuilt += memories.len() as u64;
                let replaces = vec![memory.id];
                let (restored, events) = (Vec::new(), Vec::new());
                let insert = Insert { org, memories, replaces, restored, bounds: self.bounds(), events };
                self.0.parts.store.insert(insert).await?;
                self.forget_vectors_of(org, &[number]).await;
            }
        }
        Ok(rebuilt)
    }

    /// The next ones, in whatever state, the latest first.
    async fn page(&self, org: OrgId, before: &mut Option<i64>) -> Result<Option<Vec<Stored>>, Error> {
        let any = Filter { states: vec![State::Active, State::Quarantined, State::Superseded], ..Filter::default() };
        let page = self.0.parts.store.list(org, &any, *before, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        *before = Some(last.number);
        Ok(Some(page))
    }
}

/// A memory that is about to go.
struct Gone {
    id: MemoryId,
    number: i64,
    tier: Tier,
}

fn is_made_from(memory: &Memory, ids: &HashSet<MemoryId>) -> bool {
    let named = memory.sources.iter().filter_map(|source| source.parse::<MemoryId>().ok());
    memory.covers.iter().copied().chain(named).any(|id| ids.contains(&id))
}

fn again(old: &Memory, left: &[Stored], gone: &HashSet<MemoryId>) -> Option<Memory> {
    let first = left.first()?;
    let texts: Vec<&str> = left.iter().map(|stored| stored.memory.text.as_str()).collect();
    let label = left.iter().map(|stored| stored.memory.label).reduce(Label::join).unwrap_or(first.memory.label);
    let is_kept = |source: &&String| source.parse().map_or(true, |id| !gone.contains(&id));
    Some(Memory {
        id: MemoryId::new(),
        text: summary::extract(&texts, SUMMARY_TOKENS),
        label,
        covers: left.iter().map(|stored| stored.memory.id).collect(),
        sources: old.sources.iter().filter(is_kept).cloned().collect(),
        people: left.iter().flat_map(|stored| stored.memory.people.clone()).collect(),
        topics: left.iter().flat_map(|stored| stored.memory.topics.clone()).collect(),
        ..old.clone()
    })
}

fn digest(name: &str) -> String {
    text::digest(name).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draft;

    fn memory(draft: Draft) -> Memory {
        draft.into_memory(OrgId::LOCAL, Actor::system("test"), Timestamp(0)).unwrap()
    }

    #[test]
    fn a_person_is_meant_by_whole_words_in_any_case_and_in_every_field() {
        let ada = Erasing::Person("Ada Lovelace".into());
        let base = || Draft::fact("something");
        assert!(ada.concerns(&memory(Draft::fact("I met ADA LOVELACE yesterday."))));
        assert!(ada.concerns(&memory(Draft { people: ["ada lovelace".to_owned()].into(), ..base() })));
        assert!(ada.concerns(&memory(Draft { sources: ["mail from Ada Lovelace".to_owned()].into(), ..base() })));
        let metadata = json!({ "deep": [{ "name": "ada lovelace" }] }).as_object().unwrap().clone();
        assert!(ada.concerns(&memory(Draft { metadata, ..base() })));
        assert!(!ada.concerns(&memory(Draft::fact("Ada is a language"))));
        assert!(!Erasing::Person("ada".into()).concerns(&memory(Draft::fact("an adapter"))));
        let own = Draft { scope: crate::Scope::User("Ada".into()), ..base() };
        assert!(Erasing::Person("ada".into()).concerns(&memory(own)));
        let own = Draft { scope: crate::Scope::User("ada.lovelace".into()), ..base() };
        assert!(ada.concerns(&memory(own)));
        assert!(ada.concerns(&memory(Draft::fact("Ada Lovelace's tea, ada.lovelace@example.org"))));
        assert!(matches!(Erasing::Person(" ! ".into()).how(), Err(Error::Invalid { field, .. }) if field == "person"));
    }
}
