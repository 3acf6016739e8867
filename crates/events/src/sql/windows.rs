use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_redact::Forget;
use orchestrator_sql::{Database, Tx};
use orchestrator_vocab::{OrgId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use crate::window::{Bookmark, Bounds, Record, WindowId, WindowStore};
use crate::{Error, SqlLog};

/// Rows in one statement: four or five values each, and SQLite takes 32,766 of them.
const ROWS_PER_STATEMENT: usize = 500;
const COLUMNS: &str = "id, org, subject, generation, positions, seen";

/// Windows on SQLite or PostgreSQL, beside the log.
#[derive(Debug, Clone)]
pub struct SqlWindows(Database);

impl SqlWindows {
    /// The windows of the log's database.
    pub fn beside(log: &SqlLog) -> Self {
        Self(log.database.clone())
    }
}

#[async_trait]
impl WindowStore for SqlWindows {
    async fn put(&self, record: Record, bounds: Bounds) -> Result<bool, Error> {
        self.0.write(move |tx| Box::pin(put(tx, record.clone(), bounds))).await
    }

    async fn take(
        &self,
        org: OrgId,
        subject: &str,
        id: WindowId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Record>, Error> {
        let values =
            vec![now.millis().into(), id.uuid().into(), org.uuid().into(), subject.into(), since.millis().into()];
        self.0
            .write(move |tx| {
                let values = values.clone();
                Box::pin(async move {
                    let sql = format!(
                        "update events_windows set generation = generation + 1, seen = $1 \
                         where id = $2 and org = $3 and subject = $4 and seen >= $5 returning {COLUMNS}"
                    );
                    let Some(row) = tx.query_one_raw(statement(tx, &sql, values)).await.map_err(store)? else {
                        return Ok(None);
                    };
                    let sql = "select definitions from events_windows_definitions where id = $1";
                    let definitions = tx.query_one_raw(statement(tx, sql, vec![id.uuid().into()])).await;
                    read(&row, definitions.map_err(store)?.as_ref()).map(Some)
                })
            })
            .await
    }

    async fn save(&self, bookmarks: Vec<Bookmark>) -> Result<(), Error> {
        if bookmarks.is_empty() {
            return Ok(());
        }
        self.0
            .write(move |tx| {
                let bookmarks = bookmarks.clone();
                Box::pin(async move {
                    for chunk in bookmarks.chunks(ROWS_PER_STATEMENT) {
                        save(tx, chunk).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn generations(&self, ids: &[WindowId]) -> Result<Vec<(WindowId, u64)>, Error> {
        let connection = self.0.reader();
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(ROWS_PER_STATEMENT) {
            let places: Vec<String> = (1..=chunk.len()).map(|n| format!("${n}")).collect();
            let sql = format!("select id, generation from events_windows where id in ({})", places.join(", "));
            let values = chunk.iter().map(|id| id.uuid().into()).collect();
            for row in connection.query_all_raw(statement(connection, &sql, values)).await.map_err(store)? {
                let id = WindowId::from_uuid(row.try_get("", "id").map_err(store)?);
                found.push((id, unsigned(&row, "generation")?));
            }
        }
        Ok(found)
    }

    async fn forget(&self, org: OrgId, forget: &Forget) -> Result<u64, Error> {
        // There are never more than the bounds of an organisation allow.
        let connection = self.0.reader();
        let sql = "select w.id, w.org, w.subject, w.generation, w.positions, w.seen, d.definitions from events_windows w \
                   left join events_windows_definitions d on d.id = w.id where w.org = $1";
        let rows =
            connection.query_all_raw(statement(connection, sql, vec![org.uuid().into()])).await.map_err(store)?;
        let records: Vec<Record> = rows.iter().map(|row| read(row, Some(row))).collect::<Result<_, _>>()?;
        let gone = records.iter().filter(|record| record.is_forgotten_by(forget)).map(|record| record.id);
        let gone: Arc<[WindowId]> = gone.collect();
        let count = gone.len() as u64;
        if count > 0 && forget.changes() {
            self.0.write(move |tx| Box::pin(remove(tx, gone.clone()))).await?;
        }
        Ok(count)
    }

    async fn remove_unseen(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        let values = vec![before.millis().into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
        self.0
            .write(move |tx| {
                let values = values.clone();
                Box::pin(async move {
                    let sql = "delete from events_windows where id in \
                               (select id from events_windows where seen < $1 order by seen limit $2)";
                    let done = tx.execute_raw(statement(tx, sql, values)).await.map_err(store)?;
                    Ok(done.rows_affected())
                })
            })
            .await
    }
}

async fn remove(tx: &Tx, ids: Arc<[WindowId]>) -> Result<(), Error> {
    for id in &*ids {
        for table in ["events_windows_definitions", "events_windows"] {
            let sql = format!("delete from {table} where id = $1");
            tx.execute_raw(statement(tx, &sql, vec![id.uuid().into()])).await.map_err(store)?;
        }
    }
    Ok(())
}

async fn put(tx: &Tx, record: Record, bounds: Bounds) -> Result<bool, Error> {
    let (org, subject) = (record.org, record.subject.clone());
    let values = vec![
        record.id.uuid().into(),
        org.uuid().into(),
        subject.as_str().into(),
        signed(record.generation).into(),
        record.positions.to_string().into(),
        record.seen.millis().into(),
    ];
    let sql = format!(
        "insert into events_windows ({COLUMNS}) values ($1, $2, $3, $4, $5, $6) on conflict (id) do update set \
         positions = excluded.positions, seen = excluded.seen \
         where events_windows.generation = excluded.generation"
    );
    if tx.execute_raw(statement(tx, &sql, values)).await.map_err(store)?.rows_affected() == 0 {
        return Ok(false);
    }
    let sql = "insert into events_windows_definitions (id, definitions) values ($1, $2) \
               on conflict (id) do update set definitions = excluded.definitions";
    let definitions = serde_json::to_string(&record.definitions).map_err(|error| Error::Store(Box::new(error)))?;
    tx.execute_raw(statement(tx, sql, vec![record.id.uuid().into(), definitions.into()])).await.map_err(store)?;
    // On SQLite a limit of -1 is none; PostgreSQL has no word for it that both understand, so it is a large number.
    let surplus = |counted: &str, max: usize| {
        format!(
            "delete from events_windows where id in (select id from events_windows where {counted} \
             order by seen desc, id desc limit 1000000 offset ${max})"
        )
    };
    let of_subject = vec![org.uuid().into(), subject.into(), i64::from(bounds.per_subject).into()];
    let sql = surplus("org = $1 and subject = $2", 3);
    tx.execute_raw(statement(tx, &sql, of_subject)).await.map_err(store)?;
    let of_org = vec![org.uuid().into(), i64::from(bounds.per_org).into()];
    tx.execute_raw(statement(tx, &surplus("org = $1", 2), of_org)).await.map_err(store)?;
    Ok(true)
}

async fn save(tx: &Tx, bookmarks: &[Bookmark]) -> Result<(), Error> {
    let rows: Vec<String> = (0..bookmarks.len())
        .map(|row| {
            let at = |n: usize| row * 4 + n;
            format!("(${}, ${}, ${}, ${})", at(1), at(2), at(3), at(4))
        })
        .collect();
    let sql = format!(
        "with new (id, generation, positions, seen) as (values {}) update events_windows \
         set positions = new.positions, seen = new.seen from new \
         where events_windows.id = new.id and events_windows.generation = new.generation",
        rows.join(", ")
    );
    let values = bookmarks.iter().flat_map(|bookmark| {
        [
            bookmark.id.uuid().into(),
            signed(bookmark.generation).into(),
            bookmark.positions.to_string().into(),
            bookmark.seen.millis().into(),
        ]
    });
    tx.execute_raw(statement(tx, &sql, values.collect())).await.map_err(store)?;
    Ok(())
}

/// `definitions` is there unless somebody has removed it by hand.
fn read(row: &QueryResult, definitions: Option<&QueryResult>) -> Result<Record, Error> {
    let definitions: String = match definitions {
        Some(row) => row.try_get("", "definitions").map_err(store)?,
        None => "[]".to_owned(),
    };
    let positions: String = row.try_get("", "positions").map_err(store)?;
    Ok(Record {
        id: WindowId::from_uuid(row.try_get("", "id").map_err(store)?),
        org: OrgId::from_uuid(row.try_get("", "org").map_err(store)?),
        subject: row.try_get("", "subject").map_err(store)?,
        generation: unsigned(row, "generation")?,
        definitions: serde_json::from_str(&definitions).map_err(|error| Error::Store(Box::new(error)))?,
        positions: positions.parse().map_err(|error| Error::Store(Box::new(error)))?,
        seen: Timestamp(row.try_get("", "seen").map_err(store)?),
    })
}

fn unsigned(row: &QueryResult, column: &str) -> Result<u64, Error> {
    Ok(row.try_get::<i64>("", column).map_err(store)?.unsigned_abs())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn statement<C: ConnectionTrait>(connection: &C, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}

fn store(error: DbErr) -> Error {
    orchestrator_sql::Error::from(error).into()
}
