use std::collections::BTreeSet;

use orchestrator_vocab::{Label, SessionId, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::front_matter::{self, Fields, Wrong};
use crate::{Kind, MemoryId, Scope, State, Tier};

/// Something that a file says to remember.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Where in the file it is, from 1; where the mistake is, if there is one.
    pub(crate) line: u64,
    /// What it says, or what is wrong with it.
    pub(crate) said: Result<Said, String>,
    /// What was not understood and is kept as metadata.
    pub(crate) notes: Vec<String>,
}

/// What is said of a memory. `None`: nothing is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Said {
    pub(crate) id: Option<MemoryId>,
    pub(crate) text: String,
    pub(crate) tier: Option<Tier>,
    pub(crate) kind: Option<Kind>,
    pub(crate) scope: Option<Scope>,
    pub(crate) confidence: Option<f32>,
    pub(crate) importance: Option<f32>,
    pub(crate) valid_from: Option<Timestamp>,
    pub(crate) valid_to: Option<Timestamp>,
    pub(crate) people: BTreeSet<String>,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) sources: BTreeSet<String>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) label: Option<Label>,
    pub(crate) state: Option<State>,
    pub(crate) session: Option<SessionId>,
    pub(crate) at: Option<Timestamp>,
}

/// What follows from others, or was so at the time: a file of ours has it for its reader.
const KEPT: [&str; 6] = ["by", "supersedes", "supersededBy", "covers", "taskId", "agentId"];

/// One thing, from a file with front matter.
pub(super) fn read(front: &str, body: &str) -> Entry {
    let mut notes = Vec::new();
    // Whoever ends the lines of the front matter otherwise has done so with all.
    let text = if front.contains("\r\n") { body.replace("\r\n", "\n") } else { body.to_owned() };
    let said = front_matter::parse(front).and_then(|fields| {
        let is_ours = fields.contains_key("memoryId");
        Reader { fields, is_ours, notes: &mut notes }.read(self::body(&text))
    });
    match said {
        Ok(said) => Entry { line: 1, said: Ok(said), notes },
        Err((line, problem)) => Entry { line, said: Err(problem), notes },
    }
}

/// The text in what follows the front matter.
pub(super) fn body(after: &str) -> &str {
    let text = after.strip_prefix('\n').or_else(|| after.strip_prefix("\r\n")).unwrap_or(after);
    text.strip_suffix('\n').unwrap_or(text)
}

struct Reader<'a> {
    fields: Fields,
    is_ours: bool,
    notes: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn read(mut self, text: &str) -> Result<Said, Wrong> {
        let mut said = Said {
            text: text.to_owned(),
            tier: self.field("tier", "scratchpad, episodic or semantic")?,
            kind: self.field("type", &format!("one of {}", Kind::ALL.map(Kind::as_str).join(", ")))?,
            scope: self.field("scope", "organisation, agent:NAME, team:NAME or user:SUBJECT")?,
            confidence: self.field("confidence", "a number from 0 to 1")?,
            importance: self.field("importance", "a number from 0 to 1")?,
            valid_from: self.field("validFrom", TIME)?,
            valid_to: self.field("validTo", TIME)?,
            people: self.field::<Words>("people", WORDS)?.unwrap_or_default().into(),
            topics: self.field::<Words>("topics", WORDS)?.unwrap_or_default().into(),
            sources: self.field::<Words>("sources", WORDS)?.unwrap_or_default().into(),
            metadata: self.field("metadata", "keys with values")?.unwrap_or_default(),
            ..Said::default()
        };
        if self.is_ours {
            said.id = self.field("memoryId", "memory_ and 32 hexadecimal digits")?;
            said.label = self.field("label", "integrity and confidentiality")?;
            said.state = self.field("state", "active, quarantined or superseded")?;
            said.session = self.field("sessionId", "session_ and 32 hexadecimal digits")?;
            said.at = self.field("at", TIME)?;
            self.fields.retain(|key, _| !KEPT.contains(&key.as_str()));
        }
        for (key, (_, value)) in self.fields {
            self.notes.push(format!("`{key}` is kept as metadata"));
            said.metadata.insert(key, value);
        }
        Ok(said)
    }

    /// A field as it has to be. In what others wrote, a word of ours may mean something else: then it stays among the rest.
    fn field<T: DeserializeOwned>(&mut self, key: &str, expected: &str) -> Result<Option<T>, Wrong> {
        let Some((line, value)) = self.fields.get(key) else { return Ok(None) };
        match serde_json::from_value(value.clone()) {
            Ok(read) => {
                self.fields.remove(key);
                Ok(read)
            }
            Err(_) if self.is_ours => Err((*line, format!("{key}: expected {expected}"))),
            Err(_) => Ok(None),
        }
    }
}

const TIME: &str = "a time such as 2026-01-31T12:00:00Z";
const WORDS: &str = "a list of words";

/// One word, or a list of them.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(BTreeSet<String>),
}

impl Default for Words {
    fn default() -> Self {
        Self::Many(BTreeSet::new())
    }
}

impl From<Words> for BTreeSet<String> {
    fn from(words: Words) -> Self {
        match words {
            Words::One(word) => [word].into(),
            Words::Many(words) => words,
        }
    }
}
