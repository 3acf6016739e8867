//! What sessions did, one row per entry; the session's row counts them, so that numbers have no gaps.

use orchestrator_events::SqlLog;
use orchestrator_sql::Tx;
use orchestrator_vocab::{OrgId, SessionId, Timestamp};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};

use super::{refused, signed, statement};
use crate::{Append, Error, Numbered};

/// Two statements, however many entries: the first takes the numbers and keeps others out, the second writes.
pub(super) async fn append(tx: &Tx, append: &Append) -> Result<u64, Error> {
    if let Some(number) = said_before(tx, append).await? {
        return Ok(number);
    }
    let held = "and fence = $5 and status in ('initializing', 'running', 'paused')";
    let open = "and $5 = 0";
    let sql = format!(
        "update sessions_sessions set entries = entries + $1, turns = turns + $2 \
         where org = $3 and id = $4 and ended_at is null {} returning entries",
        if append.fence.is_some() { held } else { open }
    );
    let count = append.entries.len() as u64;
    let values = [
        signed(count).into(),
        signed(append.turns()).into(),
        append.org.uuid().into(),
        append.session.uuid().into(),
        signed(append.fence.unwrap_or_default()).into(),
    ];
    let Some(row) = tx.query_one_raw(statement(tx, &sql, values)).await? else {
        return Err(refused(tx, append.org, append.session).await?);
    };
    let last: i64 = row.try_get("", "entries")?;
    tx.execute_raw(insert(tx, append, last.unsigned_abs() - count)).await?;
    SqlLog::append(tx, append.events.iter().cloned());
    Ok(last.unsigned_abs())
}

/// Under the same key.
async fn said_before(tx: &Tx, append: &Append) -> Result<Option<u64>, Error> {
    let Some(key) = &append.key else { return Ok(None) };
    let sql = "select number from sessions_journal where org = $1 and session = $2 and said_once = $3";
    let values = [append.org.uuid().into(), append.session.uuid().into(), key.as_str().into()];
    let Some(row) = tx.query_one_raw(statement(tx, sql, values)).await? else { return Ok(None) };
    let number: i64 = row.try_get("", "number")?;
    Ok(Some(number.unsigned_abs()))
}

fn insert(tx: &Tx, append: &Append, before: u64) -> Statement {
    let mut sql = "insert into sessions_journal (org, session, number, at, kind, body, said_once) values ".to_owned();
    let mut values: Vec<Value> = Vec::with_capacity(append.entries.len() * 7);
    for (number, entry) in (before + 1..).zip(&append.entries) {
        let first = values.len() + 1;
        let places: Vec<String> = (first..first + 7).map(|place| format!("${place}")).collect();
        let comma = if values.is_empty() { "" } else { ", " };
        sql.push_str(&format!("{comma}({})", places.join(", ")));
        values.extend([
            append.org.uuid().into(),
            append.session.uuid().into(),
            signed(number).into(),
            append.at.millis().into(),
            entry.kind().into(),
            serde_json::to_string(entry).expect("an entry is plain data").into(),
            append.key.clone().filter(|_| number == before + append.entries.len() as u64).into(),
        ]);
    }
    Statement::from_sql_and_values(tx.get_database_backend(), sql, values)
}

pub(super) async fn entries<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    id: SessionId,
    after: u64,
    limit: usize,
) -> Result<Vec<Numbered>, Error> {
    let sql = "select number, at, body from sessions_journal \
               where org = $1 and session = $2 and number > $3 order by number limit $4";
    let (after, limit) = (signed(after), signed(limit as u64));
    let values = [org.uuid().into(), id.uuid().into(), after.into(), limit.into()];
    connection.query_all_raw(statement(connection, sql, values)).await?.iter().map(numbered).collect()
}

fn numbered(row: &QueryResult) -> Result<Numbered, Error> {
    let (number, at, body): (i64, i64, String) =
        (row.try_get("", "number")?, row.try_get("", "at")?, row.try_get("", "body")?);
    let entry = serde_json::from_str(&body).map_err(|damaged| Error::Store(Box::new(damaged)))?;
    Ok(Numbered { number: number.unsigned_abs(), at: Timestamp(at), entry })
}

/// Old sessions, and with them what they did.
pub(super) async fn trim(tx: &Tx, before: Timestamp, limit: usize) -> Result<u64, Error> {
    let old = "select org, id from sessions_sessions where ended_at < $1 order by ended_at, org, id limit $2";
    let values = || [before.millis().into(), signed(limit as u64).into()];
    let entries = format!("delete from sessions_journal where (org, session) in ({old})");
    tx.execute_raw(statement(tx, &entries, values())).await?;
    let sessions = format!("delete from sessions_sessions where (org, id) in ({old})");
    Ok(tx.execute_raw(statement(tx, &sessions, values())).await?.rows_affected())
}
