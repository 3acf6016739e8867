use std::fmt;
use std::str::FromStr;

use orchestrator_vocab::AgentId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Who remembers: as text `organisation`, `agent:coder`, `team:platform` or `user:ada`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Scope {
    /// Everybody of the organisation.
    #[default]
    Organisation,
    /// One agent, in all of its sessions.
    Agent(AgentId),
    /// The agents of a team.
    Team(String),
    /// Whoever works for this person, by the subject of their credential.
    User(String),
}

/// The text names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected organisation, agent:NAME, team:NAME or user:SUBJECT (a name has 1 to 128 bytes)")]
pub struct InvalidScope;

/// The longest name of a team or a person, in bytes.
const NAME_MAX: usize = 128;

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organisation => f.write_str("organisation"),
            Self::Agent(agent) => write!(f, "agent:{agent}"),
            Self::Team(team) => write!(f, "team:{team}"),
            Self::User(subject) => write!(f, "user:{subject}"),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let named = |name: &str| (!name.is_empty() && name.len() <= NAME_MAX).then(|| name.to_owned());
        match text.split_once(':') {
            None if text == "organisation" => Ok(Self::Organisation),
            Some(("agent", agent)) => agent.parse().map(Self::Agent).map_err(|_| InvalidScope),
            Some(("team", team)) => named(team).map(Self::Team).ok_or(InvalidScope),
            Some(("user", subject)) => named(subject).map(Self::User).ok_or(InvalidScope),
            _ => Err(InvalidScope),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "rpc")]
impl schemars::JsonSchema for Scope {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MemoryScope".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(organisation|agent:[a-z0-9][a-z0-9._-]{0,62}|(team|user):.{1,128})$",
            "description": "Who remembers: `organisation`, `agent:NAME`, `team:NAME` or `user:SUBJECT`.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_what_its_text_says() {
        for text in ["organisation", "agent:coder", "team:platform", "user:ada@example.com"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for wrong in ["", "org", "agent:", "agent:No Such", "team:", "somebody:else"] {
            assert_eq!(wrong.parse::<Scope>(), Err(InvalidScope), "{wrong}");
        }
    }
}
