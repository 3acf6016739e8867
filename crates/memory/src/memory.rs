use std::collections::BTreeSet;
use std::str::FromStr;

use orchestrator_vocab::{Actor, AgentId, Id, Label, OrgId, SessionId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Kind, Scope, Tier};

/// Names the kind of [`MemoryId`].
pub enum MemoryKind {}

impl orchestrator_vocab::Kind for MemoryKind {
    const PREFIX: &'static str = "memory";
}

/// Names a memory: `memory_` and 32 hexadecimal digits.
pub type MemoryId = Id<MemoryKind>;

/// Whether a memory counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is recalled.
    #[default]
    Active,
    /// It was learned from what nobody vouches for: it is not recalled before somebody confirms it.
    Quarantined,
    /// Another took its place. It stays readable, with the time until which it held.
    Superseded,
}

impl State {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Quarantined => "quarantined",
            Self::Superseded => "superseded",
        }
    }
}

/// The text names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected active, quarantined or superseded")]
pub struct InvalidState;

impl FromStr for State {
    type Err = InvalidState;

    fn from_str(text: &str) -> Result<Self, InvalidState> {
        [Self::Active, Self::Quarantined, Self::Superseded]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(InvalidState)
    }
}

/// One thing that is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Its name.
    #[serde(rename = "memoryId")]
    pub id: MemoryId,
    /// Whose it is.
    #[serde(rename = "orgId")]
    pub org: OrgId,
    /// How long it stays.
    pub tier: Tier,
    /// What sort of thing it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Who remembers it.
    pub scope: Scope,
    /// What is remembered.
    #[serde(rename = "content")]
    pub text: String,
    /// How far it may be believed, and who may see it.
    pub label: Label,
    /// Whether it counts.
    pub state: State,
    /// How certain it is, from 0 to 1.
    pub confidence: f32,
    /// How much it matters, from 0 to 1.
    pub importance: f32,
    /// The session it comes from.
    #[serde(default, rename = "sessionId", skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Its place among what happened in that session; neighbours have neighbouring numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    /// The task that was worked on.
    #[serde(default, rename = "taskId", skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The agent that worked.
    #[serde(default, rename = "agentId", skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Who said it, or had it remembered.
    pub by: Actor,
    /// What it is taken from: events, entries of journals, files, other memories.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sources: BTreeSet<String>,
    /// What a summary stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<MemoryId>,
    /// What it took the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<MemoryId>,
    /// What took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<MemoryId>,
    /// The people it is about, by names in lower case: what is erased with them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub people: BTreeSet<String>,
    /// What it is about otherwise, in lower case.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub topics: BTreeSet<String>,
    /// From when on it holds, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Until when it held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Timestamp>,
    /// Since when it is remembered.
    pub created_at: Timestamp,
    /// When it is to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl Memory {
    /// How a prompt or an answer names it, so that a reader can look it up: its id and its day.
    pub fn citation(&self) -> String {
        let day: String = self.created_at.to_string().chars().take(10).collect();
        format!("{} {day}", self.id)
    }
}
