use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::file::place;
use crate::source::Lines;
use crate::tree::{Form, Node, Table, Value};
use crate::{Error, Position};

/// serde_json reports positions of faults only, so values are found by where their raw text lies in the file.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Node, Error> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
        let at = Position { line: error.line().max(1), column: error.column().max(1) };
        Error::Syntax { place: place(path, Some(at)), message: message(&error) }
    })?;
    let root: &RawValue = serde_json::from_str(text)
        .map_err(|error| Error::Syntax { place: place(path, None), message: message(&error) })?;
    Reader { text, lines: Lines::new(text), path }.node(root, 0)
}

/// The message without the position: of a part of the file it would be wrong, of the whole we print it ourselves.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].to_owned()
}

struct Reader<'a> {
    text: &'a str,
    lines: Lines,
    path: &'a Path,
}

impl<'a> Reader<'a> {
    fn position(&self, part: &str) -> Position {
        self.lines.position((part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize))
    }

    fn node(&self, raw: &'a RawValue, depth: usize) -> Result<Node, Error> {
        let raw = raw.get();
        let source = place(self.path, Some(self.position(raw)));
        let fault = |message: String| Error::Syntax { place: source.clone(), message };
        if depth > super::DEPTH_MAX {
            return Err(fault("nested too deeply".to_owned()));
        }
        let bad = |error: serde_json::Error| fault(message(&error));
        let value = match raw.as_bytes().first() {
            Some(b'{') => self.table(serde_json::from_str(raw).map_err(bad)?, depth)?,
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(bad)?;
                Value::List(items.into_iter().map(|item| self.node(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            _ => scalar(serde_json::from_str(raw).map_err(bad)?).map_err(fault)?,
        };
        Ok(Node::new(source, Form::Literal, value))
    }

    fn table(&self, entries: Entries<'a>, depth: usize) -> Result<Value, Error> {
        let mut table = Table::new();
        for (key, raw) in entries.0 {
            let mut node = self.node(raw, depth + 1)?;
            node.key = Some(self.position(raw.get()));
            let place = node.source.clone();
            if table.insert(key.clone(), node).is_some() {
                return Err(Error::Syntax { place, message: format!("`{key}` is written twice") });
            }
        }
        Ok(Value::Table(table))
    }
}

fn scalar(value: serde_json::Value) -> Result<Value, String> {
    Ok(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Number(number) => match (number.as_i128(), number.as_f64()) {
            (Some(whole), _) => Value::Integer(whole),
            (None, Some(float)) => Value::Float(float),
            (None, None) => return Err("this number is too large".to_owned()),
        },
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => return Err("expected a plain value".to_owned()),
    })
}

struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = access.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}
