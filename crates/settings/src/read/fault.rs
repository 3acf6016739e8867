use std::fmt;

use serde::de::{Expected, Unexpected};

use crate::merge::Origins;
use crate::{Error, Source, Variable};

/// A complaint on its way up from the value to the root, gathering the key as it goes.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) problem: Problem,
    /// From the inside out.
    path: Vec<String>,
    /// Whether some value was found responsible, and the number of its origin.
    blamed: Option<Option<usize>>,
    about_key: bool,
    /// Whether the responsible value is a whole section.
    pub(crate) about_section: bool,
}

#[derive(Debug)]
pub(crate) enum Problem {
    UnknownKey { known: Vec<String> },
    Missing(String),
    Mismatch { found: String, found_kind: &'static str, expected: String },
    UnknownName { found: String, known: Vec<String> },
    Other(String),
}

impl Fault {
    fn new(problem: Problem) -> Self {
        Self { problem, path: Vec::new(), blamed: None, about_key: false, about_section: false }
    }

    pub(super) fn within(mut self, name: String) -> Self {
        self.path.push(name);
        self
    }

    pub(super) fn at(mut self, number: Option<usize>) -> Self {
        self.blamed.get_or_insert(number);
        self
    }

    pub(super) fn at_value(mut self, number: Option<usize>, section: bool) -> Self {
        if self.blamed.is_none() {
            (self.blamed, self.about_section) = (Some(number), section);
        }
        self
    }

    pub(super) fn of_key(mut self) -> Self {
        self.about_key = true;
        self
    }

    fn key(&self) -> String {
        self.path.iter().rev().fold(String::new(), |path, name| match path.is_empty() || name.starts_with('[') {
            true => path + name,
            false => format!("{path}.{name}"),
        })
    }

    /// The complaint as the operator reads it.
    pub(crate) fn into_error(self, origins: &Origins, variables: &[Variable]) -> Error {
        let key = self.key();
        let origin = self.blamed.flatten().and_then(|number| origins.get(number));
        let mut place = origin.map_or(Source::Default, |origin| origin.source.clone());
        if let (true, Source::File { position, .. }, Some(key)) =
            (self.about_key, &mut place, origin.and_then(|origin| origin.key))
        {
            *position = Some(key);
        }
        let secret = origin.is_some_and(|origin| origin.secret);
        let message = match self.problem {
            Problem::UnknownKey { known } => {
                let name = self.path.first().map_or("", String::as_str);
                return Error::UnknownKey { place, hint: known_keys(name, &known), key };
            }
            Problem::Missing(name) => {
                let key = crate::tree::join(&key, &name);
                return Error::Missing { hint: hint(&key, variables), key };
            }
            Problem::Mismatch { found_kind, expected, .. } if secret => {
                format!("is {found_kind}, expected {expected}")
            }
            Problem::Mismatch { found, expected, .. } => format!("is {found}, expected {expected}"),
            Problem::UnknownName { known, .. } if secret => format!("must be one of {}", known.join(", ")),
            Problem::UnknownName { found, known } => match nearest(&found, &known) {
                Some(near) => format!("is {found:?}, did you mean {near:?}? known: {}", known.join(", ")),
                None => format!("is {found:?}, expected one of {}", known.join(", ")),
            },
            Problem::Other(_) if secret => "is not acceptable".to_owned(),
            Problem::Other(message) => format!("is not acceptable: {message}"),
        };
        Error::Invalid { place, key, message }
    }
}

fn hint(key: &str, variables: &[Variable]) -> String {
    match variables.iter().find(|variable| variable.key == key) {
        Some(variable) => format!(": set it in the configuration file or as {}", variable.name),
        None => ": set it in the configuration file".to_owned(),
    }
}

fn known_keys(name: &str, known: &[String]) -> String {
    match (nearest(name, known), known) {
        (Some(near), _) => format!(", did you mean `{near}`?"),
        (None, []) => ", no keys are known here".to_owned(),
        (None, known) => format!(", known here: {}", known.join(", ")),
    }
}

/// The known name the writer most probably meant.
fn nearest(name: &str, known: &[String]) -> Option<String> {
    let folded = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let wanted = folded(name);
    let distances = known.iter().map(|candidate| (distance(&wanted, &folded(candidate)), candidate));
    let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2 && distance * 2 <= wanted.len()).then(|| candidate.clone())
}

/// Letters to insert, remove or replace; more than a name's length is "far" and not computed.
fn distance(from: &str, to: &str) -> usize {
    const LETTERS_MAX: usize = 64;
    if from.len() > LETTERS_MAX || to.len() > LETTERS_MAX {
        return LETTERS_MAX;
    }
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, a) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.problem)
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Problem::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (found_kind, found) = describe(found);
        Self::new(Problem::Mismatch { found, found_kind, expected: in_plain_words(&expected.to_string()) })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownName { found: found.to_owned(), known: owned(known) })
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownKey { known: owned(known) })
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(Problem::Missing(name.to_owned()))
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn describe(found: Unexpected<'_>) -> (&'static str, String) {
    match found {
        Unexpected::Bool(value) => ("true or false", value.to_string()),
        Unexpected::Unsigned(value) => ("a number", value.to_string()),
        Unexpected::Signed(value) => ("a number", value.to_string()),
        Unexpected::Float(value) => ("a number", value.to_string()),
        Unexpected::Str(text) => ("another text", format!("{text:?}")),
        Unexpected::Unit | Unexpected::Option => ("empty", "empty".to_owned()),
        Unexpected::Seq => ("a list", "a list".to_owned()),
        Unexpected::Map => ("a section", "a section".to_owned()),
        other => ("something else", other.to_string()),
    }
}

/// Operators do not write Rust.
fn in_plain_words(expected: &str) -> String {
    let range = |from: i128, to: u128| format!("a whole number from {from} to {to}");
    match expected {
        "u8" => range(0, u8::MAX.into()),
        "u16" => range(0, u16::MAX.into()),
        "u32" => range(0, u32::MAX.into()),
        "u64" | "u128" | "usize" => "a whole number from 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "text (in quotes, if it looks like something else)".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a section with keys".to_owned(),
        other if other.starts_with("struct ") => "a section with keys".to_owned(),
        other if other.starts_with("a nonzero ") => format!("{} other than 0", in_plain_words(&other[10..])),
        other => other.to_owned(),
    }
}
