use std::fmt;
use std::str::FromStr;

use orchestrator_vocab::{AgentId, SessionId, TaskId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name in a scope, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// Stands for each one of a kind.
const EACH: &str = "*";

/// What a limit can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ScopeKind {
    /// All of an organisation's spending.
    Organisation,
    /// A team's.
    Team,
    /// An agent's.
    Agent,
    /// A session's.
    Session,
    /// A task's.
    Task,
    /// What one model is asked, whoever runs it.
    Model,
    /// What one provider is asked.
    Provider,
}

/// Whose spending: as text `organisation`, `agent:coder`, or `agent:*` for each agent by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    kind: ScopeKind,
    name: String,
}

/// The text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected organisation, or team, agent, session, task, model or provider with a name, such as agent:coder or agent:*"
)]
pub struct InvalidScope;

/// Who spends: what a request to a model is put down to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Spender {
    /// The team it works for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The agent; none if a person or a program asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The model's name as its provider knows it.
    pub model: String,
    /// The provider's name as it is configured.
    pub provider: String,
}

impl ScopeKind {
    /// All of them, from wide to narrow.
    pub const ALL: [Self; 7] =
        [Self::Organisation, Self::Team, Self::Agent, Self::Session, Self::Task, Self::Model, Self::Provider];

    /// One word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Team => "team",
            Self::Agent => "agent",
            Self::Session => "session",
            Self::Task => "task",
            Self::Model => "model",
            Self::Provider => "provider",
        }
    }
}

impl Scope {
    /// All of an organisation.
    pub const ORGANISATION: Self = Self { kind: ScopeKind::Organisation, name: String::new() };

    /// One of a kind, or each with `*`.
    ///
    /// # Errors
    /// If the organisation is given a name, anything else none, or one that is too long or has control characters.
    pub fn new(kind: ScopeKind, name: impl Into<String>) -> Result<Self, InvalidScope> {
        let name = name.into();
        let is_fine = name.is_empty() == (kind == ScopeKind::Organisation)
            && name.len() <= NAME_BYTES_MAX
            && !name.chars().any(char::is_control);
        if is_fine { Ok(Self { kind, name }) } else { Err(InvalidScope) }
    }

    /// What it is about.
    pub const fn kind(&self) -> ScopeKind {
        self.kind
    }

    /// Which one; empty for the organisation.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it means each one of its kind by itself.
    pub fn is_each(&self) -> bool {
        self.name == EACH
    }

    /// Whether a limit on this one is about that one.
    pub fn covers(&self, one: &Self) -> bool {
        self.kind == one.kind && (self.is_each() || self.name == one.name)
    }
}

impl Spender {
    /// Somebody who is only known by what is asked.
    pub fn of(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self { team: None, agent: None, session: None, task: None, model: model.into(), provider: provider.into() }
    }

    /// The scopes its spending counts in. Names that are too long are cut.
    pub fn scopes(&self) -> Vec<Scope> {
        let named = [
            (ScopeKind::Team, self.team.clone()),
            (ScopeKind::Agent, self.agent.as_ref().map(ToString::to_string)),
            (ScopeKind::Session, self.session.map(|id| id.to_string())),
            (ScopeKind::Task, self.task.map(|id| id.to_string())),
            (ScopeKind::Model, Some(self.model.clone())),
            (ScopeKind::Provider, Some(self.provider.clone())),
        ];
        let scope = |(kind, name): (ScopeKind, Option<String>)| {
            let mut name = name.filter(|name| !name.is_empty())?;
            name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
            Some(Scope { kind, name })
        };
        std::iter::once(Scope::ORGANISATION).chain(named.into_iter().filter_map(scope)).collect()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if self.name.is_empty() { Ok(()) } else { write!(f, ":{}", self.name) }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        let kind = ScopeKind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or(InvalidScope)?;
        Self::new(kind, name)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "rpc")]
impl schemars::JsonSchema for Scope {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scope".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["organisation"],
            "pattern": r"^(organisation|(team|agent|session|task|model|provider):[^\u0000-\u001f\u007f]{1,200})$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_survives_its_text() {
        for text in ["organisation", "agent:coder", "agent:*", "model:meta/llama:70b", "task:task_1"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for text in ["", "organisation:x", "agent", "agent:", "org", "Agent:x", "agent:a\nb"] {
            assert_eq!(text.parse::<Scope>(), Err(InvalidScope), "{text}");
        }
    }

    #[test]
    fn each_covers_every_one_of_its_kind() {
        let scope = |text: &str| text.parse::<Scope>().unwrap();
        assert!(scope("agent:*").covers(&scope("agent:a")) && scope("agent:a").covers(&scope("agent:a")));
        assert!(!scope("agent:*").covers(&scope("task:a")) && !scope("agent:b").covers(&scope("agent:a")));
    }

    #[test]
    fn spending_counts_in_every_scope_that_is_known() {
        let spender = Spender { agent: Some("coder".parse().unwrap()), ..Spender::of("p", "m") };
        let scopes: Vec<String> = spender.scopes().iter().map(ToString::to_string).collect();
        assert_eq!(scopes, ["organisation", "agent:coder", "model:m", "provider:p"]);
        assert_eq!(Spender::of("p", "ä".repeat(150)).scopes()[1].name().len(), 200);
    }
}
