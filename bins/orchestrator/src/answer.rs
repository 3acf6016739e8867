use comfy_table::{Cell, ColumnConstraint, Table, Width};
use serde_json::{Value, json};

use crate::out::Out;
use crate::show::{text, words};

/// What a command found out, in all the forms it may be shown in.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) json: Value,
    pub(crate) text: String,
    pub(crate) ids: Vec<String>,
}

impl Answer {
    /// About one thing, with a sentence that says what was done to it.
    pub(crate) fn told(json: Value, text: impl Into<String>) -> Self {
        let ids = id_of(&json).into_iter().collect();
        Self { json, text: text.into(), ids }
    }

    /// A list as a table; `row` gives the cells of an item.
    pub(crate) fn list(
        out: &Out,
        items: Vec<Value>,
        header: &[&str],
        nothing: &str,
        row: impl Fn(&Value) -> Vec<Cell>,
    ) -> Self {
        let ids = items.iter().filter_map(id_of).collect();
        let mut table = out.table(header);
        table.add_rows(items.iter().map(row));
        let text = if items.is_empty() { nothing.to_owned() } else { lines(&mut table) };
        Self { json: json!({ "items": items }), text, ids }
    }

    /// All fields of one thing, one below the other.
    pub(crate) fn fields(out: &Out, json: Value, names: &[(&str, &str)]) -> Self {
        let mut table = out.table(&[]);
        for (label, field) in names {
            let value = json.pointer(field).map(words).unwrap_or_default();
            if !value.is_empty() {
                table.add_row(vec![Cell::new(label), crate::out::toned(&value)]);
            }
        }
        let ids = id_of(&json).into_iter().collect();
        Self { text: lines(&mut table), json, ids }
    }
}

/// What a narrow terminal leaves of the last column, at least.
const LAST_COLUMN_MIN: u16 = 20;

/// The table without spaces at the ends of its lines. Only the last column gives way on a narrow terminal: an id in two
/// pieces is of no use.
pub(crate) fn lines(table: &mut Table) -> String {
    let last = table.column_count().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        column.set_constraint(match index == last {
            true => ColumnConstraint::LowerBoundary(Width::Fixed(LAST_COLUMN_MIN)),
            false => ColumnConstraint::ContentWidth,
        });
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn id_of(item: &Value) -> Option<String> {
    ["id", "taskId", "scheduleId", "tokenId", "agentId", "eventId", "path", "connectionId"]
        .iter()
        .map(|name| text(item, name))
        .find(|id| !id.is_empty())
        .map(str::to_owned)
}
