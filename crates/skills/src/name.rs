use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a skill, which is also that of its directory: 1 to 64 of `a-z`, `0-9` and `-`, without a hyphen at either end and
/// without two in a row.
///
/// ```
/// use orchestrator_skills::SkillName;
/// assert!("release-notes".parse::<SkillName>().is_ok());
/// assert!("-a".parse::<SkillName>().is_err() && "a--b".parse::<SkillName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SkillName(String);

/// The text is no name of a skill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 64 of a-z, 0-9 and `-`, without `-` at an end or twice in a row")]
pub struct InvalidName;

impl SkillName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SkillName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(is_known)
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--");
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
    }
}

impl fmt::Display for SkillName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SkillName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SkillName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "rpc")]
impl schemars::JsonSchema for SkillName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SkillName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$",
            "description": "The name of a skill.",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_what_the_pattern_says(text in "[-a-z0-9A-Z_.]{0,70}") {
            let words: Vec<&str> = text.split('-').collect();
            let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            let expected = text.len() <= 64 && words.iter().all(is_word);
            prop_assert_eq!(text.parse::<SkillName>().is_ok(), expected);
        }
    }
}
