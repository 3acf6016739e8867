//! What every layer is turned into before it is merged: a tree that remembers where each value was written.

use std::collections::BTreeMap;

use crate::{Error, Position, Source};

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) source: Source,
    /// Where the key is written, for complaints about the key itself.
    pub(crate) key: Option<Position>,
    pub(crate) form: Form,
    pub(crate) value: Value,
}

/// How exactly the text of a value must match the type it is read into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Written in a format that has types: the number `1` is not the text "1".
    Literal,
    /// From a variable or a flag, which are always text: read as whatever type is asked for.
    Flexible,
    /// Like `Flexible`, and perhaps a secret: never shown.
    Hidden,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Table(Table),
}

pub(crate) type Table = BTreeMap<String, Node>;

impl Node {
    pub(crate) fn new(source: Source, form: Form, value: Value) -> Self {
        Self { source, key: None, form, value }
    }

    pub(crate) fn table(source: Source) -> Self {
        Self::new(source, Form::Literal, Value::Table(Table::new()))
    }

    fn child(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(table) => table.get(name),
            _ => None,
        }
    }

    /// The value at a dotted path.
    pub(crate) fn get(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, name| node.child(name))
    }

    /// The dotted paths that the pattern stands for here: with the names that are there in the place of a `*`.
    pub(crate) fn spelled_out(&self, pattern: &str) -> Vec<String> {
        let Some((before, after)) = pattern.split_once(".*.") else { return vec![pattern.to_owned()] };
        let Some(Value::Table(table)) = self.get(before).map(|node| &node.value) else { return Vec::new() };
        table.keys().map(|name| format!("{before}.{name}.{after}")).collect()
    }

    /// Takes the value at a dotted path out of the tree.
    pub(crate) fn remove(&mut self, path: &str) -> Option<Self> {
        let (parent, name) = match path.rsplit_once('.') {
            Some((parent, name)) => (self.get_mut(parent)?, name),
            None => (self, path),
        };
        match &mut parent.value {
            Value::Table(table) => table.remove(name),
            _ => None,
        }
    }

    fn get_mut(&mut self, path: &str) -> Option<&mut Self> {
        path.split('.').try_fold(self, |node, name| match &mut node.value {
            Value::Table(table) => table.get_mut(name),
            _ => None,
        })
    }

    /// Puts a value at a dotted path. Two sources for one key are a conflict, except that
    /// the real environment wins over a `.env` file.
    pub(crate) fn insert(&mut self, path: &str, node: Self) -> Result<(), Error> {
        let mut place = self;
        for (depth, name) in path.split('.').enumerate() {
            if depth > 0 && !matches!(place.value, Value::Table(_)) {
                if !yields(&mut *place, &node, path)? {
                    return Ok(());
                }
                *place = Self::table(node.source.clone());
            }
            let Value::Table(table) = &mut place.value else {
                unreachable!("the root is a table, and the lines above make every other place one");
            };
            let last = path.split('.').count() == depth + 1;
            if last {
                if let Some(there) = table.get_mut(name)
                    && !yields(there, &node, path)?
                {
                    return Ok(());
                }
                table.insert(name.to_owned(), node);
                return Ok(());
            }
            place = table.entry(name.to_owned()).or_insert_with(|| Self::table(node.source.clone()));
        }
        Ok(())
    }

    /// Calls `each` with the dotted path of every value that is not a table, in no particular order.
    pub(crate) fn leaves<E>(&mut self, each: &mut impl FnMut(&str, &mut Self) -> Result<(), E>) -> Result<(), E> {
        self.leaves_below("", each)
    }

    fn leaves_below<E>(
        &mut self,
        path: &str,
        each: &mut impl FnMut(&str, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.value {
            Value::Table(table) => {
                for (name, node) in table {
                    node.leaves_below(&join(path, name), each)?;
                }
                Ok(())
            }
            Value::List(items) => items
                .iter_mut()
                .enumerate()
                .try_for_each(|(index, item)| item.leaves_below(&format!("{path}[{index}]"), each)),
            _ => each(path, self),
        }
    }
}

fn yields(there: &mut Node, new: &Node, path: &str) -> Result<bool, Error> {
    match (&there.source, &new.source) {
        (Source::EnvironmentFile { .. }, Source::Environment(_)) => Ok(true),
        (Source::Environment(_), Source::EnvironmentFile { .. }) => Ok(false),
        (first, second) => Err(Error::Conflict {
            first: Box::new(first.clone()),
            second: Box::new(second.clone()),
            key: path.to_owned(),
        }),
    }
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Whether a dotted path is one that the pattern stands for: a part `*` stands for any one name.
pub(crate) fn stands_for(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut names) = (pattern.split('.'), path.split('.'));
    loop {
        match (wanted.next(), names.next()) {
            (None, None) => return true,
            (Some(part), Some(name)) if part == "*" || part == name => {}
            _ => return false,
        }
    }
}

/// Whether values under this key are kept out of messages even if nobody said that the key is a secret.
pub(crate) fn looks_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase();
    ["secret", "token", "password", "credential"].iter().any(|word| last.contains(word)) || last.ends_with("key")
}
