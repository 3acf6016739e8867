use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::AgentId;

/// Who did something. As text: `user:alice`, `agent:coder`, `system:scheduler`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// An authenticated person or program, by the subject of its credential.
    User(String),
    /// An agent, acting on a task.
    Agent(AgentId),
    /// A part of the daemon itself.
    System(Cow<'static, str>),
}

/// The text names no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `user:`, `agent:` or `system:` and a name")]
pub struct InvalidActor;

impl Actor {
    /// A part of the daemon, by its name.
    pub const fn system(part: &'static str) -> Self {
        Self::System(Cow::Borrowed(part))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(subject) => write!(f, "user:{subject}"),
            Self::Agent(agent) => write!(f, "agent:{agent}"),
            Self::System(part) => write!(f, "system:{part}"),
        }
    }
}

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, InvalidActor> {
        match text.split_once(':') {
            Some(("user", subject)) if !subject.is_empty() => Ok(Self::User(subject.to_owned())),
            Some(("agent", agent)) => agent.parse().map(Self::Agent).map_err(|_| InvalidActor),
            Some(("system", part)) if !part.is_empty() => Ok(Self::System(part.to_owned().into())),
            _ => Err(InvalidActor),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Actor {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Actor".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(user|agent|system):.+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_survives_its_text() {
        let actors = [Actor::User("alice:admin".into()), Actor::Agent("coder".parse().unwrap()), Actor::system("cron")];
        for actor in actors {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
    }

    #[test]
    fn unknown_kinds_and_empty_names_are_refused() {
        for text in ["", "alice", "user:", "agent:Not A Name", "robot:x"] {
            assert_eq!(text.parse::<Actor>(), Err(InvalidActor), "{text}");
        }
    }
}
