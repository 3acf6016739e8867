use std::collections::{BTreeMap, BTreeSet};

use config::{Config, ConfigError, Map, Value as Merged, ValueKind};

use crate::tree::{Form, Node, Table, Value, join, looks_secret, stands_for};
use crate::{Position, Source};

/// Where each value of a merged tree was written. `config` carries one text per value: the number of its entry here.
#[derive(Debug, Default)]
pub(crate) struct Origins(Vec<Origin>);

#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) source: Source,
    pub(crate) key: Option<Position>,
    pub(crate) form: Form,
    /// Never show the value in a message.
    pub(crate) secret: bool,
}

impl Origins {
    pub(crate) fn of(&self, value: &Merged) -> Option<&Origin> {
        self.get(number_of(value)?)
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Origin> {
        self.0.get(number)
    }

    /// Turns one layer into what `config` merges.
    fn lower(&mut self, node: &Node, path: &str, secrets: &[String]) -> Merged {
        let secret =
            node.form == Form::Hidden || looks_secret(path) || secrets.iter().any(|secret| stands_for(secret, path));
        let number = self.0.len().to_string();
        self.0.push(Origin { source: node.source.clone(), key: node.key, form: node.form, secret });
        let kind = match &node.value {
            Value::Null => ValueKind::Nil,
            Value::Bool(value) => ValueKind::Boolean(*value),
            Value::Integer(value) => ValueKind::I128(*value),
            Value::Float(value) => ValueKind::Float(*value),
            Value::Text(text) => ValueKind::String(text.clone()),
            Value::List(items) => ValueKind::Array(items.iter().map(|item| self.lower(item, path, secrets)).collect()),
            Value::Table(table) => ValueKind::Table(self.lower_table(table, path, secrets)),
        };
        Merged::new(Some(&number), kind)
    }

    fn lower_table(&mut self, table: &Table, path: &str, secrets: &[String]) -> Map<String, Merged> {
        let mut in_order: Vec<_> = table.iter().collect();
        in_order.sort_by_key(|(_, node)| node.key);
        let lowered = in_order.into_iter().map(|(name, node)| {
            let value = self.lower(node, &join(path, name), secrets);
            (name.clone(), value)
        });
        lowered.collect()
    }
}

/// The order in which values were written; merged tables have none.
pub(crate) fn number_of(value: &Merged) -> Option<usize> {
    value.origin()?.parse().ok()
}

/// Lays the layers over each other; the last one wins.
pub(crate) fn merge<'a>(
    layers: impl IntoIterator<Item = &'a Node>,
    secrets: &[String],
) -> Result<(Merged, Origins), ConfigError> {
    let mut origins = Origins::default();
    let mut builder = Config::builder();
    for layer in layers {
        let Value::Table(table) = &layer.value else { continue };
        builder = builder.add_source(Layer(origins.lower_table(table, "", secrets)));
    }
    Ok((builder.build()?.cache, origins))
}

/// One layer alone, with the places of its sections, which merging forgets.
pub(crate) fn alone(layer: &Node, secrets: &[String]) -> (Merged, Origins) {
    let mut origins = Origins::default();
    (origins.lower(layer, "", secrets), origins)
}

/// The dotted keys of values that must not be shown: those of secrets, and those that hold text which may be one.
pub(crate) fn hidden(value: &Merged, origins: &Origins, secrets: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_hidden(value, "", (origins, secrets), &mut found);
    found.extend(secrets.iter().cloned());
    found
}

fn collect_hidden(value: &Merged, path: &str, how: (&Origins, &[String]), found: &mut BTreeSet<String>) {
    match &value.kind {
        ValueKind::Table(table) => {
            table.iter().for_each(|(name, value)| collect_hidden(value, &join(path, name), how, found));
        }
        ValueKind::Array(items) => items.iter().for_each(|item| collect_hidden(item, path, how, found)),
        _ => {}
    }
    let (origins, secrets) = how;
    let is_named = secrets.iter().any(|secret| stands_for(secret, path));
    if is_named || origins.of(value).is_some_and(|origin| origin.form == Form::Hidden) {
        found.insert(path.to_owned());
    }
}

/// The source of every value that somebody set, by its dotted key.
pub(crate) fn sources(value: &Merged, origins: &Origins) -> BTreeMap<String, Source> {
    let mut found = BTreeMap::new();
    collect(value, "", origins, &mut found);
    found
}

fn collect(value: &Merged, path: &str, origins: &Origins, found: &mut BTreeMap<String, Source>) {
    if let ValueKind::Table(table) = &value.kind {
        table.iter().for_each(|(name, value)| collect(value, &join(path, name), origins, found));
    } else if let Some(origin) = origins.of(value) {
        found.insert(path.to_owned(), origin.source.clone());
    }
}

#[derive(Clone)]
struct Layer(Map<String, Merged>);

/// `config` asks for it; values may be secrets.
impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Layer")
    }
}

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Merged>, ConfigError> {
        Ok(self.0.clone())
    }
}
