//! The ledger on SQLite or PostgreSQL.

mod batch;
mod migrations;
mod reading;
mod rows;
mod statement;

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_sql::Database;
use orchestrator_vocab::{AgentId, OrgId, Timestamp};
use sea_orm::{ConnectionTrait as _, DbErr};

use self::batch::Queue;
use self::statement::{signed, statement};
use crate::{
    Answered, Apply, Counter, CounterKey, CounterQuery, Error, Group, Limit, Outcome, Owner, Reservation, Scope, Span,
    Spending, SpendingQuery, Store, Sum,
};

/// The ledger's tables in a database. Cheap to clone.
///
/// Commands that come while the database is busy are done together: read once, worked out in order, written once.
#[derive(Debug, Clone)]
pub struct SqlStore {
    database: Database,
    queue: Queue,
}

impl SqlStore {
    /// Brings the tables up to date. The database must have been connected with the
    /// [`Numbering`](orchestrator_events::Numbering) of its event log.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn open(database: Database) -> Result<Self, Error> {
        orchestrator_sql::migrate(&database, "budget", migrations::ALL).await?;
        Ok(Self { database, queue: batch::queue() })
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn apply(&self, apply: Apply) -> Result<Outcome, Error> {
        self.queue.write(&self.database, apply, |tx, commands| Box::pin(batch::run(tx, commands))).await
    }

    async fn set_limit(&self, org: OrgId, limit: Limit) -> Result<(), Error> {
        let limit = Arc::new(limit);
        self.database
            .write(move |tx| {
                let limit = limit.clone();
                Box::pin(async move {
                    let sql = "insert into budget_limits (org, scope, span, body) values ($1, $2, $3, $4) \
                               on conflict (org, scope, span) do update set body = excluded.body";
                    let body = serde_json::to_string(&*limit).expect("a limit is plain data");
                    let scope = limit.scope.to_string();
                    let values = [org.uuid().into(), scope.into(), limit.window.as_str().into(), body.into()];
                    tx.execute_raw(statement(tx, sql, values)).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn remove_limit(&self, org: OrgId, scope: Scope, window: Span) -> Result<bool, Error> {
        let scope = scope.to_string();
        self.database
            .write(move |tx| {
                let values = [org.uuid().into(), scope.as_str().into(), window.as_str().into()];
                Box::pin(async move {
                    let sql = "delete from budget_limits where org = $1 and scope = $2 and span = $3";
                    Ok(tx.execute_raw(statement(tx, sql, values)).await?.rows_affected() > 0)
                })
            })
            .await
    }

    async fn limits(&self, org: OrgId) -> Result<Vec<Limit>, Error> {
        reading::limits(self.database.reader(), org).await
    }

    async fn counters(&self, org: OrgId, query: CounterQuery) -> Result<Vec<(CounterKey, Counter)>, Error> {
        reading::counters(self.database.reader(), org, &query).await
    }

    async fn left_behind(&self, owner: &Owner, now: Timestamp, limit: usize) -> Result<Vec<Reservation>, Error> {
        reading::left_behind(self.database.reader(), owner, now, limit).await
    }

    async fn renew(&self, owner: &Owner, until: Timestamp) -> Result<(), Error> {
        let owner = owner.clone();
        self.database
            .write(move |tx| {
                let values = [until.millis().into(), owner.node.as_str().into(), signed(owner.epoch).into()];
                Box::pin(async move {
                    let sql = "update budget_reservations set expires_at = $1 where node = $2 and epoch = $3";
                    tx.execute_raw(statement(tx, sql, values)).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn spendings(&self, org: OrgId, query: SpendingQuery) -> Result<Vec<Spending>, Error> {
        reading::spendings(self.database.reader(), org, &query).await
    }

    async fn sums(
        &self,
        org: OrgId,
        group: Group,
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Sum>, Error> {
        reading::sums(self.database.reader(), org, group, (from, until), limit).await
    }

    async fn answered(
        &self,
        org: OrgId,
        model: &str,
        agent: Option<&AgentId>,
        limit: usize,
    ) -> Result<Vec<Answered>, Error> {
        reading::answered(self.database.reader(), org, model, agent, limit).await
    }

    async fn orgs(&self) -> Result<Vec<OrgId>, Error> {
        reading::orgs(self.database.reader()).await
    }

    async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let values = || [before.millis().into(), signed(limit as u64).into()];
                    let spendings = "delete from budget_spendings where (org, id) in \
                                     (select org, id from budget_spendings where at < $1 order by at limit $2)";
                    let counters = "delete from budget_counters where (org, counter) in \
                                    (select org, counter from budget_counters where start < $1 order by start limit $2)";
                    let spendings = tx.execute_raw(statement(tx, spendings, values())).await?.rows_affected();
                    Ok(spendings + tx.execute_raw(statement(tx, counters, values())).await?.rows_affected())
                })
            })
            .await
    }
}

impl From<orchestrator_sql::Error> for Error {
    fn from(error: orchestrator_sql::Error) -> Self {
        Self::store(error)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        orchestrator_sql::Error::from(error).into()
    }
}
