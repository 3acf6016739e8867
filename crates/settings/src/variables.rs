use crate::environment::Entry;
use crate::tree::{Form, Node, Value, looks_secret};
use crate::{Environment, Error, Source};

/// An environment variable with a name of its own, and the key it sets.
#[derive(Debug, Clone)]
pub struct Variable {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
}

/// What the text of a variable is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Any text.
    Text,
    /// Any text that must not be shown; may also come as `NAME_FILE`.
    Secret,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// `true`, `1`, `yes`, `on`, or `false`, `0`, `no`, `off`.
    Bool,
    /// A time span, given as milliseconds or with a unit (`500ms`, `30s`, `5m`, `24h`, `7d`); the key gets milliseconds.
    DurationMs,
    /// Texts separated by commas; blanks around them are dropped.
    List,
}

impl Variable {
    /// `Variable::new("DAEMON_PORT", "daemon.port", Kind::Integer)`.
    #[must_use]
    pub const fn new(name: &'static str, key: &'static str, kind: Kind) -> Self {
        Self { name, key, kind }
    }
}

/// Everything the environment sets, as a tree.
pub(crate) fn layer(environment: &Environment, variables: &[Variable], prefix: &str) -> Result<Node, Error> {
    let mut root = Node::table(Source::Environment("ORCHESTRATOR".to_owned()));
    for variable in variables {
        if let Some(entry) = environment.entry(variable.name) {
            root.insert(variable.key, node(variable, entry)?)?;
        }
        if variable.kind == Kind::Secret
            && let Some(entry) = environment.entry(&format!("{}_FILE", variable.name))
        {
            secret_path(&mut root, variable, entry)?;
        }
    }
    for (name, entry) in environment.with_prefix(prefix) {
        let key = generic_key(&name[prefix.len()..]).ok_or_else(|| Error::Syntax {
            place: entry.source.clone(),
            message: format!("expected {prefix}SECTION__KEY in capital letters, digits and `_`"),
        })?;
        let form = if looks_secret(&key) { Form::Hidden } else { Form::Flexible };
        let value = Value::Text(text(entry, &key)?.to_owned());
        root.insert(&key, Node::new(entry.source.clone(), form, value))?;
    }
    Ok(root)
}

/// Puts `NAME_FILE` beside where `NAME` goes; the file is read when the layer is complete.
fn secret_path(root: &mut Node, variable: &Variable, entry: &Entry) -> Result<(), Error> {
    let path = Value::Text(text(entry, variable.key)?.to_owned());
    let node = Node::new(entry.source.clone(), Form::Flexible, path);
    match root.get(variable.key).map(|there| &there.source) {
        // Of the two the real environment wins over the `.env` file.
        Some(Source::Environment(_)) if matches!(entry.source, Source::EnvironmentFile { .. }) => return Ok(()),
        Some(Source::EnvironmentFile { .. }) if matches!(entry.source, Source::Environment(_)) => {
            root.remove(variable.key);
        }
        _ => {}
    }
    root.insert(&format!("{}File", variable.key), node)
}

fn text<'a>(entry: &'a Entry, key: &str) -> Result<&'a str, Error> {
    entry.text.as_deref().ok_or_else(|| Error::Invalid {
        place: entry.source.clone(),
        key: key.to_owned(),
        message: "is not valid UTF-8".to_owned(),
    })
}

fn node(variable: &Variable, entry: &Entry) -> Result<Node, Error> {
    let text = text(entry, variable.key)?;
    let (value, expected) = match variable.kind {
        Kind::Text | Kind::Secret => (Some(Value::Text(text.to_owned())), ""),
        Kind::Integer => (text.trim().parse().ok().map(Value::Integer), "a whole number"),
        Kind::Float => (text.trim().parse().ok().map(Value::Float), "a number"),
        Kind::Bool => (parse_bool(text).map(Value::Bool), "true or false"),
        Kind::DurationMs => (milliseconds(text).map(Value::Integer), "milliseconds, or a number with ms, s, m, h or d"),
        Kind::List => (Some(list(text, &entry.source)), ""),
    };
    let value = value.ok_or_else(|| Error::Invalid {
        place: entry.source.clone(),
        key: variable.key.to_owned(),
        message: format!("is {text:?}, expected {expected}"),
    })?;
    let form = if variable.kind == Kind::Secret { Form::Hidden } else { Form::Flexible };
    Ok(Node::new(entry.source.clone(), form, value))
}

fn list(text: &str, source: &Source) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::List(items.map(|item| Node::new(source.clone(), Form::Flexible, Value::Text(item.to_owned()))).collect())
}

pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn milliseconds(text: &str) -> Option<i128> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let factor = match text[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    i128::from(text[..digits].parse::<u64>().ok()?).checked_mul(factor)
}

/// `RATE_LIMIT__CALLS_PER_CREDENTIAL` as `rateLimit.callsPerCredential`.
fn generic_key(name: &str) -> Option<String> {
    let segments: Option<Vec<String>> = name.split("__").map(camel_case).collect();
    segments.map(|segments| segments.join("."))
}

fn camel_case(segment: &str) -> Option<String> {
    let mut words = segment.split('_');
    let mut name = words.next().filter(|word| !word.is_empty())?.to_ascii_lowercase();
    for word in words {
        name.push_str(word.get(..1)?);
        name.push_str(&word[1..].to_ascii_lowercase());
    }
    let capitals =
        segment.bytes().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == b'_');
    capitals.then_some(name)
}
