use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use orchestrator_sql::Tx;
use orchestrator_vocab::{EventId, Id, OrgId, Timestamp};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, OnConflict, Order as Direction, Query as Sql, SimpleExpr};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use crate::{Error, Event, Order, Query};

/// Ten values a row; SQLite takes 32,766 in a statement. Larger messages than about 64 kB wait for an acknowledgement on
/// the way to PostgreSQL, so there the rows go in smaller pieces.
const ROWS_PER_STATEMENT: usize = 1_000;
const ROWS_PER_MESSAGE: usize = 100;

const COLUMNS: [&str; 10] =
    ["org", "seq", "id", "name", "time", "actor", "subject", "correlation", "causation", "payload"];

fn log() -> Alias {
    Alias::new("events_log")
}

fn column(name: &str) -> Expr {
    Expr::col(Alias::new(name))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Raises the heads by these counts, locking their rows in the order of the ids, and answers the numbers before.
pub(super) async fn reserve(
    tx: &Tx,
    counts: &BTreeMap<OrgId, u64>,
) -> Result<HashMap<OrgId, u64>, orchestrator_sql::Error> {
    let mut before = HashMap::with_capacity(counts.len());
    for (org, count) in counts {
        let raised = column_of("events_head", "seq").add(column_of("excluded", "seq"));
        let statement = Sql::insert()
            .into_table(Alias::new("events_head"))
            .columns([Alias::new("org"), Alias::new("seq")])
            .values_panic([org.uuid().into(), signed(*count).into()])
            .on_conflict(OnConflict::column(Alias::new("org")).value(Alias::new("seq"), raised).to_owned())
            .returning(Sql::returning().column(Alias::new("seq")))
            .to_owned();
        let row = tx.query_one(&statement).await?;
        let head: i64 = row.map_or(Ok(0), |row| row.try_get("", "seq"))?;
        before.insert(*org, head.unsigned_abs() - count);
    }
    Ok(before)
}

fn column_of(table: &str, name: &str) -> Expr {
    Expr::col((Alias::new(table), Alias::new(name)))
}

pub(super) async fn insert(tx: &Tx, events: &[Arc<Event>]) -> Result<(), DbErr> {
    let rows = if tx.is_postgres() { ROWS_PER_MESSAGE } else { ROWS_PER_STATEMENT };
    for chunk in events.chunks(rows) {
        let mut statement = Sql::insert();
        statement.into_table(log()).columns(COLUMNS.map(Alias::new));
        for event in chunk {
            statement.values_panic(values(event));
        }
        tx.execute(&statement).await?;
    }
    Ok(())
}

fn values(event: &Event) -> [SimpleExpr; 10] {
    [
        event.org.uuid().into(),
        signed(event.seq).into(),
        event.id.uuid().into(),
        event.name.as_ref().into(),
        event.time.millis().into(),
        event.actor.to_string().into(),
        event.subject.clone().into(),
        event.correlation.clone().into(),
        event.causation.map(Id::uuid).into(),
        event.payload.to_string().into(),
    ]
}

pub(super) async fn select<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    query: &Query,
) -> Result<Vec<Arc<Event>>, Error> {
    let mut statement = Sql::select();
    statement.columns(COLUMNS.map(Alias::new)).from(log()).and_where(column("org").eq(org.uuid()));
    if let Some(after) = query.after {
        statement.and_where(column("seq").gt(signed(after)));
    }
    if let Some(before) = query.before {
        statement.and_where(column("seq").lt(signed(before)));
    }
    if let Some(subject) = &query.subject {
        statement.and_where(column("subject").eq(subject.as_str()));
    }
    let direction = match query.order {
        Order::OldestFirst => Direction::Asc,
        Order::NewestFirst => Direction::Desc,
    };
    statement.order_by(Alias::new("seq"), direction).limit(query.limit as u64);
    let rows = connection.query_all(&statement).await.map_err(store)?;
    rows.iter().map(|row| event(row).map(Arc::new)).collect()
}

/// Over what they say; whatever they are found by stays.
pub(super) async fn replace(tx: &Tx, org: OrgId, events: &[Event]) -> Result<(), Error> {
    for event in events {
        let statement = Sql::update()
            .table(log())
            .values([
                (Alias::new("actor"), event.actor.to_string().into()),
                (Alias::new("subject"), event.subject.clone().into()),
                (Alias::new("correlation"), event.correlation.clone().into()),
                (Alias::new("payload"), event.payload.to_string().into()),
            ])
            .and_where(column("org").eq(org.uuid()))
            .and_where(column("seq").eq(signed(event.seq)))
            .to_owned();
        tx.execute(&statement).await.map_err(store)?;
    }
    Ok(())
}

pub(super) fn store(error: DbErr) -> Error {
    orchestrator_sql::Error::from(error).into()
}

fn event(row: &QueryResult) -> Result<Event, Error> {
    let seq = row.try_get::<i64>("", "seq").map_err(store)?.unsigned_abs();
    let damaged = |what: &dyn std::fmt::Display| Error::Damaged { seq, what: what.to_string() };
    let actor: String = row.try_get("", "actor").map_err(store)?;
    let payload: String = row.try_get("", "payload").map_err(store)?;
    Ok(Event {
        id: EventId::from_uuid(row.try_get("", "id").map_err(store)?),
        seq,
        org: OrgId::from_uuid(row.try_get("", "org").map_err(store)?),
        name: Cow::Owned(row.try_get("", "name").map_err(store)?),
        time: Timestamp(row.try_get("", "time").map_err(store)?),
        actor: actor.parse().map_err(|error| damaged(&error))?,
        subject: row.try_get("", "subject").map_err(store)?,
        correlation: row.try_get("", "correlation").map_err(store)?,
        causation: row.try_get::<Option<_>>("", "causation").map_err(store)?.map(Id::from_uuid),
        payload: serde_json::from_str(&payload).map_err(|error| damaged(&error))?,
    })
}

pub(super) async fn head<C: ConnectionTrait>(connection: &C, org: OrgId) -> Result<u64, Error> {
    let statement = Sql::select()
        .column(Alias::new("seq"))
        .from(Alias::new("events_head"))
        .and_where(column("org").eq(org.uuid()))
        .to_owned();
    let row = connection.query_one(&statement).await.map_err(store)?;
    let head: i64 = row.map_or(Ok(0), |row| row.try_get("", "seq")).map_err(store)?;
    Ok(head.unsigned_abs())
}

pub(super) async fn heads<C: ConnectionTrait>(connection: &C) -> Result<Vec<(OrgId, u64)>, Error> {
    let statement =
        Sql::select().columns([Alias::new("org"), Alias::new("seq")]).from(Alias::new("events_head")).to_owned();
    let rows = connection.query_all(&statement).await.map_err(store)?;
    let pair = |row: &QueryResult| {
        Ok((OrgId::from_uuid(row.try_get("", "org")?), row.try_get::<i64>("", "seq")?.unsigned_abs()))
    };
    rows.iter().map(pair).collect::<Result<_, DbErr>>().map_err(store)
}

/// The log is ordered by number, and times rise with it but for clock jumps: the oldest `limit` are looked at, no more.
pub(super) async fn trim(tx: &Tx, org: OrgId, before: Timestamp, limit: usize) -> Result<u64, Error> {
    let oldest = Sql::select()
        .columns([Alias::new("seq"), Alias::new("time")])
        .from(log())
        .and_where(column("org").eq(org.uuid()))
        .order_by(Alias::new("seq"), Direction::Asc)
        .limit(limit as u64)
        .to_owned();
    let mut last = None;
    for row in tx.query_all(&oldest).await.map_err(store)? {
        if row.try_get::<i64>("", "time").map_err(store)? >= before.millis() {
            break;
        }
        last = Some(row.try_get::<i64>("", "seq").map_err(store)?);
    }
    let Some(last) = last else { return Ok(0) };
    let statement = Sql::delete()
        .from_table(log())
        .and_where(column("org").eq(org.uuid()))
        .and_where(column("seq").lte(last))
        .to_owned();
    Ok(tx.execute(&statement).await.map_err(store)?.rows_affected())
}
