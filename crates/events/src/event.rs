use std::borrow::Cow;

use orchestrator_vocab::{Actor, EventId, OrgId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something that happened, before the log has numbered it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Whose event it is.
    pub org: OrgId,
    /// Dotted, what it is about first: `task.created`.
    pub name: Cow<'static, str>,
    /// When it happened.
    pub time: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// The id, as text, of the one thing it is about; the key of that thing's history.
    pub subject: Option<String>,
    /// What one request or trace caused, over all domains.
    pub correlation: Option<String>,
    /// The event that this one is a consequence of.
    pub causation: Option<EventId>,
    /// The facts, a JSON object.
    pub payload: Value,
}

impl NewEvent {
    /// An event without subject, correlation and causation; set those that are known.
    pub fn new(org: OrgId, name: impl Into<Cow<'static, str>>, time: Timestamp, actor: Actor, payload: Value) -> Self {
        Self { org, name: name.into(), time, actor, subject: None, correlation: None, causation: None, payload }
    }

    pub(crate) fn numbered(self, seq: u64) -> Event {
        Event {
            id: EventId::new(),
            seq,
            org: self.org,
            name: self.name,
            time: self.time,
            actor: self.actor,
            subject: self.subject,
            correlation: self.correlation,
            causation: self.causation,
            payload: self.payload,
        }
    }
}

/// Something that happened, as it stands in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its own name, unique everywhere.
    #[serde(rename = "eventId")]
    pub id: EventId,
    /// Its number in its organisation: dense, from 1.
    pub seq: u64,
    /// Whose event it is.
    #[serde(rename = "orgId")]
    pub org: OrgId,
    /// Dotted, what it is about first: `task.created`.
    #[serde(rename = "event")]
    pub name: Cow<'static, str>,
    /// When it happened.
    pub time: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// The id, as text, of the one thing it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What one request or trace caused, over all domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The event that this one is a consequence of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<EventId>,
    /// The facts, a JSON object.
    pub payload: Value,
}

impl Event {
    /// The same event, as `other` tells it.
    pub(crate) fn with_texts_of(&self, other: Self) -> Self {
        let Self { actor, subject, correlation, payload, .. } = other;
        Self { actor, subject, correlation, payload, ..self.clone() }
    }
}

/// Something that is delivered while it happens and never stored, such as a piece of output.
#[derive(Debug, Clone, PartialEq)]
pub struct Transient {
    /// Whose it is.
    pub org: OrgId,
    /// Dotted, as for events: `stream.chunk`.
    pub name: Cow<'static, str>,
    /// The facts, a JSON object.
    pub payload: Value,
}
