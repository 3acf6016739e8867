use orchestrator_sql::Tx;
use orchestrator_vocab::OrgId;
use sea_orm::{ConnectionTrait, QueryResult};

use super::args::Args;
use super::rows::{bytes, floats};
use super::text::among;
use crate::{Error, Owners, Placed, Unembedded, Vector};

/// Any number will do as long as nothing else in the database locks it: "memory" in ASCII.
const VERSIONS_LOCK: i64 = 0x6d65_6d6f_7279;
/// So many rows in one statement.
const ROWS_MAX: usize = 500;

pub(super) async fn unembedded<C: ConnectionTrait>(
    connection: &C,
    embedder: &str,
    of: &Owners,
    limit: usize,
) -> Result<Vec<Unembedded>, Error> {
    let mut args = Args::default();
    let whose = match of {
        Owners::One(org) => format!("m.org = {}", args.put(org.uuid())),
        Owners::AllBut(none) if none.is_empty() => "1 = 1".to_owned(),
        Owners::AllBut(orgs) => format!("m.org not in {}", args.list(orgs.iter().map(|org| org.uuid()))),
    };
    let sql = format!(
        "select m.number, m.org, m.content from memory_memories as m where {whose} and not exists (select 1 from memory_vectors as v \
         where v.memory = m.number and v.embedder = {}) order by m.number limit {limit}",
        args.put(embedder)
    );
    let statement = args.statement(connection, sql);
    let read = |row: &QueryResult| -> Result<_, Error> {
        let org = OrgId::from_uuid(row.try_get("", "org")?);
        Ok(Unembedded { org, number: row.try_get("", "number")?, text: row.try_get("", "content")? })
    };
    connection.query_all_raw(statement).await?.iter().map(read).collect()
}

/// A memory may be gone by now, or have been embedded by another daemon: neither is a fault.
pub(super) async fn embed(tx: &Tx, embedder: &str, vectors: &[Vector]) -> Result<(), Error> {
    if tx.is_postgres() {
        // Versions are given before transactions end; readers go by them, so they have to appear in their order.
        tx.execute_unprepared(&format!("select pg_advisory_xact_lock({VERSIONS_LOCK})")).await?;
    }
    for vector in vectors {
        let mut args = Args::default();
        let sql = format!(
            "insert into memory_vectors (org, embedder, memory, vector) \
             select org, {}, number, {} from memory_memories where number = {} on conflict (memory, embedder) do nothing",
            args.put(embedder),
            args.put(bytes(&vector.values)),
            vector.number
        );
        let statement = args.statement(tx, sql);
        tx.execute_raw(statement).await?;
    }
    Ok(())
}

pub(super) async fn after<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    embedder: &str,
    version: i64,
    limit: usize,
) -> Result<Vec<Placed>, Error> {
    let mut args = Args::default();
    let sql = format!(
        "select version, memory, vector from memory_vectors where org = {} and embedder = {} and version > {version} \
         order by version limit {limit}",
        args.put(org.uuid()),
        args.put(embedder)
    );
    let statement = args.statement(connection, sql);
    let read = |row: &QueryResult| -> Result<_, Error> {
        let vector: Vec<u8> = row.try_get("", "vector")?;
        let (version, number) = (row.try_get("", "version")?, row.try_get("", "memory")?);
        Ok(Placed { version, number, values: floats(&vector) })
    };
    connection.query_all_raw(statement).await?.iter().map(read).collect()
}

pub(super) async fn of<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    embedder: &str,
    numbers: &[i64],
) -> Result<Vec<(i64, Vec<f32>)>, Error> {
    let mut found = Vec::new();
    for numbers in numbers.chunks(ROWS_MAX) {
        let mut args = Args::default();
        let sql = format!(
            "select memory, vector from memory_vectors where org = {} and embedder = {} and {}",
            args.put(org.uuid()),
            args.put(embedder),
            among(numbers).replacen("number", "memory", 1)
        );
        let statement = args.statement(connection, sql);
        for row in connection.query_all_raw(statement).await? {
            let vector: Vec<u8> = row.try_get("", "vector")?;
            found.push((row.try_get("", "memory")?, floats(&vector)));
        }
    }
    Ok(found)
}

pub(super) async fn forget(tx: &Tx, except: &str, limit: usize) -> Result<u64, Error> {
    let mut args = Args::default();
    let sql = format!(
        "delete from memory_vectors where version in \
         (select version from memory_vectors where embedder <> {} limit {limit})",
        args.put(except)
    );
    let statement = args.statement(tx, sql);
    Ok(tx.execute_raw(statement).await?.rows_affected())
}
