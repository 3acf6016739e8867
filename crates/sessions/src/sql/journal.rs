//! What sessions did, one row per entry; the session's row counts them, so that numbers have no gaps.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use orchestrator_events::SqlLog;
use orchestrator_sql::Tx;
use orchestrator_vocab::{OrgId, SessionId, Timestamp};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};

use super::{body, refused, signed, statement};
use crate::{Append, Entry, Error, Numbered, Session};

/// Rows of one statement; each has seven values, and SQLite takes 32,766.
const ROWS_MAX: usize = 1_000;

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
    let rows: Vec<Row<'_>> = numbered_from(append, last.unsigned_abs() - count).collect();
    tx.execute_raw(insert(tx, &rows)).await?;
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

/// What a session does itself, with nothing else to be looked at or told.
pub(super) fn is_step(append: &Append) -> bool {
    append.fence.is_some() && append.key.is_none() && append.events.is_empty()
}

/// Writes steps of many sessions as [`append`] does, by two statements. Those of one session come one after the other.
pub(super) async fn take(tx: &Tx, steps: Arc<[Append]>) -> Result<Vec<Result<u64, Error>>, Error> {
    let mut outcomes: Vec<Option<Result<u64, Error>>> = steps.iter().map(|_| None).collect();
    let mut left: Vec<usize> = (0..steps.len()).collect();
    while !left.is_empty() {
        let mut sessions = HashSet::new();
        let (now, later): (Vec<usize>, Vec<usize>) =
            left.into_iter().partition(|place| sessions.insert((steps[*place].org, steps[*place].session)));
        let now: Vec<(usize, &Append)> = now.into_iter().map(|place| (place, &steps[place])).collect();
        let numbers = numbers(tx, &now).await?;
        let mut rows = Vec::new();
        for (place, step) in now {
            let outcome = match numbers.get(&(step.org, step.session)) {
                Some(last) => {
                    rows.extend(numbered_from(step, last - step.entries.len() as u64));
                    Ok(*last)
                }
                None => Err(refused(tx, step.org, step.session).await?),
            };
            outcomes[place] = Some(outcome);
        }
        for rows in rows.chunks(ROWS_MAX) {
            tx.execute_raw(insert(tx, rows)).await?;
        }
        left = later;
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// The last number that each of these sessions has then, as far as it is active under the fence.
async fn numbers(tx: &Tx, steps: &[(usize, &Append)]) -> Result<HashMap<(OrgId, SessionId), u64>, Error> {
    let types = if tx.is_postgres() { ["uuid", "uuid", "bigint", "bigint", "bigint"] } else { [""; 5] };
    let mut values: Vec<Value> = Vec::with_capacity(steps.len() * types.len());
    let mut tuples = Vec::with_capacity(steps.len());
    for (_, step) in steps {
        let place = |(place, kind): (usize, &str)| match kind {
            "" => format!("${}", values.len() + place + 1),
            kind => format!("${}::{kind}", values.len() + place + 1),
        };
        tuples.push(format!("({})", types.into_iter().enumerate().map(place).collect::<Vec<_>>().join(", ")));
        values.extend([
            step.org.uuid().into(),
            step.session.uuid().into(),
            signed(step.entries.len() as u64).into(),
            signed(step.turns()).into(),
            signed(step.fence.unwrap_or_default()).into(),
        ]);
    }
    let sql = format!(
        "with steps(of_org, of_session, more, more_turns, held) as (values {}) \
         update sessions_sessions set entries = entries + more, turns = turns + more_turns from steps \
         where org = of_org and id = of_session and ended_at is null and fence = held \
         and status in ('initializing', 'running', 'paused') returning org, id, entries",
        tuples.join(", ")
    );
    let rows = tx.query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
    let number = |row: &QueryResult| {
        let (org, id) = (row.try_get("", "org")?, row.try_get("", "id")?);
        let last: i64 = row.try_get("", "entries")?;
        Ok::<_, Error>(((OrgId::from_uuid(org), SessionId::from_uuid(id)), last.unsigned_abs()))
    };
    rows.iter().map(number).collect()
}

/// An entry as it is written.
struct Row<'a> {
    append: &'a Append,
    number: u64,
    entry: &'a Entry,
}

/// The entries, with the numbers behind `before`.
fn numbered_from(append: &Append, before: u64) -> impl Iterator<Item = Row<'_>> {
    (before + 1..).zip(&append.entries).map(move |(number, entry)| Row { append, number, entry })
}

fn insert(tx: &Tx, rows: &[Row<'_>]) -> Statement {
    let mut sql = "insert into sessions_journal (org, session, number, at, kind, body, said_once) values ".to_owned();
    let mut values: Vec<Value> = Vec::with_capacity(rows.len() * 7);
    for Row { append, number, entry } in rows {
        let first = values.len() + 1;
        let places: Vec<String> = (first..first + 7).map(|place| format!("${place}")).collect();
        let comma = if values.is_empty() { "" } else { ", " };
        sql.push_str(&format!("{comma}({})", places.join(", ")));
        let is_last = append.entries.last().is_some_and(|last| std::ptr::eq(last, *entry));
        values.extend([
            append.org.uuid().into(),
            append.session.uuid().into(),
            signed(*number).into(),
            append.at.millis().into(),
            entry.kind().into(),
            serde_json::to_string(entry).expect("an entry is plain data").into(),
            append.key.clone().filter(|_| is_last).into(),
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

pub(super) async fn keys<C: ConnectionTrait>(connection: &C, org: OrgId, id: SessionId) -> Result<Vec<String>, Error> {
    let sql = "select said_once from sessions_journal where org = $1 and session = $2 and said_once is not null";
    let rows = connection.query_all_raw(statement(connection, sql, [org.uuid().into(), id.uuid().into()])).await?;
    rows.iter().map(|row| Ok(row.try_get("", "said_once")?)).collect()
}

/// Over what was said; whatever is searched for stays.
pub(super) async fn rewrite(tx: &Tx, session: &Session, entries: &[Numbered]) -> Result<bool, Error> {
    let (org, id) = (session.org.uuid(), session.id.uuid());
    let sql = "update sessions_sessions set body = $1 where org = $2 and id = $3 and ended_at is not null";
    let done = tx.execute_raw(statement(tx, sql, [body(session).into(), org.into(), id.into()])).await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let sql = "update sessions_journal set said_once = null where org = $1 and session = $2 and said_once is not null";
    tx.execute_raw(statement(tx, sql, [org.into(), id.into()])).await?;
    let sql = "update sessions_journal set body = $1 where org = $2 and session = $3 and number = $4";
    for Numbered { number, entry, .. } in entries {
        let body = serde_json::to_string(entry).expect("an entry is plain data");
        let values = [body.into(), org.into(), id.into(), signed(*number).into()];
        tx.execute_raw(statement(tx, sql, values)).await?;
    }
    Ok(true)
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
