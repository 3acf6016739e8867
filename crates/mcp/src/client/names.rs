use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use orchestrator_tools::ToolName;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The longest name of a server: 35 characters are left for those of its tools.
const SERVER_LENGTH_MAX: usize = 24;
/// The longest name of a tool, in the registry.
const LENGTH_MAX: usize = 64;
/// How many hexadecimal digits tell a name that had to be changed from others.
const MARK_DIGITS: usize = 8;
/// The longest pattern.
const FILTER_LENGTH_MAX: usize = 128;

/// What an operator calls a server: 1 to 24 of `a-z`, `0-9` and `-`, beginning with a letter. Without `_` and `.`, so that the
/// name of a tool, also as models know it, tells whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerName(Box<str>);

/// Some of a server's tools, as it calls them: `get_sum`, all that begin alike such as `get_*`, or `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filter(Box<str>);

/// The text is neither a name nor a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`: expected {expected}")]
pub struct InvalidFilter {
    text: String,
    expected: &'static str,
}

impl ServerName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What one of its tools is called in the registry: `mcp.SERVER.TOOL`. What a name of the registry cannot have is `_`; a name
    /// that was changed or cut ends in a mark made of what it was, so that it is the same each time and no other's.
    pub(super) fn tool(&self, remote: &str) -> Option<ToolName> {
        let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let room = LENGTH_MAX - "mcp..".len() - self.0.len();
        let fitting: String = remote.chars().map(|c| if is_fit(c) { c } else { '_' }).collect();
        let local = if fitting == remote && (1..=room).contains(&fitting.len()) {
            fitting
        } else {
            let kept: String = fitting.chars().take(room - MARK_DIGITS - 1).collect();
            format!("{kept}_{}", mark(remote))
        };
        format!("mcp.{self}.{local}").parse().ok()
    }
}

fn mark(remote: &str) -> String {
    Sha256::digest(remote).iter().take(MARK_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

impl Filter {
    /// Whether a tool of this name is meant.
    pub fn matches(&self, remote: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => remote.starts_with(beginning),
            None => *self.0 == *remote,
        }
    }

    pub(super) fn any() -> Self {
        Self("*".into())
    }
}

impl FromStr for ServerName {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=SERVER_LENGTH_MAX).contains(&text.len())
            && text.bytes().all(is_fit)
            && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
        fits.then(|| Self(text.into())).ok_or_else(|| InvalidFilter {
            text: text.chars().take(LENGTH_MAX).collect(),
            expected: "1 to 24 of a-z, 0-9 and `-`, beginning with a letter",
        })
    }
}

impl FromStr for Filter {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let name = text.strip_suffix('*').unwrap_or(text);
        let fits = !text.is_empty() && text.len() <= FILTER_LENGTH_MAX && !name.contains(['*', '\n', '\0']);
        fits.then(|| Self(text.into())).ok_or_else(|| InvalidFilter {
            text: text.chars().take(LENGTH_MAX).collect(),
            expected: "the name of a tool, all that begin alike such as `get_*`, or `*`",
        })
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(ServerName, Filter);

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(server: &str, remote: &str) -> String {
        server.parse::<ServerName>().unwrap().tool(remote).unwrap().to_string()
    }

    #[test]
    fn a_tool_is_named_after_its_server() {
        assert_eq!(tool("everything", "get-sum"), "mcp.everything.get-sum");
        assert_eq!(tool("a", "b_c"), "mcp.a.b_c");
    }

    #[test]
    fn names_that_do_not_fit_are_changed_the_same_way_each_time_and_stay_apart() {
        let (slash, dot) = (tool("git", "repos/list"), tool("git", "repos.list"));
        assert!(slash.starts_with("mcp.git.repos_list_") && dot.starts_with("mcp.git.repos_list_"), "{slash} {dot}");
        assert_ne!(slash, dot);
        assert_eq!(slash, tool("git", "repos/list"));
        let long = "x".repeat(200);
        let (one, other) =
            (tool("a-name-of-24-characters", &long), tool("a-name-of-24-characters", &format!("{long}y")));
        assert!(one.len() == 64 && other.len() == 64 && one != other, "{one} {other}");
        assert!(!tool("a", "größe\n").contains(['ö', '\n']));
        assert!(tool("a", "").starts_with("mcp.a."));
    }

    #[test]
    fn names_of_servers_have_no_underscores_and_dots() {
        for text in ["", "a_b", "a.b", "A", "1a", "-a", &"a".repeat(25)] {
            assert!(text.parse::<ServerName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_filter_is_a_name_or_a_beginning() {
        let matches = |filter: &str, tool: &str| filter.parse::<Filter>().unwrap().matches(tool);
        assert!(matches("*", "x") && matches("get_*", "get_x") && matches("repos/list", "repos/list"));
        assert!(!matches("get_*", "set_x") && !matches("get", "get_x"));
        for text in ["", "a*b", "**"] {
            assert!(text.parse::<Filter>().is_err(), "{text}");
        }
    }
}
