//! What each idempotency key stands for: the first request that came with it.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_redact::Forget;
use orchestrator_sql::{Backend, Database, Error, Migration, Tx};
use orchestrator_vocab::{Clock, OrgId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};
use tokio_util::sync::CancellationToken;

/// How long a key stands for its request. Later, a known key still answers what it made first, whatever the request.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);
const TRIM_EVERY: Duration = Duration::from_secs(600);
const TRIM_ROWS: i64 = 1_000;

const MIGRATIONS: &[Migration] = &[Migration { name: "m0001_keys", statements: tables }];

fn tables(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![
        format!(
            "create table rpc_keys (org {uuid} not null, idempotency_key text not null, request text not null, \
             bound_at bigint not null, primary key (org, idempotency_key)){clustered}"
        ),
        "create index rpc_keys_bound on rpc_keys (bound_at)".into(),
    ]
}

/// The keys of all organisations, in the database.
#[derive(Clone)]
pub(crate) struct Keys {
    database: Database,
    clock: Arc<dyn Clock>,
}

/// What a key is to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// It stands for this request from now on.
    First,
    /// It stands for this request already.
    Again,
    /// It stands for another one.
    Other,
}

impl Keys {
    pub(crate) async fn open(database: Database, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        orchestrator_sql::migrate(&database, "rpc", MIGRATIONS).await?;
        Ok(Self { database, clock })
    }

    /// Binds a key to a request, unless it is bound to one.
    pub(crate) async fn bind(&self, org: OrgId, key: &str, request: &str) -> Result<Bound, Error> {
        let names = Arc::new((key.to_owned(), request.to_owned()));
        let now = self.clock.now();
        let bound = self.database.write(move |tx| {
            let names = names.clone();
            Box::pin(async move { bind(tx, org, &names.0, &names.1, now).await.map_err(Error::from) })
        });
        bound.await
    }

    /// Forgets a key that has come to nothing.
    pub(crate) async fn release(&self, org: OrgId, key: &str) -> Result<(), Error> {
        let key: Arc<str> = key.into();
        let released = self.database.write(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let sql = "delete from rpc_keys where org = $1 and idempotency_key = $2";
                tx.execute_raw(statement(tx, sql, [org.uuid().into(), (&*key).into()])).await?;
                Ok(())
            })
        });
        released.await
    }

    /// Forgets keys that are texts to be forgotten, and tells how many: what comes under one again is a first request.
    pub(crate) async fn forget(&self, org: OrgId, forget: &Forget) -> Result<u64, Error> {
        let (reader, mut after, mut count) = (self.database.reader(), String::new(), 0);
        loop {
            let sql = "select idempotency_key from rpc_keys where org = $1 and idempotency_key > $2 \
                       order by idempotency_key limit $3";
            let values = [org.uuid().into(), after.as_str().into(), TRIM_ROWS.into()];
            let rows = reader.query_all_raw(statement(reader, sql, values)).await?;
            let key = |row: &QueryResult| row.try_get::<String>("", "idempotency_key");
            let keys: Vec<String> = rows.iter().map(key).collect::<Result<_, DbErr>>()?;
            let Some(last) = keys.last() else { return Ok(count) };
            after.clone_from(last);
            for key in keys.iter().filter(|key| forget.concerns(key)) {
                count += 1;
                if forget.changes() {
                    self.release(org, key).await?;
                }
            }
        }
    }

    /// Forgets old keys until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let mut ticks = tokio::time::interval(TRIM_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            while self.trim(self.clock.now() - KEPT).await? > 0 && !stop.is_cancelled() {}
        }
        Ok(())
    }

    async fn trim(&self, before: Timestamp) -> Result<u64, Error> {
        let trimmed = self.database.write(move |tx| {
            Box::pin(async move {
                let sql = "delete from rpc_keys where (org, idempotency_key) in (select org, idempotency_key \
                           from rpc_keys where bound_at < $1 order by bound_at limit $2)";
                let values = [before.millis().into(), TRIM_ROWS.into()];
                Ok::<_, Error>(tx.execute_raw(statement(tx, sql, values)).await?.rows_affected())
            })
        });
        trimmed.await
    }
}

async fn bind(tx: &Tx, org: OrgId, key: &str, request: &str, now: Timestamp) -> Result<Bound, DbErr> {
    let sql = "select request from rpc_keys where org = $1 and idempotency_key = $2";
    let known = tx.query_one_raw(statement(tx, sql, [org.uuid().into(), key.into()])).await?;
    if let Some(row) = known {
        let known: String = row.try_get("", "request")?;
        return Ok(if known == request { Bound::Again } else { Bound::Other });
    }
    let sql = "insert into rpc_keys (org, idempotency_key, request, bound_at) values ($1, $2, $3, $4)";
    let values = [org.uuid().into(), key.into(), request.into(), now.millis().into()];
    tx.execute_raw(statement(tx, sql, values)).await?;
    Ok(Bound::First)
}

fn statement<const N: usize>(of: &impl ConnectionTrait, sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(of.get_database_backend(), sql, values)
}

#[cfg(test)]
mod tests {
    use orchestrator_sql::Options;
    use orchestrator_vocab::SystemClock;

    use super::*;

    async fn keys() -> Keys {
        let database = Database::connect("sqlite::memory:", Options::default()).await.unwrap();
        Keys::open(database, Arc::new(SystemClock)).await.unwrap()
    }

    #[tokio::test]
    async fn a_key_stands_for_its_first_request_in_its_organisation() {
        let (keys, other) = (keys().await, OrgId::new());
        assert_eq!(keys.bind(OrgId::LOCAL, "k", "a").await.unwrap(), Bound::First);
        assert_eq!(keys.bind(OrgId::LOCAL, "k", "a").await.unwrap(), Bound::Again);
        assert_eq!(keys.bind(OrgId::LOCAL, "k", "b").await.unwrap(), Bound::Other);
        assert_eq!(keys.bind(other, "k", "b").await.unwrap(), Bound::First);
        keys.release(OrgId::LOCAL, "k").await.unwrap();
        assert_eq!(keys.bind(OrgId::LOCAL, "k", "b").await.unwrap(), Bound::First);
    }

    #[tokio::test]
    async fn keys_that_name_somebody_are_forgotten() {
        let (keys, other) = (keys().await, OrgId::new());
        for (org, key) in [(OrgId::LOCAL, "mail-from-Ada.Lovelace-17"), (OrgId::LOCAL, "k"), (other, "ada lovelace")] {
            keys.bind(org, key, "a").await.unwrap();
        }
        let forget = Forget::naming("Ada Lovelace").unwrap();
        assert_eq!(keys.forget(OrgId::LOCAL, &forget.clone().counting()).await.unwrap(), 1);
        assert_eq!(keys.forget(OrgId::LOCAL, &forget).await.unwrap(), 1);
        assert_eq!(keys.forget(OrgId::LOCAL, &forget).await.unwrap(), 0);
        assert_eq!(keys.bind(OrgId::LOCAL, "k", "a").await.unwrap(), Bound::Again);
        assert_eq!(keys.bind(other, "ada lovelace", "a").await.unwrap(), Bound::Again);
    }

    #[tokio::test]
    async fn old_keys_are_forgotten() {
        let keys = keys().await;
        keys.bind(OrgId::LOCAL, "k", "a").await.unwrap();
        assert_eq!(keys.trim(keys.clock.now() - KEPT).await.unwrap(), 0);
        assert_eq!(keys.trim(keys.clock.now() + Duration::from_secs(1)).await.unwrap(), 1);
        assert_eq!(keys.bind(OrgId::LOCAL, "k", "b").await.unwrap(), Bound::First);
    }
}
