use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::file::place;
use crate::source::Lines;
use crate::tree::{Form, Node, Table, Value};
use crate::{Error, Position, Source};

pub(crate) fn parse(text: &str, path: &Path) -> Result<Node, Error> {
    let lines = Lines::new(text);
    let document = DeTable::parse(text).map_err(|error| {
        let position = error.span().map(|span| lines.position(span.start));
        Error::Syntax { place: place(path, position), message: error.message().replace('\n', ", ") }
    })?;
    let reader = Reader { lines, path };
    let start = Position { line: 1, column: 1 };
    Ok(Node::new(place(path, Some(start)), Form::Literal, reader.table(document.get_ref(), 0)?))
}

struct Reader<'a> {
    lines: Lines,
    path: &'a Path,
}

impl Reader<'_> {
    fn place(&self, offset: usize) -> Source {
        place(self.path, Some(self.lines.position(offset)))
    }

    fn table(&self, table: &DeTable<'_>, depth: usize) -> Result<Value, Error> {
        let entries = table.iter().map(|(key, value)| {
            let mut node = self.node(value, depth + 1)?;
            node.key = Some(self.lines.position(key.span().start));
            Ok((key.get_ref().to_string(), node))
        });
        Ok(Value::Table(entries.collect::<Result<Table, Error>>()?))
    }

    fn node(&self, value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Error> {
        let source = self.place(value.span().start);
        let fault = |message: &str| Error::Syntax { place: source.clone(), message: message.to_owned() };
        if depth > super::DEPTH_MAX {
            return Err(fault("nested too deeply"));
        }
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => Value::Integer(
                i128::from_str_radix(number.as_str(), number.radix()).map_err(|_| fault("this number is too large"))?,
            ),
            DeValue::Float(number) => Value::Float(number.as_str().parse().map_err(|_| fault("this is not a number"))?),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(time) => Value::Text(time.to_string()),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.node(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(table, depth)?,
        };
        Ok(Node::new(source, Form::Literal, value))
    }
}
