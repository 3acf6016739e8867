use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_events::SqlLog;
use orchestrator_sql::{Backend, Database, Migration, Tx};
use orchestrator_vocab::OrgId;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use super::{Error, Order, Release, Store, event};

/// How often an order that was there and is gone is given anew.
const ROUNDS_MAX: usize = 3;

/// The table of this part.
pub(crate) const MIGRATION: Migration = Migration { name: "m0001_emergency", statements: table };

/// An order is read as a whole: everything but whose it is, is in `body`.
fn table(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![format!("create table security_emergency (org {uuid} primary key, body text not null){clustered}")]
}

/// Orders in a database. Cheap to clone.
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
        orchestrator_sql::migrate(&database, "security", crate::migrations::ALL).await?;
        Ok(Self { database })
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn orders(&self) -> Result<Vec<Order>, Error> {
        let reader = self.database.reader();
        let rows =
            reader.query_all_raw(statement(reader, "select body from security_emergency order by org", [])).await?;
        rows.iter().map(order).collect()
    }

    async fn stop(&self, order: Order) -> Result<Order, Error> {
        let order = Arc::new(order);
        self.database
            .write(move |tx| {
                let order = order.clone();
                Box::pin(async move {
                    let body = serde_json::to_string(&*order).expect("an order is plain data");
                    let sql = "insert into security_emergency (org, body) values ($1, $2) on conflict (org) do nothing";
                    for _ in 0..ROUNDS_MAX {
                        let values = [order.org.uuid().into(), body.as_str().into()];
                        if tx.execute_raw(statement(tx, sql, values)).await?.rows_affected() > 0 {
                            SqlLog::append(tx, [event::stopped(&order)]);
                            return Ok((*order).clone());
                        }
                        // Between the two another daemon may have released it.
                        if let Some(earlier) = in_force(tx, order.org).await? {
                            return Ok(earlier);
                        }
                    }
                    Err(Error::Store("the order is given and released all the time".into()))
                })
            })
            .await
    }

    async fn release(&self, release: Release) -> Result<Option<Order>, Error> {
        let release = Arc::new(release);
        self.database
            .write(move |tx| {
                let release = release.clone();
                Box::pin(async move {
                    let sql = "delete from security_emergency where org = $1 returning body";
                    let row = tx.query_one_raw(statement(tx, sql, [release.org.uuid().into()])).await?;
                    let Some(order) = row.as_ref().map(order).transpose()? else { return Ok(None) };
                    SqlLog::append(tx, [event::released(&order, &release)]);
                    Ok(Some(order))
                })
            })
            .await
    }
}

async fn in_force(tx: &Tx, org: OrgId) -> Result<Option<Order>, Error> {
    let sql = "select body from security_emergency where org = $1";
    let row = tx.query_one_raw(statement(tx, sql, [org.uuid().into()])).await?;
    row.as_ref().map(order).transpose()
}

fn order(row: &QueryResult) -> Result<Order, Error> {
    let body: String = row.try_get("", "body")?;
    serde_json::from_str(&body).map_err(|error| Error::Store(Box::new(error)))
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
