//! Limits of what a creator may write, and the checks that name the field.

use std::collections::BTreeSet;

use orchestrator_vocab::Capability;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Error;

/// The longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 500;
/// The longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 100_000;
/// The longest kind, in characters.
pub const KIND_CHARS_MAX: usize = 64;
/// The most tags of one task.
pub const TAGS_MAX: usize = 64;
/// The longest tag, in characters.
pub const TAG_CHARS_MAX: usize = 64;
/// The largest metadata, in bytes of JSON.
pub const METADATA_BYTES_MAX: usize = 64_000;
/// How keys of the metadata begin that only the daemon writes, and that stay as long as the task.
pub const RESERVED: &str = "daemon.";
/// The most capabilities a task may require.
pub const CAPABILITIES_MAX: usize = 32;
/// The most tasks one task may depend on.
pub const DEPENDENCIES_MAX: usize = 1_000;
/// The longest concurrency key, in characters.
pub const CONCURRENCY_KEY_CHARS_MAX: usize = 128;
/// The longest idempotency key, in characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 200;
/// The most attempts.
pub const ATTEMPTS_MAX: u32 = 100;
/// The largest result, in bytes of JSON.
pub const RESULT_BYTES_MAX: usize = 256_000;
/// The largest report of progress, in bytes of JSON.
pub const PROGRESS_BYTES_MAX: usize = 16_000;
/// The longest error or reason, in bytes.
pub const ERROR_BYTES_MAX: usize = 16_000;
/// The most items of one command.
pub const BATCH_MAX: usize = 1_000;

/// What [`chars`] asks of a text beside its length, for schemas.
#[cfg(feature = "rpc")]
pub(crate) const VISIBLE: &str = r"^[^\x00]*[^\s\x00][^\x00]*$";
/// What [`bytes`] asks of a text beside its length, for schemas.
#[cfg(feature = "rpc")]
pub(crate) const WITHOUT_NUL: &str = r"^[^\x00]*$";

pub(crate) fn chars(field: &str, text: &str, most: usize) -> Result<(), Error> {
    // The byte length answers for nearly every text without counting.
    let count = if text.len() <= most { text.len() } else { text.chars().count() };
    if text.trim().is_empty() {
        return Err(Error::invalid(field, format!("expected 1 to {most} characters, got none that can be seen")));
    }
    if count > most {
        return Err(Error::invalid(field, format!("expected 1 to {most} characters, got {count}")));
    }
    match text.chars().any(|c| c == '\0') {
        true => Err(Error::invalid(field, "a NUL character cannot be stored")),
        false => Ok(()),
    }
}

pub(crate) fn optional_chars(field: &str, text: Option<&String>, most: usize) -> Result<(), Error> {
    text.map_or(Ok(()), |text| chars(field, text, most))
}

pub(crate) fn bytes(field: &str, text: &str, most: usize) -> Result<(), Error> {
    if text.len() > most {
        return Err(Error::invalid(field, format!("expected at most {most} bytes, got {}", text.len())));
    }
    match text.contains('\0') {
        true => Err(Error::invalid(field, "a NUL character cannot be stored")),
        false => Ok(()),
    }
}

pub(crate) fn json(field: &str, value: &impl Serialize, most: usize) -> Result<(), Error> {
    let text = serde_json::to_string(value).map_err(|error| Error::invalid(field, error.to_string()))?;
    if text.len() > most {
        return Err(Error::invalid(field, format!("expected at most {most} bytes of JSON, got {}", text.len())));
    }
    Ok(())
}

/// No key is one that only the daemon writes.
pub(crate) fn unreserved(metadata: &Map<String, Value>) -> Result<(), Error> {
    metadata.keys().find(|key| key.starts_with(RESERVED)).map_or(Ok(()), |key| Err(reserved(key)))
}

pub(crate) fn reserved(key: &str) -> Error {
    let problem = format!("`{key}` is the daemon's to say; use a key that does not begin with `{RESERVED}`");
    Error::invalid("metadata", problem)
}

pub(crate) fn tags(field: &str, tags: &BTreeSet<String>) -> Result<(), Error> {
    count(field, tags.len(), TAGS_MAX)?;
    tags.iter().try_for_each(|tag| chars(field, tag, TAG_CHARS_MAX))
}

pub(crate) fn capabilities(field: &str, required: &BTreeSet<Capability>) -> Result<(), Error> {
    count(field, required.len(), CAPABILITIES_MAX)
}

pub(crate) fn count(field: &str, given: usize, most: usize) -> Result<(), Error> {
    match given > most {
        true => Err(Error::invalid(field, format!("expected at most {most}, got {given}"))),
        false => Ok(()),
    }
}

pub(crate) fn attempts(field: &str, given: u32) -> Result<(), Error> {
    match (1..=ATTEMPTS_MAX).contains(&given) {
        true => Ok(()),
        false => Err(Error::invalid(field, format!("expected 1 to {ATTEMPTS_MAX}, got {given}"))),
    }
}
