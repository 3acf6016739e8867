//! Statements, and nothing that decides.

pub(crate) mod migrations;

use std::collections::BTreeSet;

use orchestrator_vocab::{AgentId, Capability, OrgId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use crate::{Error, Kind, Status};

const COLUMNS: &str = "org, id, kind, status, description, capabilities, max_concurrent, registered_at, last_seen";

/// What is stored of an agent. `None` says: as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) org: OrgId,
    pub(crate) id: AgentId,
    pub(crate) kind: Kind,
    pub(crate) status: Status,
    pub(crate) description: String,
    pub(crate) capabilities: Option<BTreeSet<Capability>>,
    pub(crate) max_concurrent: Option<u32>,
    pub(crate) registered_at: Timestamp,
    pub(crate) last_seen: Timestamp,
}

pub(crate) async fn all<C: ConnectionTrait>(connection: &C, org: OrgId) -> Result<Vec<Row>, Error> {
    let sql = format!("select {COLUMNS} from agents_agents where org = $1");
    rows(connection, &sql, [org.uuid().into()]).await
}

pub(crate) async fn find<C: ConnectionTrait>(connection: &C, org: OrgId, id: &AgentId) -> Result<Option<Row>, Error> {
    let sql = format!("select {COLUMNS} from agents_agents where org = $1 and id = $2");
    Ok(rows(connection, &sql, [org.uuid().into(), id.as_str().into()]).await?.pop())
}

pub(crate) async fn orgs<C: ConnectionTrait>(connection: &C) -> Result<Vec<OrgId>, Error> {
    let statement = statement(connection, "select distinct org from agents_agents where kind = $1", ["worker".into()]);
    let rows = connection.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok(OrgId::from_uuid(row.try_get("", "org")?))).collect()
}

pub(crate) async fn workers<C: ConnectionTrait>(connection: &C, org: OrgId) -> Result<usize, Error> {
    let sql = "select count(*) as workers from agents_agents where org = $1 and kind = $2";
    let row = connection.query_one_raw(statement(connection, sql, [org.uuid().into(), "worker".into()])).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get("", "workers"))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(crate) async fn put<C: ConnectionTrait>(connection: &C, row: &Row) -> Result<(), Error> {
    let sql = format!(
        "insert into agents_agents ({COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         on conflict (org, id) do update set kind = $3, status = $4, description = $5, capabilities = $6, \
         max_concurrent = $7, registered_at = $8, last_seen = $9"
    );
    let values = [
        row.org.uuid().into(),
        row.id.as_str().into(),
        kind_text(row.kind).into(),
        status_text(row.status).into(),
        row.description.as_str().into(),
        row.capabilities.as_ref().map(joined).into(),
        row.max_concurrent.map(i64::from).into(),
        row.registered_at.millis().into(),
        row.last_seen.millis().into(),
    ];
    connection.execute_raw(statement(connection, &sql, values)).await?;
    Ok(())
}

/// Whether there was such a row.
pub(crate) async fn delete<C: ConnectionTrait>(
    connection: &C,
    org: OrgId,
    id: &AgentId,
    kind: Kind,
) -> Result<bool, Error> {
    let sql = "delete from agents_agents where org = $1 and id = $2 and kind = $3";
    let values = [org.uuid().into(), id.as_str().into(), kind_text(kind).into()];
    Ok(connection.execute_raw(statement(connection, sql, values)).await?.rows_affected() > 0)
}

/// Workers of this status that were last heard of before `before`.
pub(crate) async fn silent<C: ConnectionTrait>(
    connection: &C,
    status: Status,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<Row>, Error> {
    let sql = format!(
        "select {COLUMNS} from agents_agents where kind = $1 and status = $2 and last_seen < $3 \
         order by last_seen limit $4"
    );
    let values = ["worker".into(), status_text(status).into(), before.millis().into(), i64::from(limit).into()];
    rows(connection, &sql, values).await
}

/// Moves a worker from one status to another if nobody heard of it since. Whether that was so.
pub(crate) async fn mark_lost<C: ConnectionTrait>(connection: &C, row: &Row) -> Result<bool, Error> {
    let sql = "update agents_agents set status = $1 where org = $2 and id = $3 and status = $4 and last_seen = $5";
    let values = [
        status_text(Status::Lost).into(),
        row.org.uuid().into(),
        row.id.as_str().into(),
        status_text(Status::Ready).into(),
        row.last_seen.millis().into(),
    ];
    Ok(connection.execute_raw(statement(connection, sql, values)).await?.rows_affected() > 0)
}

async fn rows<C: ConnectionTrait, const N: usize>(
    connection: &C,
    sql: &str,
    values: [Value; N],
) -> Result<Vec<Row>, Error> {
    connection.query_all_raw(statement(connection, sql, values)).await?.iter().map(row).collect()
}

fn row(row: &QueryResult) -> Result<Row, Error> {
    let id: String = row.try_get("", "id")?;
    let kind: String = row.try_get("", "kind")?;
    let status: String = row.try_get("", "status")?;
    let capabilities: Option<String> = row.try_get("", "capabilities")?;
    let max_concurrent: Option<i64> = row.try_get("", "max_concurrent")?;
    Ok(Row {
        org: OrgId::from_uuid(row.try_get("", "org")?),
        id: id.parse().map_err(damaged)?,
        kind: match kind.as_str() {
            "program" => Kind::Program,
            "defined" => Kind::Defined,
            _ => Kind::Worker,
        },
        status: match status.as_str() {
            "lost" => Status::Lost,
            "disabled" => Status::Disabled,
            _ => Status::Ready,
        },
        description: row.try_get("", "description")?,
        capabilities: capabilities
            .map(|text| text.split_whitespace().map(str::parse).collect::<Result<_, _>>())
            .transpose()
            .map_err(damaged)?,
        max_concurrent: max_concurrent.map(u32::try_from).transpose().map_err(damaged)?,
        registered_at: Timestamp(row.try_get("", "registered_at")?),
        last_seen: Timestamp(row.try_get("", "last_seen")?),
    })
}

fn joined(capabilities: &BTreeSet<Capability>) -> String {
    capabilities.iter().map(Capability::as_str).collect::<Vec<_>>().join(" ")
}

fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Program => "program",
        Kind::Defined => "defined",
        Kind::Worker => "worker",
    }
}

fn status_text(status: Status) -> &'static str {
    match status {
        Status::Ready => "ready",
        Status::Lost => "lost",
        Status::Disabled => "disabled",
        // Never written: it is what is read from the file today.
        Status::Invalid => "invalid",
    }
}

fn statement<C: ConnectionTrait, const N: usize>(connection: &C, sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Store(Box::new(error))
}

impl From<orchestrator_sql::Error> for Error {
    fn from(error: orchestrator_sql::Error) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        orchestrator_sql::Error::from(error).into()
    }
}
