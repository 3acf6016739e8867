use std::collections::BTreeMap;

use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::{Backend, Database, Tx};
use orchestrator_vocab::OrgId;
use sea_orm::ConnectionTrait as _;

use super::{reading, text, usage};
use crate::{Error, MemoryId, Prepared, Stored, Used};

/// Rows, words, vectors and counts.
pub(super) async fn remove(tx: &Tx, org: OrgId, ids: &[MemoryId], events: &[NewEvent]) -> Result<Vec<MemoryId>, Error> {
    let gone = reading::get(tx, org, ids).await?;
    let numbers: Vec<i64> = gone.iter().map(|stored| stored.number).collect();
    let names = gone.iter().map(|stored| stored.memory.id).collect();
    if !numbers.is_empty() {
        if !tx.is_postgres() {
            // What is deleted is overwritten, here and in whatever this connection does later.
            tx.execute_unprepared("pragma secure_delete = on").await?;
        }
        text::forget(tx, org, &numbers).await?;
        let among = text::among(&numbers);
        let vectors = among.replacen("number", "memory", 1);
        tx.execute_unprepared(&format!("delete from memory_vectors where {vectors}")).await?;
        tx.execute_unprepared(&format!("delete from memory_memories where {among}")).await?;
        for (place, less) in taken(gone) {
            usage::subtract(tx, org, place, less).await?;
        }
    }
    SqlLog::append(tx, events.iter().cloned());
    Ok(names)
}

fn taken(gone: Vec<Stored>) -> BTreeMap<usage::Place, Used> {
    let mut taken: BTreeMap<_, Used> = BTreeMap::new();
    for Stored { memory, terms, digest, .. } in gone {
        let less = taken.entry(usage::place(&memory)).or_default();
        *less = usage::sum(*less, usage::of(&Prepared { memory, terms, digest }));
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
