use orchestrator_sql::Tx;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use serde_json::Value as Json;

use crate::Error;

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

/// Inserts any number of rows of an organisation by one statement; `then` says what happens to those that are there.
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
    let is_postgres = tx.is_postgres();
    let taken: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(place, (_, holds))| match (is_postgres, holds) {
            (true, Holds::Text) => format!("value->>{place}"),
            (true, Holds::Number) => format!("(value->>{place})::bigint"),
            (false, _) => format!("json_extract(value, '$[{place}]')"),
        })
        .collect();
    let source = if is_postgres { "jsonb_array_elements($2::jsonb)" } else { "json_each($2)" };
    let sql = format!(
        "insert into {table} (org, {}) select $1, {} from {source} as rows_in(value) where true {then}",
        names.join(", "),
        taken.join(", ")
    );
    // SQLite names the columns of `json_each` itself.
    let sql = if is_postgres { sql } else { sql.replace(" as rows_in(value)", "") };
    tx.execute_raw(statement(tx, &sql, [org, list(rows)])).await?;
    Ok(())
}
