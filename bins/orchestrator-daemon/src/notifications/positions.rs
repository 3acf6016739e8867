//! How far destinations were told, and which of several daemons tells them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use orchestrator_sql::{Backend, Database, Error, Migration, Tx};
use orchestrator_vocab::{Clock, OrgId};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

const MIGRATIONS: &[Migration] = &[Migration { name: "m0001_notifications", statements: tables }];
/// For how long a daemon that gives no sign of life keeps a destination to itself.
const LEASE: Duration = Duration::from_secs(20);

fn tables(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![
        "create table notify_destinations (destination text not null primary key, holder text not null, \
         held_until bigint not null)"
            .into(),
        format!(
            "create table notify_positions (destination text not null, org {uuid} not null, seq bigint not null, \
             primary key (destination, org)){clustered}"
        ),
    ]
}

/// In the database.
#[derive(Clone)]
pub(crate) struct Positions {
    database: Database,
    clock: Arc<dyn Clock>,
    holder: Arc<str>,
}

impl Positions {
    pub(crate) async fn open(database: Database, clock: Arc<dyn Clock>, holder: String) -> Result<Self, Error> {
        orchestrator_sql::migrate(&database, "notify", MIGRATIONS).await?;
        Ok(Self { database, clock, holder: holder.into() })
    }

    /// Makes this daemon the one that tells a destination, or keeps it so; false: another one is. A destination that is new is told of
    /// what comes after `heads`.
    pub(super) async fn hold(&self, destination: &str, heads: &[(OrgId, u64)]) -> Result<bool, Error> {
        let parts = Arc::new((destination.to_owned(), self.holder.clone(), heads.to_vec()));
        let now = self.clock.now();
        let until = now + LEASE;
        let held = self.database.write(move |tx| {
            let parts = parts.clone();
            Box::pin(async move {
                let (destination, holder, heads) = &*parts;
                let times = (now.millis(), until.millis());
                hold(tx, destination, holder, heads, times).await.map_err(Error::from)
            })
        });
        held.await
    }

    /// Lets another daemon tell it from now on.
    pub(super) async fn let_go(&self, destination: &str) -> Result<(), Error> {
        let parts = Arc::new((destination.to_owned(), self.holder.clone()));
        let gone = self.database.write(move |tx| {
            let parts = parts.clone();
            Box::pin(async move {
                let sql = "update notify_destinations set held_until = 0 where destination = $1 and holder = $2";
                let values = [parts.0.as_str().into(), (&*parts.1).into()];
                tx.execute_raw(statement(tx, sql, values)).await?;
                Ok::<(), Error>(())
            })
        });
        gone.await
    }

    /// Up to where a destination was told of the events of each organisation.
    pub(super) async fn of(&self, destination: &str) -> Result<HashMap<OrgId, u64>, Error> {
        let sql = "select org, seq from notify_positions where destination = $1";
        let reader = self.database.reader();
        let rows = reader.query_all_raw(statement(reader, sql, [destination.into()])).await?;
        let row = |row: &QueryResult| {
            let seq: i64 = row.try_get("", "seq")?;
            Ok((OrgId::from_uuid(row.try_get("", "org")?), u64::try_from(seq).unwrap_or_default()))
        };
        rows.iter().map(row).collect::<Result<_, DbErr>>().map_err(Error::from)
    }

    /// Notes that it was told up to these. A position never goes back.
    pub(super) async fn advance(&self, destination: &str, to: BTreeMap<OrgId, u64>) -> Result<(), Error> {
        let parts = Arc::new((destination.to_owned(), to));
        let advanced = self.database.write(move |tx| {
            let parts = parts.clone();
            Box::pin(async move {
                for (org, seq) in &parts.1 {
                    put(tx, &parts.0, *org, *seq).await?;
                }
                Ok::<(), Error>(())
            })
        });
        advanced.await
    }
}

async fn hold(
    tx: &Tx,
    destination: &str,
    holder: &str,
    heads: &[(OrgId, u64)],
    (now, until): (i64, i64),
) -> Result<bool, DbErr> {
    let sql = "insert into notify_destinations (destination, holder, held_until) values ($1, $2, $3) \
               on conflict (destination) do nothing";
    let values = [destination.into(), holder.into(), until.into()];
    if tx.execute_raw(statement(tx, sql, values)).await?.rows_affected() > 0 {
        for (org, head) in heads {
            put(tx, destination, *org, *head).await?;
        }
        return Ok(true);
    }
    let sql = "update notify_destinations set holder = $1, held_until = $2 \
               where destination = $3 and (holder = $4 or held_until < $5)";
    let values = [holder.into(), until.into(), destination.into(), holder.into(), now.into()];
    Ok(tx.execute_raw(statement(tx, sql, values)).await?.rows_affected() > 0)
}

async fn put(tx: &Tx, destination: &str, org: OrgId, seq: u64) -> Result<(), DbErr> {
    let sql = "insert into notify_positions (destination, org, seq) values ($1, $2, $3) \
               on conflict (destination, org) do update set seq = excluded.seq where notify_positions.seq < excluded.seq";
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    tx.execute_raw(statement(tx, sql, [destination.into(), org.uuid().into(), seq.into()])).await?;
    Ok(())
}

fn statement<const N: usize>(of: &impl ConnectionTrait, sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(of.get_database_backend(), sql, values)
}

#[cfg(test)]
mod tests {
    use orchestrator_sql::Options;
    use orchestrator_vocab::SystemClock;

    use super::*;

    async fn open(database: &Database, holder: &str) -> Positions {
        Positions::open(database.clone(), Arc::new(SystemClock), holder.to_owned()).await.unwrap()
    }

    #[tokio::test]
    async fn one_daemon_tells_a_destination_until_it_lets_go() {
        let database = Database::connect("sqlite::memory:", Options::default()).await.unwrap();
        let (here, there) = (open(&database, "here").await, open(&database, "there").await);
        let heads = [(OrgId::LOCAL, 7)];
        assert!(here.hold("ops", &heads).await.unwrap());
        assert!(here.hold("ops", &[]).await.unwrap());
        assert!(!there.hold("ops", &heads).await.unwrap());
        there.let_go("ops").await.unwrap();
        assert!(!there.hold("ops", &heads).await.unwrap(), "it was not its own");
        here.let_go("ops").await.unwrap();
        assert!(there.hold("ops", &[(OrgId::LOCAL, 9)]).await.unwrap());
        assert_eq!(there.of("ops").await.unwrap(), HashMap::from([(OrgId::LOCAL, 7)]), "where the other one was");
    }

    #[tokio::test]
    async fn a_position_never_goes_back() {
        let database = Database::connect("sqlite::memory:", Options::default()).await.unwrap();
        let positions = open(&database, "here").await;
        let org = OrgId::new();
        for (to, expected) in [(3, 3), (2, 3), (5, 5)] {
            positions.advance("ops", BTreeMap::from([(org, to)])).await.unwrap();
            assert_eq!(positions.of("ops").await.unwrap(), HashMap::from([(org, expected)]));
        }
        assert!(positions.of("other").await.unwrap().is_empty());
    }
}
