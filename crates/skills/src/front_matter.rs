use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use crate::fault::Wrong;
use crate::words::{Hint, Tools};
use crate::{AllowedTool, SkillName};

/// Deeper than any field.
const DEPTH_MAX: usize = 16;
const DESCRIPTION_CHARS_MAX: usize = 1_024;
const COMPATIBILITY_CHARS_MAX: usize = 500;
const TEXT_CHARS_MAX: usize = 500;
const METADATA_MAX: usize = 64;

/// The keys that mean something here.
const KNOWN: [&str; 9] = [
    "name",
    "description",
    "license",
    "compatibility",
    "metadata",
    "allowed-tools",
    "user-invocable",
    "disable-model-invocation",
    "argument-hint",
];

/// What a file says, as it is written. What is not named here is tolerated.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Written {
    name: Option<Spanned<String>>,
    description: Option<Spanned<String>>,
    license: Option<Spanned<String>>,
    compatibility: Option<Spanned<String>>,
    metadata: Option<Spanned<BTreeMap<String, String>>>,
    allowed_tools: Option<Spanned<Tools>>,
    user_invocable: Option<bool>,
    disable_model_invocation: Option<bool>,
    argument_hint: Option<Spanned<Hint>>,
}

/// What a file says, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) description: String,
    pub(crate) license: Option<String>,
    pub(crate) compatibility: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) allowed_tools: Option<Vec<AllowedTool>>,
    pub(crate) user_invocable: bool,
    pub(crate) model_invocable: bool,
    pub(crate) argument_hint: Option<String>,
    pub(crate) other_keys: Vec<String>,
    pub(crate) body: String,
    /// The line of the file in which the body begins, from 1.
    pub(crate) body_line: u64,
}

/// Reads the text of a `SKILL.md` in a directory of this name.
///
/// # Errors
/// What is wrong first.
pub(crate) fn read(text: &str, directory: &SkillName) -> Result<Said, Wrong> {
    let (front, body) = split(text)?;
    let written: Written = parse(front)?;
    // Once more for the keys: a field that takes whatever is left would lose the places of the others.
    let keys: BTreeMap<String, IgnoredAny> = parse(front)?;
    let other_keys = keys.into_keys().filter(|key| !KNOWN.contains(&key.as_str())).map(shortened).collect();
    let before = text.len() - body.trim_start().len();
    let body_line = text[..before].bytes().filter(|byte| *byte == b'\n').count() as u64 + 1;
    Ok(Said { body_line, ..checked(written, directory, other_keys, body)? })
}

fn parse<T: for<'de> Deserialize<'de> + Default>(front: &str) -> Result<T, Wrong> {
    if front.trim().is_empty() {
        return Ok(T::default());
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX, max_aliases: 0, max_anchors: 0, max_documents: 1, max_nodes: 4_096,
        },
        strict_booleans: true,
    };
    Ok(serde_saphyr::from_str_with_options(front, options)?)
}

/// The YAML between the lines `---`, and what follows.
fn split(text: &str) -> Result<(&str, &str), Wrong> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let expected = || Wrong::first_line("expected `---` in the first line, YAML, and another line `---`");
    let after = text.strip_prefix("---").ok_or_else(expected)?;
    let after = after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n')).ok_or_else(expected)?;
    let mut at = 0;
    for line in after.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Ok((&after[..at], &after[at + line.len()..]));
        }
        at += line.len();
    }
    Err(expected())
}

fn checked(written: Written, directory: &SkillName, other_keys: Vec<String>, body: &str) -> Result<Said, Wrong> {
    let missing = |key: &str| Wrong::first_line(format!("`{key}` is missing"));
    let name = written.name.ok_or_else(|| missing("name"))?;
    match name.value.parse::<SkillName>() {
        Err(error) => return Err(Wrong::at(name.referenced, format!("name: {error}"))),
        Ok(named) if named != *directory => {
            let problem = format!("name: expected `{directory}`, which is the name of its directory");
            return Err(Wrong::at(name.referenced, problem));
        }
        Ok(_) => {}
    }
    let description = written.description.ok_or_else(|| missing("description"))?;
    let description = text("description", Some(description), DESCRIPTION_CHARS_MAX)?;
    Ok(Said {
        description: description.unwrap_or_default(),
        license: text("license", written.license, TEXT_CHARS_MAX)?,
        compatibility: text("compatibility", written.compatibility, COMPATIBILITY_CHARS_MAX)?,
        metadata: metadata(written.metadata)?,
        allowed_tools: written.allowed_tools.and_then(|tools| tools.value.0),
        user_invocable: written.user_invocable.unwrap_or(true),
        model_invocable: !written.disable_model_invocation.unwrap_or(false),
        argument_hint: hint(written.argument_hint)?,
        other_keys,
        body: body.trim().to_owned(),
        body_line: 1,
    })
}

fn text(key: &str, given: Option<Spanned<String>>, chars_max: usize) -> Result<Option<String>, Wrong> {
    let Some(Spanned { value, referenced, .. }) = given else { return Ok(None) };
    let value = value.trim();
    match (1..=chars_max).contains(&value.chars().count()) && !value.contains('\0') {
        true => Ok(Some(value.to_owned())),
        false => Err(Wrong::at(referenced, format!("{key}: expected 1 to {chars_max} characters"))),
    }
}

fn hint(given: Option<Spanned<Hint>>) -> Result<Option<String>, Wrong> {
    let Some(Spanned { value: Hint(Some(value)), referenced, .. }) = given else { return Ok(None) };
    match value.chars().count() <= TEXT_CHARS_MAX {
        true => Ok(Some(value).filter(|value| !value.is_empty())),
        false => Err(Wrong::at(referenced, format!("argument-hint: expected at most {TEXT_CHARS_MAX} characters"))),
    }
}

fn metadata(given: Option<Spanned<BTreeMap<String, String>>>) -> Result<BTreeMap<String, String>, Wrong> {
    let Some(Spanned { value, referenced, .. }) = given else { return Ok(BTreeMap::new()) };
    let is_long = |(key, value): (&String, &String)| key.chars().count() > 100 || value.chars().count() > 1_024;
    match value.len() > METADATA_MAX || value.iter().any(is_long) {
        true => Err(Wrong::at(referenced, "metadata: expected at most 64 entries of at most 1024 characters")),
        false => Ok(value),
    }
}

fn shortened(key: String) -> String {
    if key.chars().count() > 100 { key.chars().take(100).collect() } else { key }
}

#[cfg(test)]
mod tests;
