//! Finding by words: a table of FTS5 per organisation on SQLite, a `tsvector` with the organisation in it on PostgreSQL.

use std::collections::BTreeMap;

use orchestrator_sql::Tx;
use orchestrator_vocab::OrgId;
use sea_orm::{ConnectionTrait, Statement};

use super::args::{Args, is_postgres};
use super::rows::{self, COLUMNS};
use crate::{Error, Filter, Stored};

/// Beyond this nobody counts how many memories hold a word: it says next to nothing anyway.
const COUNTED_MAX: i64 = 20_000;

/// The table of an organisation's words. The name is made of hexadecimal digits, so it needs no quotes.
fn table(org: OrgId) -> String {
    format!("memory_words_{}", org.uuid().simple())
}

/// Words are stems already: FTS5 only has to part them. What is deleted is overwritten at once, so that nothing of it stays.
pub(super) async fn prepare(tx: &Tx, org: OrgId) -> Result<(), Error> {
    if tx.is_postgres() || has_table(tx, org).await? {
        return Ok(());
    }
    let table = table(org);
    let create = format!(
        "create virtual table {table} using fts5(terms, content='memory_memories', content_rowid='number', \
         tokenize='unicode61 remove_diacritics 0')"
    );
    tx.execute_unprepared(&create).await?;
    tx.execute_unprepared(&format!("insert into {table} ({table}, rank) values ('secure-delete', 1)")).await?;
    Ok(())
}

pub(super) async fn has_table<C: ConnectionTrait>(connection: &C, org: OrgId) -> Result<bool, Error> {
    let mut args = Args::default();
    let sql = format!("select 1 as found from sqlite_schema where name = {}", args.put(table(org)));
    let statement = args.statement(connection, sql);
    Ok(connection.query_one_raw(statement).await?.is_some())
}

/// The words of rows that were just written.
pub(super) async fn add(tx: &Tx, org: OrgId, numbers: &[i64]) -> Result<(), Error> {
    if tx.is_postgres() || numbers.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "insert into {} (rowid, terms) select number, terms from memory_memories where {}",
        table(org),
        among(numbers)
    );
    tx.execute_unprepared(&sql).await?;
    Ok(())
}

/// The words of rows that are about to go or to change. What is deleted is overwritten, here and in whatever this connection does
/// later.
pub(super) async fn forget(tx: &Tx, org: OrgId, numbers: &[i64]) -> Result<(), Error> {
    if tx.is_postgres() || numbers.is_empty() {
        return Ok(());
    }
    tx.execute_unprepared("pragma secure_delete = on").await?;
    let table = table(org);
    let sql = format!(
        "insert into {table} ({table}, rowid, terms) select 'delete', number, terms from memory_memories where {}",
        among(numbers)
    );
    tx.execute_unprepared(&sql).await?;
    Ok(())
}

/// Numbers come from the database itself, so they may stand in a statement.
pub(super) fn among(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("number in ({})", numbers.join(", "))
}

/// The words of a row on PostgreSQL. The organisation is one of them: an index over all then finds its rows only.
pub(super) fn vector(org: &str, terms: &str) -> String {
    format!("array_to_tsvector(array_append(string_to_array({terms}, ' '), '@' || ({org})::uuid::text))")
}

/// For `@@`, of any of the terms, within an organisation.
fn tsquery(org: OrgId, terms: impl Iterator<Item = impl AsRef<str>>) -> String {
    let any: Vec<String> = terms.map(|term| quoted(term.as_ref(), '\'')).collect();
    format!("'@{}' & ({})", org.uuid(), any.join(" | "))
}

fn quoted(term: &str, quote: char) -> String {
    let doubled: String = term
        .chars()
        .flat_map(|c| std::iter::repeat_n(c, if c == quote || (quote == '\'' && c == '\\') { 2 } else { 1 }))
        .collect();
    format!("{quote}{doubled}{quote}")
}

pub(super) async fn corpus<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    terms: &[String],
) -> Result<BTreeMap<String, u64>, Error> {
    if terms.is_empty() || (!is_postgres(connection) && !has_table(connection, org).await?) {
        return Ok(BTreeMap::new());
    }
    let mut args = Args::default();
    let counts: Vec<String> = terms.iter().map(|term| count(&mut args, connection, org, term)).collect();
    let statement = args.statement(connection, counts.join(" union all "));
    let mut holding = BTreeMap::new();
    for row in connection.query_all_raw(statement).await? {
        let (term, count): (String, i64) = (row.try_get("", "term")?, row.try_get("", "holding")?);
        holding.insert(term, count.unsigned_abs());
    }
    Ok(holding)
}

fn count<C: ConnectionTrait>(args: &mut Args, connection: &C, org: OrgId, term: &str) -> String {
    let name = args.put(term);
    if is_postgres(connection) {
        let query = args.put(tsquery(org, std::iter::once(term)));
        return format!(
            "select {name}::text as term, (select count(*) from (select 1 from memory_memories \
             where words_index @@ {query}::tsquery limit {COUNTED_MAX}) as few) as holding"
        );
    }
    let (table, query) = (table(org), args.put(quoted(term, '"')));
    format!(
        "select {name} as term, (select count(*) from (select 1 from {table} where {table} match {query} \
         limit {COUNTED_MAX})) as holding"
    )
}

/// SQLite ranks by its own bm25; on PostgreSQL the weights of the terms that are there are added up.
pub(super) async fn matching<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    terms: &[(String, f64)],
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Stored>, Error> {
    if terms.is_empty() || (!is_postgres(connection) && !has_table(connection, org).await?) {
        return Ok(Vec::new());
    }
    let mut args = Args::default();
    let sql = if is_postgres(connection) {
        on_postgres(&mut args, org, terms, filter, limit)
    } else {
        on_sqlite(&mut args, org, terms, filter, limit)
    };
    rows::all(connection, sql, args).await
}

fn on_sqlite(args: &mut Args, org: OrgId, terms: &[(String, f64)], filter: &Filter, limit: usize) -> String {
    let table = table(org);
    let any: Vec<String> = terms.iter().map(|(term, _)| quoted(term, '"')).collect();
    let query = args.put(any.join(" OR "));
    let conditions = args.conditions(filter);
    // Rows are wide: only those of the best are read whole.
    format!(
        "with hit as (select rowid as found, rank as score from {table} where {table} match {query}), \
         best as materialized (select hit.found, hit.score from hit join memory_memories on number = hit.found \
         where {conditions} order by hit.score limit {limit}) \
         select {COLUMNS} from best join memory_memories as m on m.number = best.found order by best.score"
    )
}

fn on_postgres(args: &mut Args, org: OrgId, terms: &[(String, f64)], filter: &Filter, limit: usize) -> String {
    let query = args.put(tsquery(org, terms.iter().map(|(term, _)| term)));
    let score: Vec<String> = terms
        .iter()
        .map(|(term, weight)| {
            let has = args.put(quoted(term, '\''));
            format!("case when words_index @@ {has}::tsquery then {weight:.6} else 0 end")
        })
        .collect();
    let conditions = args.conditions(filter);
    let score = score.join(" + ");
    format!(
        "select {COLUMNS} from memory_memories as m where words_index @@ {query}::tsquery and {conditions} \
         order by {score} desc, number desc limit {limit}"
    )
}

/// Puts what is left of an index together, so that nothing of what was deleted stays in it.
pub(super) async fn optimize(tx: &Tx) -> Result<(), Error> {
    let sql = "select name from sqlite_schema where type = 'table' and name like 'memory_words_%' and sql like 'create virtual%'";
    let backend = tx.get_database_backend();
    for row in tx.query_all_raw(Statement::from_string(backend, sql)).await? {
        let table: String = row.try_get("", "name")?;
        tx.execute_unprepared(&format!("insert into {table} ({table}) values ('optimize')")).await?;
    }
    Ok(())
}
