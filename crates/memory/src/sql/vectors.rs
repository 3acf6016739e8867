use orchestrator_sql::Tx;
use orchestrator_vocab::{OrgId, Timestamp};
use sea_orm::{ConnectionTrait, QueryResult};

use super::args::Args;
use super::rows::{self, FACETS, bytes, floats};
use crate::{Error, Owners, Placed, Unembedded, Vector};

/// Any number will do as long as nothing else in the database locks it: "memory" in ASCII.
const VERSIONS_LOCK: i64 = 0x6d65_6d6f_7279;
/// So many rows in one statement.
const ROWS_MAX: usize = 500;

pub(super) async fn unembedded<C: ConnectionTrait>(
    connection: &C,
    embedder: &str,
    of: &Owners,
    after: i64,
    limit: usize,
) -> Result<Vec<Unembedded>, Error> {
    let mut args = Args::default();
    let whose = match of {
        Owners::One(org) => args.only_of(connection, *org),
        Owners::AllBut(none) if none.is_empty() => "1 = 1".to_owned(),
        Owners::AllBut(orgs) => format!("m.org not in {}", args.list(orgs.iter().map(|org| org.uuid()))),
    };
    let sql = format!(
        "select m.number, m.org, m.content from memory_memories as m where {whose} and m.number > {after} and not exists (select 1 from memory_vectors as v \
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
        lock_versions(tx).await?;
    }
    for some in vectors.chunks(ROWS_MAX) {
        let mut args = Args::default();
        let name = args.put(embedder);
        let made: Vec<String> = some.iter().map(|vector| made(&mut args, vector)).collect();
        let sql = format!(
            "with made (memory, vector) as (values {}) insert into memory_vectors (org, embedder, memory, vector) \
             select m.org, {name}, m.number, made.vector from made join memory_memories as m on m.number = made.memory \
             where true on conflict (memory, embedder) do nothing",
            made.join(", ")
        );
        let statement = args.statement(tx, sql);
        tx.execute_raw(statement).await?;
    }
    Ok(())
}

/// A row of them.
fn made(args: &mut Args, vector: &Vector) -> String {
    format!("(cast({} as bigint), {})", args.put(vector.number), args.put(bytes(&vector.values)))
}

/// What is asked of a memory has changed: whoever keeps its vector in memory reads it again.
pub(super) async fn renew(tx: &Tx, memory: i64) -> Result<(), Error> {
    let sql = if tx.is_postgres() {
        lock_versions(tx).await?;
        "update memory_vectors set version = nextval(pg_get_serial_sequence('memory_vectors', 'version')) where memory ="
    } else {
        // Or the numbers that were there would stay in a page that is free.
        tx.execute_unprepared("pragma secure_delete = on").await?;
        "insert or replace into memory_vectors (org, embedder, memory, vector) \
         select org, embedder, memory, vector from memory_vectors where memory ="
    };
    tx.execute_unprepared(&format!("{sql} {memory}")).await?;
    Ok(())
}

/// Versions are given before transactions end; readers go by them, so they have to appear in their order.
async fn lock_versions(tx: &Tx) -> Result<(), Error> {
    tx.execute_unprepared(&format!("select pg_advisory_xact_lock({VERSIONS_LOCK})")).await?;
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
        "select v.version, v.memory, v.vector, m.created_at, {FACETS} from memory_vectors as v \
         join memory_memories as m on m.number = v.memory \
         where v.org = {} and v.embedder = {} and v.version > {version} order by v.version limit {limit}",
        args.put(org.uuid()),
        args.put(embedder)
    );
    let statement = args.statement(connection, sql);
    let read = |row: &QueryResult| -> Result<_, Error> {
        let vector: Vec<u8> = row.try_get("", "vector")?;
        Ok(Placed {
            version: row.try_get("", "version")?,
            number: row.try_get("", "memory")?,
            values: floats(&vector),
            facets: rows::facets(row)?,
            created_at: Timestamp(row.try_get("", "created_at")?),
        })
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
        let (these, org) = (args.among(connection, "memory", numbers), args.only_of(connection, org));
        let embedder = args.put(embedder);
        let sql =
            format!("select memory, vector from memory_vectors where {these} and embedder = {embedder} and {org}");
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
