use sea_orm::sea_query::{Alias, IntoIden as _};
use sea_orm::{
    ConnectionTrait as _, DbBackend, DynIden, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait as _,
};
use sea_orm_migration::MigrationTrait;
use sea_orm_migration::migrator::MigratorTraitSelf;

use crate::{Database, Error};

/// Any number will do as long as nothing else in the database locks it: "orchestr" in ASCII.
const ADVISORY_LOCK: i64 = 0x6f72_6368_6573_7472;

struct Domain {
    table: String,
    migrations: fn() -> Vec<Box<dyn MigrationTrait>>,
}

impl MigratorTraitSelf for Domain {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        (self.migrations)()
    }

    fn migration_table_name(&self) -> DynIden {
        Alias::new(&self.table).into_iden()
    }
}

/// Brings the tables of `domain` up to date, all in one transaction; its history is kept in `<domain>_migrations`.
///
/// Several daemons may start at once: they take turns. Fails with [`Error::Newer`] if the history has entries that
/// `migrations` does not know, and changes nothing then.
pub async fn migrate(
    database: &Database,
    domain: &'static str,
    migrations: fn() -> Vec<Box<dyn MigrationTrait>>,
) -> Result<(), Error> {
    let options =
        TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..Default::default() };
    let tx = database.writing_connection().begin_with_options(options).await?;
    if tx.get_database_backend() == DbBackend::Postgres {
        let lock = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "select pg_advisory_xact_lock($1)",
            [ADVISORY_LOCK.into()],
        );
        tx.execute_raw(lock).await?;
    }
    let history = Domain { table: format!("{domain}_migrations"), migrations };
    let known = migrations();
    let applied = history.get_migration_models(&tx).await?;
    if let Some(unknown) = applied.iter().find(|done| !known.iter().any(|migration| migration.name() == done.version)) {
        return Err(Error::Newer { domain, version: unknown.version.clone() });
    }
    if applied.len() < known.len() {
        history.up(&tx, None).await?;
    }
    tx.commit().await.map_err(Error::from)
}
