use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name, in bytes: what every provider of models takes.
const LENGTH_MAX: usize = 64;

/// What a tool is called: parts of letters, digits, `_` and `-`, with dots between them, such as `fs.read`; up to 64 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ToolName(Box<str>);

/// The text is no name of a tool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}`: expected a name such as `fs.read`: letters, digits, `_`, `-` and dots between them, up to {LENGTH_MAX} bytes"
)]
pub struct InvalidName(String);

impl ToolName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As models call it: they know no dots, so each is a `_`. Two tools of one registry never share it.
    pub fn model_name(&self) -> String {
        self.0.replace('.', "_")
    }
}

impl FromStr for ToolName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_part = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        let fits = text.len() <= LENGTH_MAX && text.split('.').all(is_part);
        fits.then(|| Self(text.into())).ok_or_else(|| InvalidName(text.chars().take(LENGTH_MAX).collect()))
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ToolName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ToolName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_parts_with_dots_between() {
        for name in ["fs.read", "echo", "mcp.everything.get-Sum_2"] {
            assert_eq!(name.parse::<ToolName>().unwrap().as_str(), name);
        }
        for text in ["", ".", "fs.", ".read", "fs..read", "fs read", "fs/read", "é", &"x".repeat(65)] {
            assert!(text.parse::<ToolName>().is_err(), "{text}");
        }
        assert_eq!("mcp.a.b_c".parse::<ToolName>().unwrap().model_name(), "mcp_a_b_c");
    }
}
