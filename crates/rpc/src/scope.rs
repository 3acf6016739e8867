use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a credential may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Scope {
    /// See what the organisation has.
    #[serde(rename = "daemon.read")]
    Read,
    /// Create and change; implies [`Scope::Read`].
    #[serde(rename = "daemon.write")]
    Write,
    /// Decide approvals.
    #[serde(rename = "daemon.approve")]
    Approve,
    /// Run teams of agents.
    #[serde(rename = "daemon.teams")]
    Teams,
    /// Everything, inside one organisation.
    #[serde(rename = "daemon.admin")]
    Admin,
}

impl Scope {
    /// All scopes, from narrow to wide.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Approve, Self::Teams, Self::Admin];

    /// The text in tokens and messages, for example `daemon.read`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "daemon.read",
            Self::Write => "daemon.write",
            Self::Approve => "daemon.approve",
            Self::Teams => "daemon.teams",
            Self::Admin => "daemon.admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of `daemon.read`, `daemon.write`, `daemon.approve`, `daemon.teams`, `daemon.admin`")]
pub struct InvalidScope;

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(InvalidScope)
    }
}

/// A set of scopes, kept as it was granted: `daemon.write` allows reading but prints as itself.
///
/// As text the scopes are separated by spaces (a token's `scope` claim), in JSON they are a list. The empty set
/// allows nothing.
///
/// ```
/// use orchestrator_rpc::{Scope, Scopes};
/// let credential: Scopes = "daemon.write daemon.approve".parse()?;
/// assert!(credential.allows(Scope::Read) && !credential.allows(Scope::Admin));
/// assert_eq!(credential.intersection(Scopes::from([Scope::Read, Scope::Teams])).to_string(), "daemon.read");
/// # Ok::<_, orchestrator_rpc::InvalidScope>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Allows nothing.
    pub const NONE: Self = Self(0);
    /// Allows everything.
    pub const ADMIN: Self = Self(Scope::Admin.bit());

    /// Whether an operation of this scope may be called.
    pub const fn allows(self, scope: Scope) -> bool {
        let enough = match scope {
            Scope::Read => Scope::Read.bit() | Scope::Write.bit() | Scope::Admin.bit(),
            other => other.bit() | Scope::Admin.bit(),
        };
        self.0 & enough != 0
    }

    /// What is left when the holder of `self` asks for `requested`: those of the requested scopes that `self`
    /// allows, so a request can only narrow.
    pub fn intersection(self, requested: Self) -> Self {
        requested.iter().filter(|&scope| self.allows(scope)).collect()
    }

    /// Whether nothing is allowed.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes as granted, from narrow to wide.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl<const N: usize> From<[Scope; N]> for Scopes {
    fn from(scopes: [Scope; N]) -> Self {
        scopes.into_iter().collect()
    }
}

impl From<Scope> for Scopes {
    fn from(scope: Scope) -> Self {
        Self(scope.bit())
    }
}

impl FromStr for Scopes {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        text.split_ascii_whitespace().map(str::parse).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{scope}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Scope>::deserialize(deserializer).map(|scopes| scopes.into_iter().collect())
    }
}

impl JsonSchema for Scopes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scopes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <Vec<Scope>>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn allowed(granted: &str, expected: &str) {
        let granted: Scopes = granted.parse().unwrap();
        let allowed: Scopes = Scope::ALL.into_iter().filter(|&scope| granted.allows(scope)).collect();
        assert_eq!(allowed.to_string(), expected);
    }

    #[test]
    fn write_implies_read_and_admin_implies_all() {
        allowed("", "");
        allowed("daemon.read", "daemon.read");
        allowed("daemon.write", "daemon.read daemon.write");
        allowed("daemon.teams daemon.approve", "daemon.approve daemon.teams");
        allowed("daemon.admin", "daemon.read daemon.write daemon.approve daemon.teams daemon.admin");
    }

    #[test]
    fn a_request_narrows_and_never_widens() {
        let write: Scopes = Scope::Write.into();
        assert_eq!(write.intersection(Scopes::ADMIN), Scopes::NONE);
        assert_eq!(Scopes::ADMIN.intersection(write), write);
        assert_eq!(write.intersection(Scope::Read.into()), Scope::Read.into());
        assert_eq!(Scopes::NONE.intersection(write), Scopes::NONE);
    }

    #[test]
    fn unknown_words_are_refused() {
        for text in ["daemon", "daemon.reads", "read", "daemon.read,daemon.write"] {
            assert_eq!(text.parse::<Scopes>(), Err(InvalidScope), "{text}");
        }
    }
}
