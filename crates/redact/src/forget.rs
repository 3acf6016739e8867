//! What is to be forgotten in what was written, and what is left in its place.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::spoken::words;

/// What stands where something was forgotten.
pub const ERASED: &str = "[erased]";
/// Begins the name of a person who did something; what follows is theirs.
const PERSON: &str = "user:";
/// Begins the name of another one who did something; nothing of it is anybody's.
const OTHERS: [&str; 2] = ["agent:", "system:"];
/// From so many hexadecimal digits on, they are a digest or an id.
const HEX_MIN: usize = 32;

/// Which texts are to be forgotten: those that have a name in them, or all.
///
/// A text that is concerned goes as a whole, because a sentence about a person is theirs also without the name.
///
/// ```
/// use orchestrator_redact::{Forget, Shape};
/// use serde_json::json;
///
/// let ada = Forget::naming("Ada Lovelace").unwrap();
/// let call = json!({ "id": "call_1", "arguments": { "to": "ada.lovelace@example.org", "copies": 2 } });
/// let (left, texts) = ada.rewrite(&call, &Shape::FREE).unwrap();
/// assert_eq!((left["arguments"]["to"].as_str(), texts), (Some("[erased]"), 1));
/// assert!(ada.rewrite(&json!("Ada is a language"), &Shape::FREE).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forget {
    /// The words of the name in a row; of none every text is concerned.
    name: Vec<String>,
    counts_only: bool,
}

/// How a stored thing is built: what of it is no text of anybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Fields that hold names the program itself goes by: kinds, states, names of tools and agents.
    pub kept: &'static [&'static str],
    /// Fields below which anything may stand: there nothing is kept by its field, and the names of fields are texts too.
    pub free: &'static [&'static str],
}

impl Shape {
    /// Anything may stand anywhere.
    pub const FREE: Self = Self { kept: &[], free: &[""] };
}

/// What came of forgetting in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Texts that are gone, or would be.
    pub erased: u64,
    /// Texts that are still there, because what they belong to is going on.
    pub held: u64,
}

impl std::ops::AddAssign for Forgotten {
    fn add_assign(&mut self, more: Self) {
        self.erased += more.erased;
        self.held += more.held;
    }
}

/// The way to a text in a JSON value.
type Path = Vec<Step>;

#[derive(Debug, Clone)]
enum Step {
    Field(String),
    Item(usize),
}

impl Forget {
    /// Texts with this name in them, as whole words next to each other, in any case. `None` if there is no word in it.
    pub fn naming(name: &str) -> Option<Self> {
        let name = words(name);
        (!name.is_empty()).then_some(Self { name, counts_only: false })
    }

    /// Every text.
    pub fn everything() -> Self {
        Self { name: Vec::new(), counts_only: false }
    }

    /// The same, to be counted and left as it is.
    #[must_use]
    pub fn counting(self) -> Self {
        Self { counts_only: true, ..self }
    }

    /// Whether anything is to be changed.
    pub fn changes(&self) -> bool {
        !self.counts_only
    }

    /// Whether a text is to go. What stands for something forgotten, and names without which nothing is found again (ids,
    /// digests, times), are none.
    pub fn concerns(&self, text: &str) -> bool {
        if self.name.is_empty() { is_text(text) } else { self.is_named_in(text) }
    }

    fn is_named_in(&self, text: &str) -> bool {
        words(text).windows(self.name.len()).any(|window| window == self.name)
    }

    /// What is left of a text, if it is to go.
    pub fn left_of(&self, text: &str) -> Option<String> {
        self.concerns(text).then(|| instead_of(text))
    }

    /// How many texts of it [`rewrite`](Self::rewrite) would take.
    pub fn count<T: Serialize + DeserializeOwned>(&self, thing: &T, shape: &Shape) -> u64 {
        self.rewrite(thing, shape).map_or(0, |(_, texts)| texts)
    }

    /// The same without the texts that are to go, and how many they are; `None` if there are none. What cannot be another
    /// text without being another thing (a state, an agent) stays.
    pub fn rewrite<T: Serialize + DeserializeOwned>(&self, thing: &T, shape: &Shape) -> Option<(T, u64)> {
        let whole = serde_json::to_value(thing).ok()?;
        let paths = self.find(&whole, shape);
        let mut left = whole.clone();
        paths.iter().for_each(|path| erase(&mut left, path));
        // The names of fields are changed last: they are on the way to what is in them.
        let gone = paths.len() as u64 + self.rename(&mut left, shape, shape.is_free(""));
        if gone == 0 {
            return None;
        }
        match serde_json::from_value(left) {
            Ok(left) => Some((left, gone)),
            Err(_) => self.rewrite_what_may_change(whole, &paths, shape),
        }
    }

    /// One text after the other, for there is one that is what the thing is known by.
    fn rewrite_what_may_change<T: DeserializeOwned>(
        &self,
        whole: Value,
        paths: &[Path],
        shape: &Shape,
    ) -> Option<(T, u64)> {
        let (mut left, mut gone) = (whole, 0);
        for path in paths {
            let mut without = left.clone();
            erase(&mut without, path);
            if serde_json::from_value::<T>(without.clone()).is_ok() {
                (left, gone) = (without, gone + 1);
            }
        }
        let mut renamed = left.clone();
        let names = self.rename(&mut renamed, shape, shape.is_free(""));
        let (left, names) = match serde_json::from_value(renamed) {
            Ok(renamed) => (renamed, names),
            Err(_) => (serde_json::from_value(left).ok()?, 0),
        };
        (gone + names > 0).then_some((left, gone + names))
    }

    fn find(&self, value: &Value, shape: &Shape) -> Vec<Path> {
        let mut found = Vec::new();
        self.look(value, shape, shape.is_free(""), &mut Vec::new(), &mut found);
        found
    }

    fn look(&self, value: &Value, shape: &Shape, is_free: bool, way: &mut Path, found: &mut Vec<Path>) {
        match value {
            Value::String(text) if self.concerns(text) => found.push(way.clone()),
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    way.push(Step::Item(place));
                    self.look(item, shape, is_free, way, found);
                    way.pop();
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    if !is_free && shape.kept.contains(&name.as_str()) {
                        continue;
                    }
                    way.push(Step::Field(name.clone()));
                    self.look(field, shape, is_free || shape.is_free(name), way, found);
                    way.pop();
                }
            }
            _ => {}
        }
    }

    /// Names of fields that somebody else than the program gave, where the name to be forgotten is in one.
    fn rename(&self, value: &mut Value, shape: &Shape, is_free: bool) -> u64 {
        let mut renamed = 0;
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| renamed += self.rename(item, shape, is_free)),
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    renamed += self.rename(field, shape, is_free || shape.is_free(name));
                }
                if is_free && !self.name.is_empty() && fields.keys().any(|name| self.is_named_in(name)) {
                    let mut nth = 0;
                    let all = std::mem::take(fields).into_iter().map(|(name, field)| {
                        if !self.is_named_in(&name) {
                            return (name, field);
                        }
                        nth += 1;
                        (if nth == 1 { ERASED.to_owned() } else { format!("{ERASED} {nth}") }, field)
                    });
                    *fields = all.collect();
                    renamed += nth;
                }
            }
            _ => {}
        }
        renamed
    }
}

impl Shape {
    fn is_free(&self, field: &str) -> bool {
        self.free.contains(&field)
    }
}

fn erase(value: &mut Value, path: &Path) {
    let mut place = Some(value);
    for step in path {
        place = place.and_then(|value| match step {
            Step::Field(name) => value.get_mut(name),
            Step::Item(number) => value.get_mut(number),
        });
    }
    if let Some(Value::String(text)) = place {
        *text = instead_of(text);
    }
}

/// Whoever did something stays somebody.
fn instead_of(text: &str) -> String {
    if text.starts_with(PERSON) { format!("{PERSON}{ERASED}") } else { ERASED.to_owned() }
}

fn is_text(text: &str) -> bool {
    let is_left_over = text.strip_prefix(PERSON).unwrap_or(text) == ERASED;
    !(text.trim().is_empty() || is_left_over || is_id(text) || is_of_others(text) || is_time(text))
}

/// `task_018f…`, `sha256:…`, a plain digest.
fn is_id(text: &str) -> bool {
    let (kind, digits) = text.rsplit_once(['_', ':']).unwrap_or(("", text));
    let is_kind = kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    is_kind && digits.len() >= HEX_MIN && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_of_others(text: &str) -> bool {
    let name = OTHERS.iter().find_map(|begins| text.strip_prefix(begins));
    name.is_some_and(|name| !name.is_empty() && !name.contains(char::is_whitespace))
}

/// `2026-11-29T19:32:30Z`: as it is written everywhere.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20
        && bytes[10] == b'T'
        && bytes.ends_with(b"Z")
        && bytes.iter().all(|byte| byte.is_ascii_digit() || b"-:.TZ".contains(byte))
}

#[cfg(test)]
mod tests;
