use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// What an [`Id`] or [`Name`](crate::Name) names; the prefix is the first part of an id's text.
pub trait Kind: 'static {
    /// The part before the underscore, for example `task`.
    const PREFIX: &'static str;
}

/// The kinds of things more than one crate names.
pub mod kind {
    use super::Kind;

    /// A unit of work in the backlog.
    pub enum Task {}
    /// A recurring or one-off plan that creates tasks.
    pub enum Schedule {}
    /// One agent at work.
    pub enum Session {}
    /// A tenant: rows of one organisation are invisible to all others.
    pub enum Org {}
    /// Something that happened, as written in the log.
    pub enum Event {}

    /// One who works on tasks.
    pub enum Agent {}
    /// Something an agent can do.
    pub enum Capability {}

    impl Kind for Agent {
        const PREFIX: &'static str = "agent";
    }
    impl Kind for Capability {
        const PREFIX: &'static str = "capability";
    }
    impl Kind for Task {
        const PREFIX: &'static str = "task";
    }
    impl Kind for Schedule {
        const PREFIX: &'static str = "schedule";
    }
    impl Kind for Session {
        const PREFIX: &'static str = "session";
    }
    impl Kind for Org {
        const PREFIX: &'static str = "org";
    }
    impl Kind for Event {
        const PREFIX: &'static str = "event";
    }
}

/// A UUIDv7 (RFC 9562) that knows what it names: `kind_` and 32 lowercase hexadecimal digits as text.
///
/// Ids sort by the time they were made, to the millisecond.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

/// Names a task.
pub type TaskId = Id<kind::Task>;
/// Names a schedule.
pub type ScheduleId = Id<kind::Schedule>;
/// Names a session.
pub type SessionId = Id<kind::Session>;
/// Names an organisation.
pub type OrgId = Id<kind::Org>;
/// Names an event.
pub type EventId = Id<kind::Event>;

impl OrgId {
    /// The operator's own organisation, which always exists.
    pub const LOCAL: Self = Id::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));
}

impl<K> Id<K> {
    /// A fresh id from the system's clock and random source.
    #[expect(clippy::new_without_default, reason = "a default id would be a different one each time")]
    #[expect(clippy::disallowed_methods, reason = "this is the id source")]
    pub fn new() -> Self {
        Self(Uuid::now_v7(), PhantomData)
    }

    /// Takes a UUID as it is; meant for ids that were stored as bytes.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The UUID without its kind.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", K::PREFIX, self.0.simple())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `{expected}_` and 32 lowercase hexadecimal digits")]
pub struct InvalidId {
    expected: &'static str,
}

impl<K: Kind> FromStr for Id<K> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { expected: K::PREFIX };
        let digits = text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_')).ok_or(invalid.clone())?;
        let canonical = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !canonical {
            return Err(invalid);
        }
        Uuid::try_parse(digits).map(Self::from_uuid).map_err(|_| invalid)
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl<K: Kind> schemars::JsonSchema for Id<K> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{}Id", K::PREFIX).into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let pattern = format!("^{}_[0-9a-f]{{32}}$", K::PREFIX);
        schemars::json_schema!({ "type": "string", "pattern": pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = TaskId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<TaskId>(&json).unwrap(), id);
    }

    #[track_caller]
    fn refused(text: &str) {
        assert_eq!(text.parse::<TaskId>(), Err(InvalidId { expected: "task" }), "{text}");
    }

    #[test]
    fn other_kinds_and_other_spellings_are_refused() {
        let digits = "018f6b2a9c3d7e4f8a1b2c3d4e5f6a7b";
        refused(&format!("session_{digits}"));
        refused(digits);
        refused(&format!("task_{}", digits.to_uppercase()));
        refused("task_018f6b2a-9c3d-7e4f-8a1b-2c3d4e5f6a7b");
        refused(&format!("task_{digits}0"));
        refused("task_");
        refused("");
    }

    #[test]
    fn the_local_organisation_has_its_documented_text() {
        assert_eq!(OrgId::LOCAL.to_string(), "org_00000000000070008000000000000001");
    }

    #[test]
    fn later_ids_sort_later() {
        let ids: Vec<TaskId> = (0..1_000).map(|_| TaskId::new()).collect();
        assert!(ids.is_sorted());
    }
}
