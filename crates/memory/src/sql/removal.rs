use std::collections::BTreeMap;

use orchestrator_sql::{Backend, Database, Tx};
use orchestrator_vocab::{OrgId, Timestamp};
use sea_orm::ConnectionTrait as _;

use super::{changing, forgotten, reading, text, usage};
use crate::{Error, MemoryId, Stored, Used};

/// All of these, and nobody else takes them before the end of the transaction.
///
/// # Errors
/// [`Error::Conflict`] names one that is not there any more.
pub(super) async fn claim(tx: &Tx, org: OrgId, ids: &[MemoryId]) -> Result<Vec<Stored>, Error> {
    let claimed = reading::get_for_update(tx, org, ids).await?;
    let is_there = |id: &&MemoryId| claimed.iter().any(|stored| stored.memory.id == **id);
    match ids.iter().find(|id| !is_there(id)) {
        Some(gone) => Err(changing::conflict(*gone, "somebody else removed it meanwhile")),
        None => Ok(claimed),
    }
}

/// Rows, words, vectors and counts.
pub(super) async fn remove(tx: &Tx, org: OrgId, gone: Vec<Stored>, now: Timestamp) -> Result<(), Error> {
    if gone.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = gone.iter().map(|stored| stored.number).collect();
    text::forget(tx, org, &numbers).await?;
    let among = text::among(&numbers);
    let vectors = among.replacen("number", "memory", 1);
    tx.execute_unprepared(&format!("delete from memory_vectors where {vectors}")).await?;
    tx.execute_unprepared(&format!("delete from memory_memories where {among}")).await?;
    for (place, less) in taken(&gone) {
        usage::subtract(tx, org, place, less).await?;
    }
    forgotten::remember(tx, org, &gone, now).await
}

/// What these take up.
pub(super) fn taken(gone: &[Stored]) -> BTreeMap<usage::Place, Used> {
    let mut taken: BTreeMap<_, Used> = BTreeMap::new();
    for Stored { memory, terms, .. } in gone {
        let less = taken.entry(usage::place(memory)).or_default();
        *less = usage::sum(*less, usage::of(memory, terms));
    }
    taken
}

/// SQLite leaves what was deleted in free pages and in its write-ahead log, PostgreSQL in dead rows until they are vacuumed.
pub(super) async fn scrub(database: &Database) -> Result<(), Error> {
    if database.backend() == Backend::Sqlite {
        database.write(|tx| Box::pin(text::optimize(tx))).await?;
    }
    Ok(database.scrub(&["memory_memories", "memory_vectors"]).await?)
}
