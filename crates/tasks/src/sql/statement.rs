use std::fmt::Write as _;

use orchestrator_sql::Tx;
use orchestrator_vocab::{OrgId, TaskId};
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value};

/// The most rows of one statement: below 64 kB as a rule, because sqlx leaves Nagle's algorithm on, and what does not fit
/// into one segment waits for acknowledgements; far below 32,766 values, SQLite's limit.
const ROWS_MAX: usize = 128;
/// On PostgreSQL, where preparing is a round trip, rows come in few numbers, so that each statement is prepared once.
const ROWS: [usize; 4] = [64, 16, 4, 1];
/// To how many ids a list is filled up.
const IDS: [usize; 5] = [1, 4, 16, 64, 256];

/// A statement that is being written: text and values together, so that they cannot disagree.
pub(super) struct Sql {
    backend: DbBackend,
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(tx: &Tx, text: &str) -> Self {
        Self { backend: tx.get_database_backend(), text: text.to_owned(), values: Vec::new() }
    }

    /// Adds text.
    pub(super) fn add(mut self, text: &str) -> Self {
        self.push(text);
        self
    }

    /// Adds a value.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.push_value(value);
        self
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn push_value(&mut self, value: impl Into<Value>) {
        self.values.push(value.into());
        if self.backend == DbBackend::Postgres {
            let _ = write!(self.text, "${}", self.values.len());
        } else {
            self.text.push('?');
        }
    }

    /// Adds `(a, b, …)`.
    pub(super) fn tuple<const N: usize>(&mut self, values: [Value; N]) {
        self.push("(");
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            self.push_value(value);
        }
        self.push(")");
    }

    /// Adds `(a, b, …), (c, d, …), …`.
    pub(super) fn tuples<const N: usize>(mut self, rows: impl IntoIterator<Item = [Value; N]>) -> Self {
        for (index, row) in rows.into_iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            self.tuple(row);
        }
        self
    }

    /// Adds `(a, b, …)` for `in`, filled up with the last value to one of a few lengths.
    pub(super) fn list(mut self, values: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        let mut values: Vec<Value> = values.into_iter().map(Into::into).collect();
        let length = filled(values.len());
        if let Some(last) = values.last().cloned() {
            values.resize(length, last);
        }
        self.push("(");
        for (index, value) in values.into_iter().enumerate() {
            self.push(if index == 0 { "" } else { ", " });
            self.push_value(value);
        }
        self.push(")");
        self
    }

    /// Adds the condition that the columns of `alias` (`""`, or a name and a point) are this organisation and one of the ids.
    ///
    /// On PostgreSQL as rows of one array, not as `org = … and id in …`: as long as it has no statistics, it takes one
    /// organisation for a small part of a table, and would read all of it.
    pub(super) fn among(self, alias: &str, id: &str, org: OrgId, ids: &[TaskId]) -> Self {
        if self.backend != DbBackend::Postgres {
            let same = self.add(&format!("{alias}org = ")).bind(org.uuid());
            return same.add(&format!(" and {alias}{id} in ")).list(ids.iter().map(|id| id.uuid()));
        }
        let rows = self.add(&format!("({alias}org, {alias}{id}) in (select ")).bind(org.uuid());
        rows.add(", v.id from ").unnested(ids).add(")")
    }

    /// Adds the ids as rows `v (id)`, from one array. Only PostgreSQL understands it.
    pub(super) fn unnested(self, ids: &[TaskId]) -> Self {
        let ids: Vec<String> = ids.iter().map(|id| id.uuid().to_string()).collect();
        self.add("unnest(").bind(format!("{{{}}}", ids.join(","))).add("::text::uuid[]) as v (id)")
    }

    /// Adds text that only PostgreSQL understands and needs, such as `for update`.
    pub(super) fn on_postgres(mut self, text: &str) -> Self {
        if self.backend == DbBackend::Postgres {
            self.push(text);
        }
        self
    }

    pub(super) async fn run(self, tx: &Tx) -> Result<ExecResult, DbErr> {
        tx.execute_raw(Statement::from_sql_and_values(self.backend, self.text, self.values)).await
    }

    pub(super) async fn rows(self, tx: &Tx) -> Result<Vec<QueryResult>, DbErr> {
        tx.query_all_raw(Statement::from_sql_and_values(self.backend, self.text, self.values)).await
    }

    pub(super) async fn row(self, tx: &Tx) -> Result<Option<QueryResult>, DbErr> {
        tx.query_one_raw(Statement::from_sql_and_values(self.backend, self.text, self.values)).await
    }
}

/// The length to which a list is filled up.
fn filled(length: usize) -> usize {
    IDS.into_iter().find(|size| *size >= length).unwrap_or(length)
}

/// Pieces for multi-row statements.
pub(super) fn pieces<T>(tx: &Tx, items: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    pieces_of(if tx.is_postgres() { &ROWS } else { &[] }, items)
}

/// Pieces of these sizes, the largest first; without sizes, of any size up to the limit.
fn pieces_of<T>(sizes: &'static [usize], items: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut rest = items.into_iter();
    std::iter::from_fn(move || {
        let fitting = sizes.iter().copied().find(|size| *size <= rest.len());
        let piece: Vec<T> = rest.by_ref().take(fitting.unwrap_or(ROWS_MAX)).collect();
        (!piece.is_empty()).then_some(piece)
    })
}

/// Pieces for [`Sql::list`] and [`Sql::among`], which fill them up.
pub(super) fn lists<T>(items: &[T]) -> impl Iterator<Item = &[T]> {
    items.chunks(IDS[IDS.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_few_lengths_and_lose_nothing() {
        let items: Vec<usize> = (0..1_000).collect();
        let lengths: Vec<usize> = pieces_of(&ROWS, items.clone()).map(|piece| piece.len()).collect();
        assert_eq!((lengths.len(), lengths[14..].to_vec()), (19, vec![64, 16, 16, 4, 4]));
        assert!(pieces_of(&ROWS, items.clone()).flatten().eq(items.clone()));
        assert!(pieces_of(&[], items.clone()).flatten().eq(items));
        assert_eq!(pieces_of(&ROWS, Vec::<usize>::new()).count(), 0);
    }
}
