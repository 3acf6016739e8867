use std::collections::BTreeSet;

use orchestrator_vocab::{Actor, AgentId, Label, OrgId, SessionId, TaskId, Timestamp};
use serde_json::{Map, Value};

use crate::{Error, InvalidScope, Kind, Memory, MemoryId, Scope, State, Tier};

/// The longest text, in bytes.
pub const TEXT_BYTES_MAX: usize = 65_536;
/// The most sources, people or topics, and the longest of them in bytes.
const WORDS_MAX: usize = 64;
const WORD_BYTES_MAX: usize = 256;
/// The most memories that a summary can name.
pub const COVERS_MAX: usize = 4_096;
/// The largest metadata, in bytes of JSON.
const METADATA_BYTES_MAX: usize = 16_384;

/// Something that is to be remembered. See [`Memory`] for what the fields mean.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "they are those of `Memory`")]
pub struct Draft {
    pub tier: Tier,
    pub kind: Kind,
    pub scope: Scope,
    pub text: String,
    pub label: Label,
    pub state: State,
    pub confidence: f32,
    pub importance: f32,
    pub session: Option<SessionId>,
    pub place: Option<u64>,
    pub task: Option<TaskId>,
    pub agent: Option<AgentId>,
    pub sources: BTreeSet<String>,
    pub covers: Vec<MemoryId>,
    pub supersedes: Option<MemoryId>,
    pub people: BTreeSet<String>,
    pub topics: BTreeSet<String>,
    pub valid_from: Option<Timestamp>,
    pub valid_to: Option<Timestamp>,
    pub metadata: Map<String, Value>,
}

impl Draft {
    /// Something for a tier, said by an authenticated person, for everybody of the organisation.
    pub fn new(tier: Tier, kind: Kind, text: impl Into<String>) -> Self {
        Self {
            tier,
            kind,
            scope: Scope::default(),
            text: text.into(),
            label: Label::USER,
            state: State::Active,
            confidence: 1.0,
            importance: kind.importance(),
            session: None,
            place: None,
            task: None,
            agent: None,
            sources: BTreeSet::new(),
            covers: Vec::new(),
            supersedes: None,
            people: BTreeSet::new(),
            topics: BTreeSet::new(),
            valid_from: None,
            valid_to: None,
            metadata: Map::new(),
        }
    }

    /// A fact that everybody of the organisation is to know.
    pub fn fact(text: impl Into<String>) -> Self {
        Self::new(Tier::Semantic, Kind::Fact, text)
    }

    /// Every text in it, its metadata included, through a filter.
    pub(crate) fn map_texts(self, filter: impl Fn(String) -> String) -> Self {
        let all = |words: BTreeSet<String>| words.into_iter().map(&filter).collect();
        Self {
            sources: all(self.sources),
            people: all(self.people),
            topics: all(self.topics),
            metadata: self.metadata.into_iter().map(|(key, value)| (filter(key), filtered(value, &filter))).collect(),
            text: filter(self.text),
            ..self
        }
    }

    /// Checks it, and makes it a memory.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the field.
    pub(crate) fn into_memory(self, org: OrgId, by: Actor, now: Timestamp) -> Result<Memory, Error> {
        self.check()?;
        let lower = |words: BTreeSet<String>| words.into_iter().map(|word| without_nul(word.to_lowercase())).collect();
        Ok(Memory {
            id: MemoryId::new(),
            org,
            tier: self.tier,
            kind: self.kind,
            scope: self.scope,
            text: without_nul(self.text),
            label: self.label,
            state: self.state,
            confidence: self.confidence,
            importance: self.importance,
            session: self.session,
            place: self.place,
            task: self.task,
            agent: self.agent,
            by,
            sources: self.sources.into_iter().map(without_nul).collect(),
            covers: self.covers,
            supersedes: self.supersedes,
            superseded_by: None,
            people: lower(self.people),
            topics: lower(self.topics),
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            created_at: now,
            expires_at: None,
            metadata: self.metadata,
        })
    }

    fn check(&self) -> Result<(), Error> {
        let text = self.text.trim();
        if text.is_empty() || self.text.len() > TEXT_BYTES_MAX {
            return Err(Error::invalid("content", format!("expected 1 to {TEXT_BYTES_MAX} bytes of text")));
        }
        for (field, value) in [("confidence", self.confidence), ("importance", self.importance)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::invalid(field, "expected a number from 0 to 1"));
            }
        }
        for (field, words) in [("sources", &self.sources), ("people", &self.people), ("topics", &self.topics)] {
            let is_wrong = |word: &String| word.trim().is_empty() || word.len() > WORD_BYTES_MAX;
            if words.len() > WORDS_MAX || words.iter().any(is_wrong) {
                let expected = format!("expected at most {WORDS_MAX}, each of 1 to {WORD_BYTES_MAX} bytes");
                return Err(Error::invalid(field, expected));
            }
        }
        if self.covers.len() > COVERS_MAX {
            return Err(Error::invalid("covers", format!("expected at most {COVERS_MAX}")));
        }
        if self.valid_from.zip(self.valid_to).is_some_and(|(from, to)| to < from) {
            return Err(Error::invalid("validTo", "expected a time after validFrom"));
        }
        let metadata = serde_json::to_string(&self.metadata).map_or(usize::MAX, |text| text.len());
        if metadata > METADATA_BYTES_MAX {
            return Err(Error::invalid("metadata", format!("expected at most {METADATA_BYTES_MAX} bytes of JSON")));
        }
        if self.scope.to_string().parse() != Ok(self.scope.clone()) {
            return Err(Error::invalid("scope", InvalidScope.to_string()));
        }
        match (self.tier, self.session) {
            (Tier::Scratchpad, None) => Err(Error::invalid("sessionId", "expected the session whose scratchpad it is")),
            (Tier::Scratchpad, _) if !self.kind.is_block() => {
                Err(Error::invalid("type", "expected a block of a scratchpad: note, persona, human or task"))
            }
            (Tier::Episodic | Tier::Semantic, _) if self.kind.is_block() => {
                Err(Error::invalid("type", format!("`{}` is a block of a scratchpad", self.kind)))
            }
            _ => Ok(()),
        }
    }
}

fn filtered(value: Value, filter: &impl Fn(String) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(filter(text)),
        Value::Array(items) => items.into_iter().map(|item| filtered(item, filter)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (filter(key), filtered(value, filter))).collect()
        }
        other => other,
    }
}

/// PostgreSQL stores every character but this one.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(draft: Draft) -> String {
        match draft.into_memory(OrgId::LOCAL, Actor::system("test"), Timestamp(0)) {
            Err(Error::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(field(Draft::fact("  ")), "content");
        assert_eq!(field(Draft::fact("x".repeat(TEXT_BYTES_MAX + 1))), "content");
        assert_eq!(field(Draft { confidence: 1.5, ..Draft::fact("x") }), "confidence");
        assert_eq!(field(Draft { importance: f32::NAN, ..Draft::fact("x") }), "importance");
        assert_eq!(field(Draft { people: [String::new()].into(), ..Draft::fact("x") }), "people");
        assert_eq!(field(Draft::new(Tier::Scratchpad, Kind::Note, "x")), "sessionId");
        assert_eq!(field(Draft::new(Tier::Semantic, Kind::Note, "x")), "type");
        let (from, to) = (Some(Timestamp(2)), Some(Timestamp(1)));
        assert_eq!(field(Draft { valid_from: from, valid_to: to, ..Draft::fact("x") }), "validTo");
    }

    #[test]
    fn a_filter_sees_every_text() {
        let metadata = serde_json::json!({ "key": ["key", { "key": "key" }, 1] }).as_object().unwrap().clone();
        let words = || ["key".to_owned()].into();
        let draft = Draft { metadata, sources: words(), people: words(), topics: words(), ..Draft::fact("key") };
        let memory = draft.map_texts(|text| text.replace("key", "-"));
        assert!(
            !format!("{:?}", (memory.text, memory.sources, memory.people, memory.topics, memory.metadata))
                .contains("key")
        );
    }

    #[test]
    fn a_character_that_databases_refuse_is_replaced() {
        let memory = Draft::fact("a\0b").into_memory(OrgId::LOCAL, Actor::system("test"), Timestamp(0)).unwrap();
        assert_eq!(memory.text, "a\u{fffd}b");
    }
}
