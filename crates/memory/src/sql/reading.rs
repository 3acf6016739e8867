use orchestrator_sql::Tx;
use orchestrator_vocab::{OrgId, SessionId, Timestamp};
use sea_orm::ConnectionTrait;

use super::args::{Args, signed};
use super::rows::{self, COLUMNS};
use crate::{Error, Filter, MemoryId, Stored};

/// So many ids in one statement.
const IDS_MAX: usize = 500;

pub(super) async fn get<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    ids: &[MemoryId],
) -> Result<Vec<Stored>, Error> {
    find(connection, org, ids, "").await
}

/// As they are once nobody else changes them, and until the end of the transaction.
pub(super) async fn get_for_update(tx: &Tx, org: OrgId, ids: &[MemoryId]) -> Result<Vec<Stored>, Error> {
    // SQLite has one writer.
    find(tx, org, ids, if tx.is_postgres() { " order by number for update" } else { "" }).await
}

async fn find<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    ids: &[MemoryId],
    lock: &str,
) -> Result<Vec<Stored>, Error> {
    let mut found = Vec::new();
    for ids in ids.chunks(IDS_MAX) {
        let mut args = Args::default();
        let (org, ids) = (args.put(org.uuid()), args.list(ids.iter().map(|id| id.uuid())));
        let sql = format!("select {COLUMNS} from memory_memories as m where org = {org} and id in {ids}{lock}");
        found.extend(rows::all(connection, sql, args).await?);
    }
    Ok(found)
}

pub(super) async fn saying<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    digests: &[[u8; 32]],
) -> Result<Vec<Stored>, Error> {
    let mut found = Vec::new();
    for digests in digests.chunks(IDS_MAX) {
        let mut args = Args::default();
        let (org, digests) = (args.put(org.uuid()), args.list(digests.iter().map(|digest| digest.to_vec())));
        let sql = format!("select {COLUMNS} from memory_memories as m where org = {org} and digest in {digests}");
        found.extend(rows::all(connection, sql, args).await?);
    }
    Ok(found)
}

pub(super) async fn list<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    filter: &Filter,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Stored>, Error> {
    let mut args = Args::default();
    let org = args.put(org.uuid());
    let conditions = args.conditions(filter);
    let before = before.map(|number| format!(" and number < {}", args.put(number))).unwrap_or_default();
    let sql = format!(
        "select {COLUMNS} from memory_memories as m where org = {org} and {conditions}{before} \
         order by number desc limit {limit}"
    );
    rows::all(connection, sql, args).await
}

pub(super) async fn passing<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    numbers: &[i64],
    filter: &Filter,
) -> Result<Vec<Stored>, Error> {
    let mut found = Vec::new();
    for numbers in numbers.chunks(IDS_MAX) {
        let mut args = Args::default();
        let (these, org) = (args.among(connection, "number", numbers), args.only_of(connection, org));
        let conditions = args.conditions(filter);
        let sql = format!("select {COLUMNS} from memory_memories as m where {these} and {org} and {conditions}");
        found.extend(rows::all(connection, sql, args).await?);
    }
    Ok(found)
}

pub(super) async fn at_places<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    places: &[(SessionId, u64)],
) -> Result<Vec<Stored>, Error> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let mut args = Args::default();
    let wanted: Vec<String> = places
        .iter()
        .map(|(session, place)| format!("({}, {})", args.put(session.uuid()), args.put(signed(*place))))
        .collect();
    // One after the other by the index of places. Any of many conditions would be looked for in all that ever happened.
    let sql = format!(
        "with wanted (session, place) as (values {}) select {COLUMNS} from wanted cross join memory_memories as m \
         where m.org = {} and m.session = wanted.session and m.place = wanted.place and m.tier = 'episodic'",
        wanted.join(", "),
        args.put(org.uuid())
    );
    rows::all(connection, sql, args).await
}

pub(super) async fn expired<C: ConnectionTrait>(
    connection: &C,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<(OrgId, MemoryId)>, Error> {
    let mut args = Args::default();
    let now = args.put(now.millis());
    let sql =
        format!("select org, id from memory_memories where expires_at <= {now} order by expires_at limit {limit}");
    let statement = args.statement(connection, sql);
    let named = |row: &sea_orm::QueryResult| -> Result<_, Error> {
        Ok((OrgId::from_uuid(row.try_get("", "org")?), MemoryId::from_uuid(row.try_get("", "id")?)))
    };
    connection.query_all_raw(statement).await?.iter().map(named).collect()
}

/// The oldest tells which session is next.
pub(super) async fn aged<C: ConnectionTrait>(
    connection: &C,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<Stored>, Error> {
    let mut args = Args::default();
    let oldest = format!(
        "select {COLUMNS} from memory_memories as m where tier = 'episodic' and created_at < {} \
         order by created_at, number limit 1",
        args.put(before.millis())
    );
    let Some(first) = rows::all(connection, oldest, args).await?.pop() else { return Ok(Vec::new()) };
    let mut args = Args::default();
    let (org, before) = (args.put(first.memory.org.uuid()), args.put(before.millis()));
    let of_session = match first.memory.session {
        Some(session) => format!("session = {}", args.put(session.uuid())),
        None => "session is null".to_owned(),
    };
    let sql = format!(
        "select {COLUMNS} from memory_memories as m where org = {org} and tier = 'episodic' and created_at < {before} \
         and {of_session} order by number limit {limit}"
    );
    rows::all(connection, sql, args).await
}
