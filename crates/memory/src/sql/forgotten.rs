use orchestrator_sql::Tx;
use orchestrator_vocab::{OrgId, Timestamp};
use sea_orm::ConnectionTrait;

use super::args::Args;
use super::{changing, reading};
use crate::{Error, MemoryId, Stored, Tier};

/// So many in one statement.
const IDS_MAX: usize = 500;

/// Their names stay, and nothing else of them. A session's notes end with it: nobody brings them back.
pub(super) async fn remember(tx: &Tx, org: OrgId, gone: &[Stored], now: Timestamp) -> Result<(), Error> {
    let named: Vec<MemoryId> =
        gone.iter().map(|s| &s.memory).filter(|m| m.tier != Tier::Scratchpad).map(|m| m.id).collect();
    for ids in named.chunks(IDS_MAX) {
        let mut args = Args::default();
        let (org, now) = (args.put(org.uuid()), args.put(now.millis()));
        let rows: Vec<String> = ids.iter().map(|id| format!("({org}, {}, {now})", args.put(id.uuid()))).collect();
        let sql = format!(
            "insert into memory_forgotten (org, id, at) values {} on conflict (org, id) do nothing",
            rows.join(", ")
        );
        let statement = args.statement(tx, sql);
        tx.execute_raw(statement).await?;
    }
    Ok(())
}

/// These may be had again.
///
/// # Errors
/// [`Error::Conflict`] names one that somebody has.
pub(super) async fn restore(tx: &Tx, org: OrgId, ids: &[MemoryId]) -> Result<(), Error> {
    for ids in ids.chunks(IDS_MAX) {
        if let Some(there) = reading::get(tx, org, ids).await?.pop() {
            return Err(changing::conflict(there.memory.id, "it is there already: read it again"));
        }
        let mut args = Args::default();
        let (org, ids) = (args.put(org.uuid()), args.list(ids.iter().map(|id| id.uuid())));
        let statement = args.statement(tx, format!("delete from memory_forgotten where org = {org} and id in {ids}"));
        tx.execute_raw(statement).await?;
    }
    Ok(())
}

pub(super) async fn among<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    ids: &[MemoryId],
) -> Result<Vec<MemoryId>, Error> {
    let mut found = Vec::new();
    for ids in ids.chunks(IDS_MAX) {
        let mut args = Args::default();
        let (org, ids) = (args.put(org.uuid()), args.list(ids.iter().map(|id| id.uuid())));
        let sql = format!("select id from memory_forgotten where org = {org} and id in {ids}");
        let statement = args.statement(connection, sql);
        for row in connection.query_all_raw(statement).await? {
            found.push(MemoryId::from_uuid(row.try_get("", "id")?));
        }
    }
    Ok(found)
}
