//! `allowed-tools`: words in a row, with commas or without, or a list; and texts that may be written as lists.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::AllowedTool;

/// The most words.
const WORDS_MAX: usize = 256;

/// The tools that are named. An empty text names none, which is something else than saying nothing.
#[derive(Debug, Clone)]
pub(crate) struct Tools(pub(crate) Option<Vec<AllowedTool>>);

impl<'de> Deserialize<'de> for Tools {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Texts(texts) = Texts::deserialize(deserializer)?;
        let Some(texts) = texts else { return Ok(Self(None)) };
        let mut tools = Vec::new();
        for word in texts.iter().flat_map(|text| words(text)) {
            tools.push(tool(&word).map_err(D::Error::custom)?);
        }
        match tools.len() > WORDS_MAX {
            true => Err(D::Error::custom(format!("expected at most {WORDS_MAX} tools"))),
            false => Ok(Self(Some(tools))),
        }
    }
}

/// A text, or what YAML makes a list of: `[file] [format]` is written without quotes by most.
#[derive(Debug, Clone)]
pub(crate) struct Hint(pub(crate) Option<String>);

impl<'de> Deserialize<'de> for Hint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor).map(|(texts, is_list)| {
            Self(texts.map(|texts| match is_list {
                true => texts.iter().map(|text| format!("[{text}]")).collect::<Vec<_>>().join(" "),
                false => texts.concat(),
            }))
        })
    }
}

struct Texts(Option<Vec<String>>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor).map(|(texts, _)| Self(texts))
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = (Option<Vec<String>>, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok((Some(vec![text.to_owned()]), false))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok((None, false))
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok((None, false))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = access.next_element()? {
            texts.push(text);
        }
        Ok((Some(texts), true))
    }
}

/// At spaces and commas that are not within brackets.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut depth) = (Vec::new(), String::new(), 0_usize);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (c.is_whitespace() || c == ',') {
            words.push(std::mem::take(&mut word));
        } else {
            word.push(c);
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

fn tool(word: &str) -> Result<AllowedTool, String> {
    let is_name = |name: &str| {
        let is_known = |c: char| c.is_ascii_alphanumeric() || "._-*".contains(c);
        (1..=128).contains(&name.len()) && name.chars().all(is_known)
    };
    let (name, rule) = match word.split_once('(') {
        Some((name, rest)) => {
            (name, Some(rest.strip_suffix(')').ok_or_else(|| format!("`{word}`: no `)` at its end"))?))
        }
        None => (word, None),
    };
    match is_name(name) {
        true => Ok(AllowedTool { tool: name.to_owned(), rule: rule.map(|rule| rule.trim().to_owned()) }),
        false => Err(format!("`{word}`: expected the name of a tool, such as Read, fs.* or Bash(git log:*)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_apart_outside_of_brackets_only() {
        assert_eq!(words("Read, Bash(git log:*)  fs.*"), ["Read", "Bash(git log:*)", "fs.*"]);
        assert_eq!(words(" "), [""; 0]);
    }

    #[test]
    fn a_tool_has_a_name_and_perhaps_a_rule() {
        let bash = tool("Bash(git log:*)").unwrap();
        assert_eq!((bash.tool.as_str(), bash.rule.as_deref()), ("Bash", Some("git log:*")));
        assert_eq!(bash.to_string(), "Bash(git log:*)");
        assert!(tool("Bash(git").is_err() && tool("a/b").is_err());
    }
}
