use std::collections::BTreeSet;

use orchestrator_vocab::{Capability, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Priority, Task, check, draft};

/// What to change about a task. What is absent stays; `runAt` and `deadline` are removed by `null`.
///
/// Of a finished task only `tags` and `metadata` may change.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Patch {
    /// One line, 1 to 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Up to 100 kB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What sort of work it is, up to 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How soon it should run compared with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// What an agent must be able to do to work on it; counts from the next claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_capabilities: Option<BTreeSet<Capability>>,
    /// Replaces all tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeSet<String>>,
    /// Replaces all metadata but what the daemon noted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Not before this time.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Option<Timestamp>>,
    /// When it fails unless it has finished.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Option<Timestamp>>,
    /// After how many attempts a failure is final, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
}

/// Tells `null` (remove it) from absence (leave it).
fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Patch {
    /// Checks every limit that does not depend on the task.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first field that breaks one.
    pub fn validate(&self) -> Result<(), Error> {
        check::optional_chars("title", self.title.as_ref(), check::TITLE_CHARS_MAX)?;
        check::optional_chars("kind", self.kind.as_ref(), check::KIND_CHARS_MAX)?;
        if let Some(description) = &self.description {
            check::bytes("description", description, check::DESCRIPTION_BYTES_MAX)?;
        }
        if let Some(required) = &self.required_capabilities {
            check::capabilities("requiredCapabilities", required)?;
        }
        if let Some(tags) = &self.tags {
            check::tags("tags", tags)?;
        }
        if let Some(metadata) = &self.metadata {
            check::json("metadata", metadata, check::METADATA_BYTES_MAX)?;
        }
        self.max_attempts.map_or(Ok(()), |most| check::attempts("maxAttempts", most))
    }

    /// Whether a change of these fields says no more than when and how often a task is tried, among others.
    pub(crate) fn is_scheduling(changed: &[&str]) -> bool {
        changed.iter().all(|field| ["priority", "maxAttempts"].contains(field))
    }

    /// Writes the changes into the task and returns the names of the fields that are different now.
    pub(crate) fn apply(&self, task: &mut Task) -> Result<Vec<&'static str>, Error> {
        let mut changed = Vec::new();
        set(&mut task.tags, self.tags.as_ref(), "tags", &mut changed);
        let metadata = self.metadata.as_ref().map(|new| with_reserved(new, &task.metadata)).transpose()?;
        set(&mut task.metadata, metadata.as_ref(), "metadata", &mut changed);
        let only_words = changed.len();
        set(&mut task.title, self.title.as_ref(), "title", &mut changed);
        set(&mut task.description, self.description.as_ref(), "description", &mut changed);
        set(&mut task.kind, self.kind.as_ref(), "kind", &mut changed);
        set(&mut task.priority, self.priority.as_ref(), "priority", &mut changed);
        set(&mut task.required_capabilities, self.required_capabilities.as_ref(), "requiredCapabilities", &mut changed);
        set(&mut task.run_at, self.run_at.as_ref(), "runAt", &mut changed);
        set(&mut task.deadline, self.deadline.as_ref(), "deadline", &mut changed);
        set(&mut task.max_attempts, self.max_attempts.as_ref(), "maxAttempts", &mut changed);
        match changed.get(only_words) {
            Some(field) if task.state.is_finished() => Err(Error::Finished { field, status: task.state.status() }),
            _ => draft::check_times(task.run_at, task.deadline).map(|()| changed),
        }
    }
}

/// What the daemon noted stays; repeating it is no attempt to change it.
fn with_reserved(new: &Map<String, Value>, old: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let is_reserved = |key: &&String| key.starts_with(check::RESERVED);
    if let Some(key) = new.keys().filter(is_reserved).find(|key| old.get(*key) != new.get(*key)) {
        return Err(check::reserved(key));
    }
    let kept = old.iter().filter(|(key, _)| is_reserved(key)).map(|(key, value)| (key.clone(), value.clone()));
    Ok(kept.chain(new.clone()).collect())
}

fn set<T: PartialEq + Clone>(field: &mut T, new: Option<&T>, name: &'static str, changed: &mut Vec<&'static str>) {
    if let Some(new) = new.filter(|new| *new != field) {
        field.clone_from(new);
        changed.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_daemon_noted_stays() {
        let map = |value: Value| value.as_object().cloned().unwrap_or_default();
        let old = map(serde_json::json!({ "daemon.depth": 1, "a": 1 }));
        let with = |new: Value| with_reserved(&map(new), &old);
        assert_eq!(with(serde_json::json!({ "b": 2 })).unwrap(), map(serde_json::json!({ "daemon.depth": 1, "b": 2 })));
        assert!(with(serde_json::json!({ "daemon.depth": 1 })).is_ok());
        assert!(with(serde_json::json!({ "daemon.depth": 0 })).is_err());
        assert!(with(serde_json::json!({ "daemon.other": 0 })).is_err());
    }

    #[test]
    fn null_removes_and_absence_leaves() {
        let patch: Patch = serde_json::from_str(r#"{"runAt": null}"#).unwrap();
        assert_eq!(patch, Patch { run_at: Some(None), ..Patch::default() });
        assert_eq!(serde_json::from_str::<Patch>("{}").unwrap(), Patch::default());
        assert!(serde_json::from_str::<Patch>(r#"{"status": "completed"}"#).is_err());
    }
}
