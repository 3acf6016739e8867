use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::file::place;
use crate::tree::{Form, Node, Table, Value};
use crate::{Error, Position};

pub(crate) fn parse(text: &str, path: &Path) -> Result<Node, Error> {
    // Aliases and anchors are bounded by the parser's own budget; depth is ours.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: super::DEPTH_MAX },
        strict_booleans: true,
        // Refused below, in our own words.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
    };
    let document: Spanned<Yaml> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let at = error.location().and_then(position);
        Error::Syntax { place: place(path, at), message: message(&error) }
    })?;
    node(document, path)
}

/// The parser's message on one line, without the position that we print ourselves.
fn message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or("not YAML");
    let end = first.rfind(" at line ").unwrap_or(first.len());
    let start = if first.starts_with("error: line ") { first.rfind("error: ").unwrap_or(0) } else { 0 };
    first[start.min(end)..end].trim_end_matches(':').to_owned()
}

fn position(location: Location) -> Option<Position> {
    let (line, column) = (usize::try_from(location.line()).ok()?, usize::try_from(location.column()).ok()?);
    (line > 0).then_some(Position { line, column })
}

fn node(yaml: Spanned<Yaml>, path: &Path) -> Result<Node, Error> {
    let value = match yaml.value {
        Yaml::Scalar(value) => value,
        Yaml::List(items) => Value::List(items.into_iter().map(|item| node(item, path)).collect::<Result<_, _>>()?),
        Yaml::Table(entries) => {
            let mut table = Table::new();
            for (key, value) in entries {
                let mut child = node(value, path)?;
                child.key = position(key.referenced);
                if table.contains_key(&key.value) {
                    let message = format!("`{}` is written twice", key.value);
                    return Err(Error::Syntax { place: place(path, child.key), message });
                }
                table.insert(key.value, child);
            }
            Value::Table(table)
        }
    };
    Ok(Node::new(place(path, position(yaml.referenced)), Form::Literal, value))
}

enum Yaml {
    Scalar(Value),
    List(Vec<Spanned<Yaml>>),
    Table(Vec<(Spanned<String>, Spanned<Yaml>)>),
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Value::Null))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Yaml, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        Yaml::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Value::Integer(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Value::Integer(value.into())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Value::Integer(value)))
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Yaml, E> {
        let value = i128::try_from(value).map_err(|_| E::custom("this number is too large"))?;
        Ok(Yaml::Scalar(Value::Integer(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Yaml, E> {
        Ok(Yaml::Scalar(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Yaml, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Yaml::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Yaml, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Yaml::Table(entries))
    }
}
