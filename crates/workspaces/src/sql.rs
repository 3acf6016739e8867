mod migrations;

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::{Database, Tx};
use orchestrator_vocab::{OrgId, SessionId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use crate::{Error, Query, Status, Store, Workspace};

/// Workspaces on SQLite or PostgreSQL.
#[derive(Debug, Clone)]
pub struct SqlStore {
    database: Database,
}

impl SqlStore {
    /// Brings the tables up to date. The database must have been connected with the
    /// [`Numbering`](orchestrator_events::Numbering) of its event log.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn open(database: Database) -> Result<Self, Error> {
        orchestrator_sql::migrate(&database, "workspaces", migrations::ALL).await?;
        Ok(Self { database })
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn insert(&self, workspace: Workspace) -> Result<Workspace, Error> {
        let workspace = Arc::new(workspace);
        self.database
            .write(move |tx| {
                let workspace = workspace.clone();
                Box::pin(async move {
                    insert(tx, &workspace).await?;
                    let stored = find(tx, workspace.org, workspace.session).await?;
                    stored.ok_or(Error::NotFound(workspace.session))
                })
            })
            .await
    }

    async fn update(&self, workspace: Workspace, from: Status, events: Vec<NewEvent>) -> Result<(), Error> {
        let change = Arc::new((workspace, events));
        self.database
            .write(move |tx| {
                let change = change.clone();
                Box::pin(async move {
                    let (workspace, events) = &*change;
                    if update(tx, workspace, from).await? {
                        SqlLog::append(tx, events.iter().cloned());
                        return Ok(());
                    }
                    let exists = find(tx, workspace.org, workspace.session).await?.is_some();
                    Err(if exists { Error::Raced(workspace.session) } else { Error::NotFound(workspace.session) })
                })
            })
            .await
    }

    async fn get(&self, org: OrgId, session: SessionId) -> Result<Option<Workspace>, Error> {
        find(self.database.reader(), org, session).await
    }

    async fn list(&self, org: OrgId, query: Query) -> Result<Vec<Workspace>, Error> {
        let limit = signed(query.limit);
        match query.before {
            Some(before) => {
                let sql = "select body from workspaces_workspaces where org = $1 and session < $2 \
                           order by session desc limit $3";
                let values = [org.uuid().into(), before.uuid().into(), limit.into()];
                workspaces(self.database.reader(), sql, values).await
            }
            None => {
                let sql = "select body from workspaces_workspaces where org = $1 order by session desc limit $2";
                workspaces(self.database.reader(), sql, [org.uuid().into(), limit.into()]).await
            }
        }
    }

    async fn open_on(
        &self,
        node: &str,
        after: Option<(OrgId, SessionId)>,
        limit: usize,
    ) -> Result<Vec<Workspace>, Error> {
        let limit = signed(limit);
        match after {
            Some((org, session)) => {
                let sql = "select body from workspaces_workspaces where node = $1 and closed_at is null \
                           and (org, session) > ($2, $3) order by org, session limit $4";
                let values = [node.into(), org.uuid().into(), session.uuid().into(), limit.into()];
                workspaces(self.database.reader(), sql, values).await
            }
            None => {
                let sql = "select body from workspaces_workspaces where node = $1 and closed_at is null \
                           order by org, session limit $2";
                workspaces(self.database.reader(), sql, [node.into(), limit.into()]).await
            }
        }
    }

    async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let sql = "delete from workspaces_workspaces where (org, session) in (select org, session \
                               from workspaces_workspaces where closed_at < $1 order by closed_at limit $2)";
                    let values = [before.millis().into(), signed(limit).into()];
                    Ok(tx.execute_raw(statement(tx, sql, values)).await?.rows_affected())
                })
            })
            .await
    }
}

async fn insert(tx: &Tx, workspace: &Workspace) -> Result<(), Error> {
    let sql = "insert into workspaces_workspaces (org, session, status, node, closed_at, body) \
               values ($1, $2, $3, $4, $5, $6) on conflict (org, session) do nothing";
    let values = [
        workspace.org.uuid().into(),
        workspace.session.uuid().into(),
        workspace.status.as_str().into(),
        workspace.node.as_str().into(),
        workspace.closed_at.map(Timestamp::millis).into(),
        body(workspace).into(),
    ];
    tx.execute_raw(statement(tx, sql, values)).await?;
    Ok(())
}

async fn update(tx: &Tx, workspace: &Workspace, from: Status) -> Result<bool, Error> {
    let sql = "update workspaces_workspaces set status = $1, closed_at = $2, body = $3 \
               where org = $4 and session = $5 and status = $6";
    let values = [
        workspace.status.as_str().into(),
        workspace.closed_at.map(Timestamp::millis).into(),
        body(workspace).into(),
        workspace.org.uuid().into(),
        workspace.session.uuid().into(),
        from.as_str().into(),
    ];
    Ok(tx.execute_raw(statement(tx, sql, values)).await?.rows_affected() > 0)
}

async fn find<C: ConnectionTrait>(connection: &C, org: OrgId, session: SessionId) -> Result<Option<Workspace>, Error> {
    let sql = "select body from workspaces_workspaces where org = $1 and session = $2";
    Ok(workspaces(connection, sql, [org.uuid().into(), session.uuid().into()]).await?.pop())
}

async fn workspaces<C: ConnectionTrait, const N: usize>(
    connection: &C,
    sql: &str,
    values: [Value; N],
) -> Result<Vec<Workspace>, Error> {
    connection.query_all_raw(statement(connection, sql, values)).await?.iter().map(workspace).collect()
}

fn workspace(row: &QueryResult) -> Result<Workspace, Error> {
    let body: String = row.try_get("", "body")?;
    serde_json::from_str(&body).map_err(|damaged| Error::Store(Box::new(damaged)))
}

fn body(workspace: &Workspace) -> String {
    serde_json::to_string(workspace).expect("a workspace is plain data and its paths are text")
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn statement<C: ConnectionTrait, const N: usize>(connection: &C, sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
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
