//! What is stored is counted where it is stored, so that a limit costs one row.

use std::collections::BTreeMap;

use orchestrator_sql::Tx;
use orchestrator_vocab::{OrgId, SessionId};
use sea_orm::{ConnectionTrait, QueryResult};
use uuid::Uuid;

use super::args::{Args, signed, statement};
use crate::{Error, Memory, Tier, Used};

/// A tier, and the session if it is counted by sessions.
pub(super) type Place = (Tier, Option<SessionId>);

pub(super) fn place(memory: &Memory) -> Place {
    (memory.tier, memory.session.filter(|_| memory.tier == Tier::Scratchpad))
}

pub(super) fn of(memory: &Memory, terms: &str) -> Used {
    let words = terms.split(' ').filter(|term| !term.is_empty()).count();
    Used { count: 1, bytes: memory.text.len() as u64, words: words as u64 }
}

pub(super) fn sum(a: Used, b: Used) -> Used {
    Used { count: a.count + b.count, bytes: a.bytes + b.bytes, words: a.words + b.words }
}

/// What is counted may lag behind what is taken away, and never falls below nothing.
pub(super) fn less(all: Used, part: Used) -> Used {
    Used {
        count: all.count.saturating_sub(part.count),
        bytes: all.bytes.saturating_sub(part.bytes),
        words: all.words.saturating_sub(part.words),
    }
}

fn session((_, session): Place) -> Uuid {
    session.map_or_else(Uuid::nil, SessionId::uuid)
}

/// What these hold, and nobody else changes it before the end of the transaction.
pub(super) async fn lock(
    tx: &Tx,
    org: OrgId,
    places: impl Iterator<Item = Place>,
) -> Result<BTreeMap<Place, Used>, Error> {
    let mut all = BTreeMap::new();
    let lock = if tx.is_postgres() { " for update" } else { "" };
    let sql =
        format!("select memories, bytes, words from memory_usage where org = $1 and tier = $2 and session = $3{lock}");
    for place in places {
        let values = [org.uuid().into(), place.0.as_str().into(), session(place).into()];
        let row = tx.query_one_raw(statement(tx, &sql, values)).await?;
        all.insert(place, row.as_ref().map_or(Ok(Used::default()), used)?);
    }
    Ok(all)
}

pub(super) async fn add(tx: &Tx, org: OrgId, place: Place, more: Used) -> Result<(), Error> {
    change(tx, org, place, [signed(more.count), signed(more.bytes), signed(more.words)]).await
}

pub(super) async fn subtract(tx: &Tx, org: OrgId, place: Place, less: Used) -> Result<(), Error> {
    change(tx, org, place, [-signed(less.count), -signed(less.bytes), -signed(less.words)]).await
}

async fn change(tx: &Tx, org: OrgId, place: Place, by: [i64; 3]) -> Result<(), Error> {
    let sql = "insert into memory_usage (org, tier, session, memories, bytes, words) values ($1, $2, $3, $4, $5, $6) \
               on conflict (org, tier, session) do update set memories = memory_usage.memories + excluded.memories, \
               bytes = memory_usage.bytes + excluded.bytes, words = memory_usage.words + excluded.words";
    let [memories, bytes, words] = by;
    let (org, tier, session) = (org.uuid(), place.0.as_str(), session(place));
    let values = [org.into(), tier.into(), session.into(), memories.into(), bytes.into(), words.into()];
    tx.execute_raw(statement(tx, sql, values)).await?;
    // A session that is over leaves no row behind.
    let sql = "delete from memory_usage where org = $1 and tier = $2 and session = $3 and memories = 0";
    tx.execute_raw(statement(tx, sql, [org.into(), tier.into(), session.into()])).await?;
    Ok(())
}

pub(super) async fn read<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    of_session: Option<SessionId>,
) -> Result<[Used; 3], Error> {
    let mut args = Args::default();
    let org = args.put(org.uuid());
    let only = of_session.map(|session| format!(" and session = {}", args.put(session.uuid()))).unwrap_or_default();
    let sql = format!(
        "select tier, cast(sum(memories) as bigint) as memories, cast(sum(bytes) as bigint) as bytes, \
         cast(sum(words) as bigint) as words from memory_usage where org = {org}{only} group by tier"
    );
    let statement = args.statement(connection, sql);
    let mut all = [Used::default(); 3];
    for row in connection.query_all_raw(statement).await? {
        let tier: String = row.try_get("", "tier")?;
        let tier: Tier = tier.parse().map_err(|wrong| Error::Store(Box::new(wrong)))?;
        all[tier as usize] = used(&row)?;
    }
    Ok(all)
}

fn used(row: &QueryResult) -> Result<Used, Error> {
    let number = |column| row.try_get::<i64>("", column).map(i64::unsigned_abs);
    Ok(Used { count: number("memories")?, bytes: number("bytes")?, words: number("words")? })
}
