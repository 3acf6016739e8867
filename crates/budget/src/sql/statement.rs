use orchestrator_sql::Tx;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use serde_json::Value as Json;

use crate::Error;

/// The most rows of one statement on SQLite, a power of two.
const VALUES_MAX: usize = 64;

/// What a column of [`write_rows`] holds.
#[derive(Clone, Copy)]
pub(super) enum Holds {
    Text,
    Number,
}

pub(super) fn statement<C: ConnectionTrait, const N: usize>(
    connection: &C,
    sql: &str,
    values: [Value; N],
) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A list as one parameter, so that statements for any number of rows have one text, and are prepared once.
pub(super) fn list(items: Vec<Json>) -> Value {
    Json::Array(items).to_string().into()
}

/// Is in a list that is parameter `$2`.
pub(super) fn in_list<C: ConnectionTrait>(connection: &C, column: &str) -> String {
    match connection.get_database_backend() {
        DbBackend::Postgres => format!("{column} = any(array(select jsonb_array_elements_text($2::jsonb)))"),
        _ => format!("{column} in (select value from json_each($2))"),
    }
}

/// Inserts any number of rows of an organisation; `then` says what happens to those that are there.
pub(super) async fn write_rows(
    tx: &Tx,
    table: &str,
    columns: &[(&str, Holds)],
    then: &str,
    org: Value,
    rows: Vec<Json>,
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let into = format!("insert into {table} (org, {})", names.join(", "));
    if !tx.is_postgres() {
        return write_values(tx, &into, columns.len(), then, org, rows).await;
    }
    let taken = columns.iter().enumerate().map(|(place, (_, holds))| match holds {
        Holds::Text => format!("value->>{place}"),
        Holds::Number => format!("(value->>{place})::bigint"),
    });
    let taken = taken.collect::<Vec<_>>().join(", ");
    let source = "jsonb_array_elements($2::jsonb) as rows_in(value)";
    let sql = format!("{into} select $1, {taken} from {source} where true {then}");
    tx.execute_raw(statement(tx, &sql, [org, list(rows)])).await?;
    Ok(())
}

/// By a few statements, each for a power of two of rows, so that there are few texts: SQLite takes JSON apart more slowly than it
/// takes parameters, and has no round trips to save.
async fn write_values(
    tx: &Tx,
    into: &str,
    columns: usize,
    then: &str,
    org: Value,
    rows: Vec<Json>,
) -> Result<(), Error> {
    // Parameters without numbers: the driver asks for the name of each, and SQLite would look through all of them for it.
    let row = format!("(?{})", ", ?".repeat(columns));
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let most = 1 << rows.len().ilog2().min(VALUES_MAX.ilog2());
        let sql = format!("{into} values {} {then}", vec![row.as_str(); most].join(", "));
        let values = rows.by_ref().take(most).flat_map(|row| std::iter::once(org.clone()).chain(cells(row)));
        let values: Vec<Value> = values.collect();
        tx.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
    }
    Ok(())
}

fn cells(row: Json) -> Vec<Value> {
    let Json::Array(cells) = row else { return Vec::new() };
    let cell = |cell| match cell {
        Json::String(text) => text.into(),
        number => number.as_i64().into(),
    };
    cells.into_iter().map(cell).collect()
}
