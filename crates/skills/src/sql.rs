mod migrations;

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::{Database, Tx};
use orchestrator_transcript::Digest;
use orchestrator_vocab::OrgId;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use crate::{Error, Remembered, SkillName, Store};

const COLUMNS: &str = "name, pinned, summary, confirmed, seen";

/// What is remembered of skills, on SQLite or PostgreSQL. Skills are the operator's, and so are the rows.
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
        orchestrator_sql::migrate(&database, "skills", migrations::ALL).await?;
        Ok(Self { database })
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn all(&self) -> Result<Vec<Remembered>, Error> {
        let sql = format!("select {COLUMNS} from skills_pins where org = $1 order by name");
        let reader = self.database.reader();
        let rows = reader.query_all_raw(statement(reader, &sql, [OrgId::LOCAL.uuid().into()])).await?;
        rows.iter().map(remembered).collect()
    }

    async fn first(&self, skill: Remembered) -> Result<Remembered, Error> {
        let skill = Arc::new(skill);
        self.database
            .write(move |tx| {
                let skill = skill.clone();
                Box::pin(async move {
                    insert(tx, &skill, "on conflict (org, name) do nothing").await?;
                    let sql = format!("select {COLUMNS} from skills_pins where org = $1 and name = $2");
                    let values = [OrgId::LOCAL.uuid().into(), skill.name.as_str().into()];
                    let row = tx.query_one_raw(statement(tx, &sql, values)).await?;
                    remembered(&row.ok_or_else(|| damaged("a row that was written is not there"))?)
                })
            })
            .await
    }

    async fn saw(&self, name: &SkillName, from: Digest, to: Digest, event: NewEvent) -> Result<bool, Error> {
        let parts = Arc::new((name.clone(), event));
        self.database
            .write(move |tx| {
                let parts = parts.clone();
                Box::pin(async move {
                    let (name, event) = &*parts;
                    let sql = "update skills_pins set seen = $1 where org = $2 and name = $3 and seen = $4";
                    let values = [
                        to.to_string().into(),
                        OrgId::LOCAL.uuid().into(),
                        name.as_str().into(),
                        from.to_string().into(),
                    ];
                    let is_first = tx.execute_raw(statement(tx, sql, values)).await?.rows_affected() > 0;
                    if is_first {
                        SqlLog::append(tx, [event.clone()]);
                    }
                    Ok(is_first)
                })
            })
            .await
    }

    async fn pin(&self, skill: Remembered, event: NewEvent) -> Result<(), Error> {
        let parts = Arc::new((skill, event));
        self.database
            .write(move |tx| {
                let parts = parts.clone();
                Box::pin(async move {
                    let (skill, event) = &*parts;
                    let otherwise = "on conflict (org, name) do update set pinned = excluded.pinned, \
                                     summary = excluded.summary, confirmed = excluded.confirmed, seen = excluded.seen";
                    insert(tx, skill, otherwise).await?;
                    SqlLog::append(tx, [event.clone()]);
                    Ok(())
                })
            })
            .await
    }

    async fn tell(&self, event: NewEvent) -> Result<(), Error> {
        Ok(SqlLog::tell(&self.database, event).await?)
    }
}

async fn insert(tx: &Tx, skill: &Remembered, otherwise: &str) -> Result<(), Error> {
    let sql = format!("insert into skills_pins (org, {COLUMNS}) values ($1, $2, $3, $4, $5, $6) {otherwise}");
    let summary = serde_json::to_string(&skill.summary).map_err(|error| Error::Store(Box::new(error)))?;
    let values = [
        OrgId::LOCAL.uuid().into(),
        skill.name.as_str().into(),
        skill.pinned.to_string().into(),
        summary.into(),
        i64::from(skill.confirmed).into(),
        skill.seen.to_string().into(),
    ];
    tx.execute_raw(statement(tx, &sql, values)).await?;
    Ok(())
}

fn remembered(row: &QueryResult) -> Result<Remembered, Error> {
    let digest = |text: String| text.parse::<Digest>().map_err(|error| damaged(&error.to_string()));
    let (name, summary): (String, String) = (row.try_get("", "name")?, row.try_get("", "summary")?);
    Ok(Remembered {
        name: name.parse().map_err(|error: crate::InvalidName| damaged(&error.to_string()))?,
        pinned: digest(row.try_get("", "pinned")?)?,
        summary: serde_json::from_str(&summary).map_err(|error| damaged(&error.to_string()))?,
        confirmed: row.try_get::<i64>("", "confirmed")? != 0,
        seen: digest(row.try_get("", "seen")?)?,
    })
}

fn damaged(problem: &str) -> Error {
    Error::Store(problem.into())
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
