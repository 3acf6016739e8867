mod migrations;

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::{Database, Tx};
use orchestrator_transcript::Digest;
use orchestrator_vocab::OrgId;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use super::store::{Remembered, Store};
use crate::Error;

/// What is remembered of tools, on SQLite or PostgreSQL. Servers are the operator's, and so are the rows.
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
        orchestrator_sql::migrate(&database, "mcp", migrations::ALL).await?;
        Ok(Self { database })
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn of(&self, server: &str) -> Result<Vec<Remembered>, Error> {
        let sql = "select tool, pinned, definition, seen from mcp_tools where org = $1 and server = $2 order by tool";
        let reader = self.database.reader();
        let rows = reader.query_all_raw(statement(reader, sql, [OrgId::LOCAL.uuid().into(), server.into()])).await?;
        rows.iter().map(remembered).collect()
    }

    async fn insert(&self, server: &str, tools: Vec<Remembered>) -> Result<(), Error> {
        let parts = Arc::new((server.to_owned(), tools));
        self.database
            .write(move |tx| {
                let parts = parts.clone();
                Box::pin(async move {
                    let (server, tools) = &*parts;
                    for tool in tools {
                        insert(tx, server, tool, "on conflict (org, server, tool) do nothing").await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn saw(&self, server: &str, tool: &str, from: Digest, to: Digest, event: NewEvent) -> Result<bool, Error> {
        let parts = Arc::new((server.to_owned(), tool.to_owned(), event));
        self.database
            .write(move |tx| {
                let parts = parts.clone();
                Box::pin(async move {
                    let (server, tool, event) = &*parts;
                    let sql =
                        "update mcp_tools set seen = $1 where org = $2 and server = $3 and tool = $4 and seen = $5";
                    let values = [
                        to.to_string().into(),
                        OrgId::LOCAL.uuid().into(),
                        server.as_str().into(),
                        tool.as_str().into(),
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

    async fn pin(
        &self,
        server: &str,
        tool: &str,
        pinned: (Digest, serde_json::Value),
        event: NewEvent,
    ) -> Result<(), Error> {
        let seen = pinned.0;
        let tool = Remembered { tool: tool.to_owned(), pinned: Some(pinned), seen };
        let parts = Arc::new((server.to_owned(), tool, event));
        self.database
            .write(move |tx| {
                let parts = parts.clone();
                Box::pin(async move {
                    let (server, tool, event) = &*parts;
                    let otherwise = "on conflict (org, server, tool) do update set pinned = excluded.pinned, \
                                     definition = excluded.definition, seen = excluded.seen";
                    insert(tx, server, tool, otherwise).await?;
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

async fn insert(tx: &Tx, server: &str, tool: &Remembered, otherwise: &str) -> Result<(), Error> {
    let sql = format!(
        "insert into mcp_tools (org, server, tool, pinned, definition, seen) values ($1, $2, $3, $4, $5, $6) {otherwise}"
    );
    let (pinned, definition) = match &tool.pinned {
        Some((digest, definition)) => (Some(digest.to_string()), Some(definition.to_string())),
        None => (None, None),
    };
    let values = [
        OrgId::LOCAL.uuid().into(),
        server.into(),
        tool.tool.as_str().into(),
        pinned.into(),
        definition.into(),
        tool.seen.to_string().into(),
    ];
    tx.execute_raw(statement(tx, &sql, values)).await?;
    Ok(())
}

fn remembered(row: &QueryResult) -> Result<Remembered, Error> {
    let damaged = |error: &dyn std::fmt::Display| Error::Store(error.to_string().into());
    let digest = |text: String| text.parse::<Digest>().map_err(|error| damaged(&error));
    let pinned: Option<String> = row.try_get("", "pinned")?;
    let definition: Option<String> = row.try_get("", "definition")?;
    let pinned = match (pinned, definition) {
        (Some(pinned), Some(definition)) => {
            Some((digest(pinned)?, serde_json::from_str(&definition).map_err(|error| damaged(&error))?))
        }
        _ => None,
    };
    Ok(Remembered { tool: row.try_get("", "tool")?, pinned, seen: digest(row.try_get("", "seen")?)? })
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
