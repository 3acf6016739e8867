use std::collections::BTreeSet;
use std::fmt;

use orchestrator_vocab::{Capability, TaskId, Timestamp};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{Error, OnFailure, Priority, check};

/// What a creator says about a task. Everything but the title has a default.
///
/// ```
/// use orchestrator_tasks::{Draft, Priority};
/// let draft = Draft { priority: Priority::High, ..Draft::new("Write the changelog") };
/// assert!(draft.validate().is_ok());
/// assert_eq!(Draft::new("").validate().unwrap_err().to_string(),
///     "title: expected 1 to 500 characters, got none that can be seen");
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draft {
    /// One line, 1 to 500 characters.
    #[cfg_attr(feature = "rpc", schemars(length(min = 1, max = 500), regex(pattern = check::VISIBLE)))]
    pub title: String,
    /// Up to 100 kB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "rpc", schemars(length(max = 100_000), regex(pattern = check::WITHOUT_NUL)))]
    pub description: String,
    /// What sort of work it is, up to 64 characters; `general` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "rpc", schemars(length(min = 1, max = 64), regex(pattern = check::VISIBLE)))]
    pub kind: Option<String>,
    /// How soon it should run compared with others.
    #[serde(default)]
    pub priority: Priority,
    /// Tasks that have to complete first: ids, or `{taskId, onFailure}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "rpc", schemars(length(max = 1_000)))]
    pub depends_on: Vec<Dependency>,
    /// A name for this task within one `createMany`, for the `dependsOnRefs` of the others.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "rpc", schemars(length(min = 1, max = 64), regex(pattern = check::VISIBLE)))]
    pub reference: Option<String>,
    /// Tasks of the same `createMany` that have to complete first, by their `ref`; if one fails, this one is cancelled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "rpc", schemars(length(max = 1_000)))]
    pub depends_on_refs: Vec<String>,
    /// What an agent must be able to do to work on it; up to 32.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[cfg_attr(feature = "rpc", schemars(length(max = 32)))]
    pub required_capabilities: BTreeSet<Capability>,
    /// The task it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<TaskId>,
    /// Up to 64 words of up to 64 characters.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[cfg_attr(feature = "rpc", schemars(length(max = 64), inner(length(min = 1, max = 64), regex(pattern = check::VISIBLE))))]
    pub tags: BTreeSet<String>,
    /// Up to 64 kB of JSON for the creator's own use; no key may begin with `daemon.`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// What the daemon itself notes in the metadata, under keys that begin with [`RESERVED`](crate::RESERVED). No JSON has
    /// it, so nobody can claim it over the wire.
    #[serde(skip)]
    pub reserved: Map<String, Value>,
    /// Tasks with the same key share a limited number of slots; up to 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "rpc", schemars(length(min = 1, max = 128), regex(pattern = check::VISIBLE)))]
    pub concurrency_key: Option<String>,
    /// Not before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// When it fails unless it has finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// After how many attempts a failure is final, 1 to 100; the configured number (3) if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "rpc", schemars(range(min = 1, max = 100)))]
    pub max_attempts: Option<u32>,
    /// Creating again under the same key returns the first task; up to 200 characters, unique in the organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "rpc", schemars(length(min = 1, max = 200), regex(pattern = check::VISIBLE)))]
    pub idempotency_key: Option<String>,
}

impl Draft {
    /// A task of which nothing but the title is known.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first field that breaks one.
    pub fn validate(&self) -> Result<(), Error> {
        check::chars("title", &self.title, check::TITLE_CHARS_MAX)?;
        check::bytes("description", &self.description, check::DESCRIPTION_BYTES_MAX)?;
        check::optional_chars("kind", self.kind.as_ref(), check::KIND_CHARS_MAX)?;
        check::count("dependsOn", self.depends_on.len(), check::DEPENDENCIES_MAX)?;
        check::count("dependsOnRefs", self.depends_on_refs.len(), check::DEPENDENCIES_MAX)?;
        check::optional_chars("ref", self.reference.as_ref(), check::TAG_CHARS_MAX)?;
        check::capabilities("requiredCapabilities", &self.required_capabilities)?;
        check::tags("tags", &self.tags)?;
        if !self.metadata.is_empty() {
            check::json("metadata", &self.metadata, check::METADATA_BYTES_MAX)?;
            check::unreserved(&self.metadata)?;
        }
        check::optional_chars("concurrencyKey", self.concurrency_key.as_ref(), check::CONCURRENCY_KEY_CHARS_MAX)?;
        check::optional_chars("idempotencyKey", self.idempotency_key.as_ref(), check::IDEMPOTENCY_KEY_CHARS_MAX)?;
        check_times(self.run_at, self.deadline)?;
        self.max_attempts.map_or(Ok(()), |most| check::attempts("maxAttempts", most))
    }
}

pub(crate) fn check_times(run_at: Option<Timestamp>, deadline: Option<Timestamp>) -> Result<(), Error> {
    match (run_at, deadline) {
        (Some(run_at), Some(deadline)) if deadline <= run_at => {
            Err(Error::invalid("deadline", format!("expected a time after runAt ({run_at}), got {deadline}")))
        }
        _ => Ok(()),
    }
}

/// A task that has to complete first. In JSON its id, or `{taskId, onFailure}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// The task to wait for.
    pub task_id: TaskId,
    /// What to do if it does not complete.
    pub on_failure: OnFailure,
}

impl From<TaskId> for Dependency {
    fn from(task_id: TaskId) -> Self {
        Self { task_id, on_failure: OnFailure::default() }
    }
}

impl<'de> Deserialize<'de> for Dependency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DependencyVisitor)
    }
}

struct DependencyVisitor;

impl<'de> Visitor<'de> for DependencyVisitor {
    type Value = Dependency;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task id or {taskId, onFailure}")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Dependency, E> {
        text.parse::<TaskId>().map(Dependency::from).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Dependency, A::Error> {
        let whole = Whole::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Dependency { task_id: whole.task_id, on_failure: whole.on_failure })
    }
}

#[derive(Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Whole {
    /// The task to wait for.
    task_id: TaskId,
    /// What to do if it does not complete.
    #[serde(default)]
    on_failure: OnFailure,
}

#[cfg(feature = "rpc")]
impl schemars::JsonSchema for Dependency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Dependency".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let id = generator.subschema_for::<TaskId>();
        let whole = generator.subschema_for::<Whole>();
        schemars::json_schema!({ "anyOf": [id, whole] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(draft: Draft, message: &str) {
        assert_eq!(draft.validate().unwrap_err().to_string(), message);
    }

    #[test]
    fn a_dependency_is_an_id_or_an_id_with_a_policy() {
        let id = TaskId::new();
        let json = format!(r#"["{id}", {{"taskId": "{id}", "onFailure": "wait"}}]"#);
        let given: Vec<Dependency> = serde_json::from_str(&json).unwrap();
        assert_eq!(given, [id.into(), Dependency { task_id: id, on_failure: OnFailure::Wait }]);
        assert!(serde_json::from_str::<Dependency>("7").is_err());
        assert!(serde_json::from_str::<Dependency>(&format!(r#"{{"taskId": "{id}", "x": 1}}"#)).is_err());
    }

    #[test]
    fn a_draft_survives_json() {
        let draft = Draft { depends_on: vec![TaskId::new().into()], max_attempts: Some(7), ..Draft::new("x") };
        let json = serde_json::to_string(&draft).unwrap();
        assert_eq!(serde_json::from_str::<Draft>(&json).unwrap(), draft);
    }

    #[test]
    fn limits_name_the_field() {
        let long = |n: usize| "x".repeat(n);
        assert!(Draft::new("ä".repeat(500)).validate().is_ok());
        refused(Draft::new("ä".repeat(501)), "title: expected 1 to 500 characters, got 501");
        refused(
            Draft { description: long(100_001), ..Draft::new("x") },
            "description: expected at most 100000 bytes, got 100001",
        );
        refused(Draft { max_attempts: Some(0), ..Draft::new("x") }, "maxAttempts: expected 1 to 100, got 0");
        refused(Draft { tags: [long(65)].into(), ..Draft::new("x") }, "tags: expected 1 to 64 characters, got 65");
        let tags = (0..65).map(|n| n.to_string()).collect();
        refused(Draft { tags, ..Draft::new("x") }, "tags: expected at most 64, got 65");
        let metadata = [("a".to_owned(), long(64_000).into())].into_iter().collect();
        let own = [("daemon.spawned".to_owned(), 1.into())].into_iter().collect();
        refused(
            Draft { metadata: own, ..Draft::new("x") },
            "metadata: `daemon.spawned` is the daemon's to say; use a key that does not begin with `daemon.`",
        );
        refused(Draft { metadata, ..Draft::new("x") }, "metadata: expected at most 64000 bytes of JSON, got 64008");
        refused(Draft::new("a\0b"), "title: a NUL character cannot be stored");
    }
}
