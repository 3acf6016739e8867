use orchestrator_transcript::Digest;
use orchestrator_vocab::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::forgetting::Beside;
use super::record::Record;

/// The first line of each file: which log it belongs to, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Begun {
    /// The log's own name, made when it was begun.
    pub log: String,
    /// Which of its files, from 1.
    pub number: u64,
    /// The number of the next record.
    pub first: u64,
    /// The hash that this record refers to.
    pub previous: Digest,
    /// The public key that signs, 32 bytes in base64.
    pub key: String,
    /// When.
    pub at: Timestamp,
}

/// A place in the log that its keeper vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoint {
    /// Which log.
    pub log: String,
    /// The number of the last record before it.
    pub seq: u64,
    /// And its hash.
    pub hash: Digest,
    /// When.
    pub at: Timestamp,
}

/// What a line of a file is. Each is written as its canonical text (RFC 8785), and is no line if it is written otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum Line {
    Begun {
        begun: Begun,
    },
    Record {
        hash: Digest,
        record: Box<Record>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beside: Option<Beside>,
    },
    Checkpoint {
        checkpoint: Checkpoint,
        signature: String,
    },
}

impl Line {
    /// The canonical text, without its end.
    pub(super) fn text(&self) -> String {
        canonical(&serde_json::to_value(self).expect("a line has an equivalent in JSON"))
    }

    /// Reads a line that is exactly what it would be written as.
    pub(super) fn read(text: &str) -> Option<Self> {
        let line: Self = serde_json::from_str(text).ok()?;
        (line.text() == text).then_some(line)
    }
}

impl Record {
    /// What the next record refers to.
    pub(super) fn hash(&self) -> Digest {
        let value = serde_json::to_value(self).expect("a record has an equivalent in JSON");
        Digest::of(&value).expect("its numbers are a count and a time")
    }
}

impl Begun {
    /// What the log's first record refers to.
    pub(super) fn origin(log: &str, key: &str) -> Digest {
        Digest::of(&serde_json::json!({ "key": key, "log": log })).expect("there is no number in it")
    }
}

/// The form of which there is only one.
pub(super) fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).expect("JSON has a canonical form")
}
