mod journal;
mod migrations;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::{Batch, Database, Tx};
use orchestrator_vocab::{OrgId, SessionId, TaskId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use crate::{Append, Error, Listing, Numbered, Query, Session, Status, Store};

/// The most sessions whose steps are written together.
const STEPS_MAX: usize = 128;

/// Steps of sessions that wait to be written.
type Steps = Batch<Append, u64, Error>;

/// Sessions on SQLite or PostgreSQL. Steps that sessions take at the same time are written together.
#[derive(Debug, Clone)]
pub struct SqlStore {
    database: Database,
    steps: Steps,
}

impl SqlStore {
    /// Where texts are: what [`Database::scrub`] is to see to after something was forgotten.
    pub const TABLES: [&str; 2] = ["sessions_sessions", "sessions_journal"];

    /// Brings the tables up to date. The database must have been connected with the
    /// [`Numbering`](orchestrator_events::Numbering) of its event log.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn open(database: Database) -> Result<Self, Error> {
        orchestrator_sql::migrate(&database, "sessions", migrations::ALL).await?;
        Ok(Self { database, steps: Steps::new(STEPS_MAX) })
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn insert(&self, session: Session, events: Vec<NewEvent>) -> Result<(), Error> {
        let change = Arc::new((session, events));
        self.database
            .write(move |tx| {
                let change = change.clone();
                Box::pin(async move {
                    insert(tx, &change.0).await?;
                    SqlLog::append(tx, change.1.iter().cloned());
                    Ok(())
                })
            })
            .await
    }

    async fn update(&self, session: Session, events: Vec<NewEvent>) -> Result<(), Error> {
        let change = Arc::new((session, events));
        self.database
            .write(move |tx| {
                let change = change.clone();
                Box::pin(async move {
                    if update(tx, &change.0).await? {
                        SqlLog::append(tx, change.1.iter().cloned());
                        return Ok(());
                    }
                    Err(refused(tx, change.0.org, change.0.id).await?)
                })
            })
            .await
    }

    async fn get(&self, org: OrgId, id: SessionId) -> Result<Option<Session>, Error> {
        find(self.database.reader(), org, id).await
    }

    async fn list(&self, org: OrgId, query: Query) -> Result<Listing, Error> {
        // Page and total are of one moment.
        self.database.read(move |tx| Box::pin(list(tx, org, query))).await
    }

    async fn counts(&self, org: OrgId) -> Result<BTreeMap<Status, u64>, Error> {
        let sql = "select status, count(*) as sessions from sessions_sessions where org = $1 group by status";
        let reader = self.database.reader();
        let rows = reader.query_all_raw(statement(reader, sql, [org.uuid().into()])).await?;
        rows.iter().map(count).collect()
    }

    async fn left_behind(&self, node: &str, epoch: u64, limit: usize) -> Result<Vec<Session>, Error> {
        let sql = "select body, entries, turns from sessions_sessions \
                   where node = $1 and epoch < $2 and ended_at is null and status <> 'suspended' limit $3";
        sessions(self.database.reader(), sql, [node.into(), signed(epoch).into(), signed(limit as u64).into()]).await
    }

    async fn open_of_task(&self, org: OrgId, task: TaskId) -> Result<Vec<Session>, Error> {
        let sql = "select body, entries, turns from sessions_sessions \
                   where org = $1 and task = $2 and ended_at is null order by id";
        sessions(self.database.reader(), sql, [org.uuid().into(), task.uuid().into()]).await
    }

    async fn suspended(&self, after: Option<SessionId>, limit: usize) -> Result<Vec<Session>, Error> {
        let (reader, limit) = (self.database.reader(), signed(limit as u64));
        let from = "select body, entries, turns from sessions_sessions where status = 'suspended'";
        match after {
            None => sessions(reader, &format!("{from} order by id limit $1"), [limit.into()]).await,
            Some(after) => {
                let sql = format!("{from} and id > $1 order by id limit $2");
                sessions(reader, &sql, [after.uuid().into(), limit.into()]).await
            }
        }
    }

    async fn append(&self, append: Append) -> Result<u64, Error> {
        if journal::is_step(&append) {
            return self.steps.write(&self.database, append, |tx, steps| Box::pin(journal::take(tx, steps))).await;
        }
        let append = Arc::new(append);
        self.database
            .write(move |tx| {
                let append = append.clone();
                Box::pin(async move { journal::append(tx, &append).await })
            })
            .await
    }

    async fn entries(&self, org: OrgId, id: SessionId, after: u64, limit: usize) -> Result<Vec<Numbered>, Error> {
        journal::entries(self.database.reader(), org, id, after, limit).await
    }

    async fn newest(&self, org: OrgId, before: Option<SessionId>, limit: usize) -> Result<Vec<Session>, Error> {
        let (reader, limit) = (self.database.reader(), signed(limit as u64));
        let from = "select body, entries, turns from sessions_sessions where org = $1";
        match before {
            None => {
                sessions(reader, &format!("{from} order by id desc limit $2"), [org.uuid().into(), limit.into()]).await
            }
            Some(before) => {
                let sql = format!("{from} and id < $2 order by id desc limit $3");
                sessions(reader, &sql, [org.uuid().into(), before.uuid().into(), limit.into()]).await
            }
        }
    }

    async fn keys(&self, org: OrgId, id: SessionId) -> Result<Vec<String>, Error> {
        journal::keys(self.database.reader(), org, id).await
    }

    async fn rewrite(&self, session: Session, entries: Vec<Numbered>) -> Result<bool, Error> {
        let change = Arc::new((session, entries));
        self.database
            .write(move |tx| {
                let change = change.clone();
                Box::pin(async move { journal::rewrite(tx, &change.0, &change.1).await })
            })
            .await
    }

    async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        self.database.write(move |tx| Box::pin(journal::trim(tx, before, limit))).await
    }
}

async fn insert(tx: &Tx, session: &Session) -> Result<(), Error> {
    let sql = "insert into sessions_sessions (org, id, status, node, epoch, ended_at, body, task, fence) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let values = [
        session.org.uuid().into(),
        session.id.uuid().into(),
        session.state.status().as_str().into(),
        session.node.as_str().into(),
        signed(session.epoch).into(),
        session.ended_at.map(Timestamp::millis).into(),
        body(session).into(),
        session.task.uuid().into(),
        signed(session.fence).into(),
    ];
    tx.execute_raw(statement(tx, sql, values)).await?;
    Ok(())
}

async fn update(tx: &Tx, session: &Session) -> Result<bool, Error> {
    let sql = "update sessions_sessions set status = $1, ended_at = $2, body = $3, node = $4, epoch = $5, fence = $6 \
               where org = $7 and id = $8 and ended_at is null and fence <= $9";
    let values = [
        session.state.status().as_str().into(),
        session.ended_at.map(Timestamp::millis).into(),
        body(session).into(),
        session.node.as_str().into(),
        signed(session.epoch).into(),
        signed(session.fence).into(),
        session.org.uuid().into(),
        session.id.uuid().into(),
        signed(session.fence).into(),
    ];
    Ok(tx.execute_raw(statement(tx, sql, values)).await?.rows_affected() > 0)
}

/// Why a session could not be changed.
async fn refused(tx: &Tx, org: OrgId, id: SessionId) -> Result<Error, Error> {
    Ok(match find(tx, org, id).await? {
        None => Error::NotFound(id),
        Some(session) if session.state.is_ended() => Error::Ended(id),
        Some(_) => Error::Stale(id),
    })
}

async fn find<C: ConnectionTrait>(connection: &C, org: OrgId, id: SessionId) -> Result<Option<Session>, Error> {
    let sql = "select body, entries, turns from sessions_sessions where org = $1 and id = $2";
    Ok(sessions(connection, sql, [org.uuid().into(), id.uuid().into()]).await?.pop())
}

async fn list(tx: &Tx, org: OrgId, query: Query) -> Result<Listing, Error> {
    let filter = if query.status.is_some() { "org = $1 and status = $2" } else { "org = $1 and $2 = ''" };
    let status = query.status.map_or("", Status::as_str);
    let count = format!("select count(*) as sessions from sessions_sessions where {filter}");
    let row = tx.query_one_raw(statement(tx, &count, [org.uuid().into(), status.into()])).await?;
    let total: i64 = row.map_or(Ok(0), |row| row.try_get("", "sessions"))?;
    let page = format!(
        "select body, entries, turns from sessions_sessions where {filter} order by id desc limit $3 offset $4"
    );
    let (limit, offset) = (signed(query.limit as u64), signed(query.offset as u64));
    let values = [org.uuid().into(), status.into(), limit.into(), offset.into()];
    Ok(Listing { sessions: sessions(tx, &page, values).await?, total: total.unsigned_abs() })
}

async fn sessions<C: ConnectionTrait, const N: usize>(
    connection: &C,
    sql: &str,
    values: [Value; N],
) -> Result<Vec<Session>, Error> {
    connection.query_all_raw(statement(connection, sql, values)).await?.iter().map(session).collect()
}

fn session(row: &QueryResult) -> Result<Session, Error> {
    let body: String = row.try_get("", "body")?;
    let (entries, turns): (i64, i64) = (row.try_get("", "entries")?, row.try_get("", "turns")?);
    let session = serde_json::from_str(&body).map_err(|damaged| Error::Store(Box::new(damaged)))?;
    Ok(Session { entries: entries.unsigned_abs(), turns: turns.unsigned_abs(), ..session })
}

fn count(row: &QueryResult) -> Result<(Status, u64), Error> {
    let status: String = row.try_get("", "status")?;
    let sessions: i64 = row.try_get("", "sessions")?;
    let status = serde_json::from_value(status.into()).map_err(|damaged| Error::Store(Box::new(damaged)))?;
    Ok((status, sessions.unsigned_abs()))
}

fn body(session: &Session) -> String {
    serde_json::to_string(session).expect("a session is plain data")
}

fn signed(number: u64) -> i64 {
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
