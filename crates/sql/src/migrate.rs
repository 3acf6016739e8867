use async_trait::async_trait;
use sea_orm::sea_query::{Alias, IntoIden as _};
use sea_orm::{
    ConnectionTrait as _, DbBackend, DbErr, DynIden, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait as _,
};
use sea_orm_migration::migrator::MigratorTraitSelf;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::{Backend, Database, Error};

/// Any number will do as long as nothing else in the database locks it: "orchestr" in ASCII.
const ADVISORY_LOCK: i64 = 0x6f72_6368_6573_7472;

/// One step in the history of a domain's tables.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Sorts after those before it, and is never changed once released: `m0001_log`.
    pub name: &'static str,
    /// The statements of this step, in order.
    pub statements: fn(Backend) -> Vec<String>,
}

impl Backend {
    /// The column type for a UUID.
    pub fn uuid(self) -> &'static str {
        match self {
            Self::Sqlite => "blob",
            Self::Postgres => "uuid",
        }
    }

    /// What ends a `create table` whose primary key is how its rows are found: on SQLite one tree less to write.
    pub fn clustered(self) -> &'static str {
        match self {
            Self::Sqlite => " without rowid",
            Self::Postgres => "",
        }
    }
}

impl MigrationName for Migration {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    #[expect(elided_lifetimes_in_paths, reason = "the trait leaves it out, and naming it would change the signature")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for statement in (self.statements)(backend(connection.get_database_backend())) {
            connection.execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}

pub(crate) fn backend(driver: DbBackend) -> Backend {
    match driver {
        DbBackend::Postgres => Backend::Postgres,
        _ => Backend::Sqlite,
    }
}

struct History {
    table: String,
    migrations: &'static [Migration],
}

impl MigratorTraitSelf for History {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        self.migrations.iter().map(|migration| Box::new(*migration) as _).collect()
    }

    fn migration_table_name(&self) -> DynIden {
        Alias::new(&self.table).into_iden()
    }
}

/// Brings the tables of `domain` up to date, all in one transaction; its history is kept in `<domain>_migrations`.
///
/// Several daemons may start at once: they take turns. Fails with [`Error::Newer`] if the history has entries that
/// `migrations` does not know, and changes nothing then.
pub async fn migrate(database: &Database, domain: &'static str, migrations: &'static [Migration]) -> Result<(), Error> {
    let options =
        TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..Default::default() };
    let tx = database.writing_connection().begin_with_options(options).await?;
    if tx.get_database_backend() == DbBackend::Postgres {
        let sql = "select pg_advisory_xact_lock($1)";
        let lock = Statement::from_sql_and_values(DbBackend::Postgres, sql, [ADVISORY_LOCK.into()]);
        tx.execute_raw(lock).await?;
    }
    let history = History { table: format!("{domain}_migrations"), migrations };
    let applied = history.get_migration_models(&tx).await?;
    let unknown = applied.iter().find(|done| migrations.iter().all(|migration| migration.name != done.version));
    if let Some(unknown) = unknown {
        return Err(Error::Newer { domain, version: unknown.version.clone() });
    }
    if applied.len() < migrations.len() {
        history.up(&tx, None).await?;
    }
    tx.commit().await.map_err(Error::from)
}
