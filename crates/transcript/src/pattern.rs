use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest pattern, in bytes.
const LENGTH_MAX: usize = 128;

/// Which tools are meant: `fs.read` that one, `fs.*` all whose names begin with `fs.`, `*` every one. Nothing else is a
/// pattern, so of two patterns one covers the other, or no tool fits both.
///
/// ```
/// use orchestrator_transcript::ToolPattern;
/// let files: ToolPattern = "fs.*".parse()?;
/// assert!(files.matches("fs.read") && !files.matches("fs") && !files.matches("fsx.read"));
/// # Ok::<(), orchestrator_transcript::InvalidPattern>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ToolPattern(Box<str>);

/// The text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}`: expected the name of a tool such as `fs.read`, all that begin alike such as `fs.*`, or `*`")]
pub struct InvalidPattern(String);

impl ToolPattern {
    /// Every tool.
    #[must_use]
    pub fn any() -> Self {
        Self("*".into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a tool of this name is meant. Names are compared letter by letter.
    pub fn matches(&self, tool: &str) -> bool {
        match self.beginning() {
            Some(beginning) => tool.len() > beginning.len() && tool.starts_with(beginning),
            None => *self.0 == *tool,
        }
    }

    /// Whether each tool that `other` means is meant too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self.beginning(), other.beginning()) {
            (Some(mine), Some(theirs)) => theirs.starts_with(mine),
            (Some(_), None) => self.matches(&other.0),
            (None, _) => self == other,
        }
    }

    /// What both mean: one of the two, or nothing.
    pub fn and<'a>(&'a self, other: &'a Self) -> Option<&'a Self> {
        match (self.covers(other), other.covers(self)) {
            (true, _) => Some(other),
            (_, true) => Some(self),
            _ => None,
        }
    }

    /// What the names begin with, unless one tool is meant.
    fn beginning(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }
}

impl FromStr for ToolPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let is_part = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        let name = text.strip_suffix(".*").unwrap_or(text);
        let fits = text.len() <= LENGTH_MAX && (text == "*" || name.split('.').all(is_part));
        fits.then(|| Self(text.into())).ok_or_else(|| InvalidPattern(text.chars().take(LENGTH_MAX).collect()))
    }
}

impl fmt::Display for ToolPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ToolPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ToolPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ToolPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ToolPattern {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ToolPattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let part = "[A-Za-z0-9_-]+";
        schemars::json_schema!({
            "type": "string", "maxLength": LENGTH_MAX, "pattern": format!(r"^(\*|{part}(\.{part})*(\.\*)?)$"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> ToolPattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_are_names_beginnings_or_everything() {
        for text in ["fs.read", "fs.*", "*", "Read", "mcp.git-hub.search_issues", "a"] {
            assert_eq!(pattern(text).as_str(), text);
        }
        for text in ["", ".", "fs.", ".*", "fs*", "f*.read", "fs..read", "fs.*.*", "**", "a b", "ä", &"x".repeat(129)]
        {
            assert!(text.parse::<ToolPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn of_two_patterns_the_narrower_is_what_both_mean() {
        let both = |one: &str, other: &str| pattern(one).and(&pattern(other)).map(ToString::to_string);
        assert_eq!(both("*", "fs.*").as_deref(), Some("fs.*"));
        assert_eq!(both("fs.*", "fs.read").as_deref(), Some("fs.read"));
        assert_eq!(both("fs.*", "fs.deep.*").as_deref(), Some("fs.deep.*"));
        assert_eq!(both("fs.*", "http.*"), None);
        assert_eq!(both("fs.read", "fs"), None);
        assert_eq!(both("fs.*", "fs"), None);
    }

    fn patterns() -> impl Strategy<Value = ToolPattern> {
        "(\\*|[ab](\\.[ab]){0,2}(\\.\\*)?)".prop_map(|text| pattern(&text))
    }

    proptest! {
        #[test]
        fn covering_says_the_same_as_matching(one in patterns(), other in patterns(), tool in "[ab](\\.[ab]){0,3}") {
            if one.covers(&other) && other.matches(&tool) {
                prop_assert!(one.matches(&tool));
            }
            let both = one.and(&other).is_some_and(|both| both.matches(&tool));
            prop_assert_eq!(both, one.matches(&tool) && other.matches(&tool));
        }
    }
}
