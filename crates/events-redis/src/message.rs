use std::borrow::Cow;
use std::collections::BTreeMap;

use orchestrator_events::Transient;
use orchestrator_vocab::OrgId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What daemons tell each other through the channel. One without content is a sign of life.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Message {
    /// Who says it, to tell one's own from others'.
    pub(crate) node: String,
    /// Whose streams have grown, and up to which number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) grown: BTreeMap<OrgId, u64>,
    /// How many live-only pieces of whom were not sent, before those that are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) lost: BTreeMap<OrgId, u64>,
    /// What is live only, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pieces: Vec<Piece>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Piece {
    org: OrgId,
    name: String,
    payload: Value,
}

impl From<&Transient> for Piece {
    fn from(piece: &Transient) -> Self {
        Self { org: piece.org, name: piece.name.to_string(), payload: piece.payload.clone() }
    }
}

impl From<Piece> for Transient {
    fn from(piece: Piece) -> Self {
        Self { org: piece.org, name: Cow::Owned(piece.name), payload: piece.payload }
    }
}
