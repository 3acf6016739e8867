use std::fs::OpenOptions;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};

use crate::Error;
use crate::lock::FileLock;
use crate::migrate::backend;
use crate::tx::{CommitHook, Tx};
use crate::writer::Writer;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A file, or memory, of this process.
    Sqlite,
    /// A server, possibly shared with other daemons.
    Postgres,
}

/// How to connect.
#[derive(Clone)]
pub struct Options {
    /// Connections for reading. Default 4.
    pub readers_max: u32,
    /// Closures that may wait for the writer before callers have to wait in line. Default 4,096.
    pub queue_max: usize,
    /// How long to wait for a connection or a lock. Default 10 s.
    pub patience: Duration,
    /// Runs as the last part of every write transaction.
    pub hook: Option<Arc<dyn CommitHook>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers_max: 4, queue_max: 4_096, patience: Duration::from_secs(10), hook: None }
    }
}

/// A connected database. Cheap to clone; all clones share one writer, which ends with the last of them.
#[derive(Clone)]
pub struct Database {
    backend: Backend,
    reader: DatabaseConnection,
    writing: DatabaseConnection,
    writer: Writer,
    _lock: Option<Arc<FileLock>>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl Database {
    /// Connects to `sqlite:PATH` (made if missing), `sqlite::memory:` or `postgres://…`, and starts the writer.
    ///
    /// A SQLite file is locked for this process: [`Error::InUse`] if another one holds it.
    pub async fn connect(url: &str, options: Options) -> Result<Self, Error> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::postgres(url, options).await
        } else if url.starts_with("sqlite:") {
            Self::sqlite(url, options).await
        } else {
            Err(Error::Address)
        }
    }

    async fn postgres(url: &str, options: Options) -> Result<Self, Error> {
        let reader = sea_orm::Database::connect(pool(url, options.readers_max, &options)).await?;
        let writer = sea_orm::Database::connect(pool(url, 1, &options)).await?;
        Ok(Self::assemble(Backend::Postgres, reader, writer, &options, None))
    }

    async fn sqlite(url: &str, options: Options) -> Result<Self, Error> {
        let file = sqlite_file(url);
        let lock = match &file {
            Some(file) => Some(Arc::new(FileLock::beside(file).await?)),
            None => None,
        };
        let patience = options.patience;
        let mut writing = pool(url, 1, &options);
        writing.map_sqlx_sqlite_opts(move |sqlite| {
            // What is deleted or written over is zeros from then on: later nobody would know where it lay.
            tuned(sqlite, patience).create_if_missing(true).pragma("secure_delete", "on")
        });
        let writer = sea_orm::Database::connect(writing).await?;
        // Every connection to `:memory:` is a database of its own, so there reading shares the writer's connection.
        let reader = if file.is_some() {
            let mut reading = pool(url, options.readers_max, &options);
            reading.map_sqlx_sqlite_opts(move |sqlite| tuned(sqlite, patience).pragma("query_only", "on"));
            sea_orm::Database::connect(reading).await?
        } else {
            writer.clone()
        };
        Ok(Self::assemble(Backend::Sqlite, reader, writer, &options, lock))
    }

    /// Uses connections of the embedder's own: `writer` must allow one connection at a time to SQLite.
    pub fn from_connections(reader: DatabaseConnection, writer: DatabaseConnection, options: &Options) -> Self {
        let backend = backend(reader.get_database_backend());
        Self::assemble(backend, reader, writer, options, None)
    }

    fn assemble(
        backend: Backend,
        reader: DatabaseConnection,
        writing: DatabaseConnection,
        options: &Options,
        lock: Option<Arc<FileLock>>,
    ) -> Self {
        let writer = Writer::start(writing.clone(), options);
        Self { backend, reader, writing, writer, _lock: lock }
    }

    pub(crate) fn writing_connection(&self) -> &DatabaseConnection {
        &self.writing
    }

    /// Which database it is.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// For single statements that read. Never use it inside a [`write`](Self::write): on `:memory:` it would wait for itself.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Runs `work` in the next group's transaction and answers when it is committed.
    ///
    /// `work` does SQL only, reads and refuses before it writes, and may run again. The answer is its own `Ok` or `Err`;
    /// if the transaction itself fails, [`Error`] is converted into `E`. Dropping the returned future does not undo `work`.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> Fn(&'t Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// Runs `work` on one consistent view, without holding up writers. It must not write.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t Tx) -> BoxFuture<'t, Result<T, E>> + Send,
        E: From<Error>,
    {
        let tx = Tx::begin_read(&self.reader).await?;
        let answer = work(&tx).await;
        tx.end_read().await?;
        answer
    }

    /// Writes a complete copy of a SQLite database into a new file, while it is being used.
    ///
    /// Fails with [`Error::Backup`] if the file exists already or cannot be written, and with [`Error::Unsupported`] on
    /// PostgreSQL, where `pg_dump` does this better.
    pub async fn backup_to(&self, file: &Path) -> Result<(), Error> {
        if self.backend == Backend::Postgres {
            return Err(Error::Unsupported("copy a PostgreSQL database with pg_dump"));
        }
        let failed = |what: String| Error::Backup { path: file.display().to_string(), what };
        let path = file.to_str().ok_or_else(|| failed("its name is not valid UTF-8".into()))?;
        // SQLite would also write into an empty file that is there; creating it here makes the refusal certain.
        OpenOptions::new().write(true).create_new(true).open(file).map_err(|error| failed(error.to_string()))?;
        let statement = Statement::from_sql_and_values(DbBackend::Sqlite, "vacuum into $1", [path.into()]);
        if let Err(error) = self.writing.execute_raw(statement).await {
            drop(std::fs::remove_file(file));
            return Err(failed(error.to_string()));
        }
        let synced = std::fs::File::open(file).and_then(|written| written.sync_all());
        synced.map_err(|error| failed(error.to_string()))
    }

    /// Leaves as little as it can of what was deleted from these tables: empties SQLite's write-ahead log into the file, where
    /// deleted rows are zeros (a file that others wrote to needs a `vacuum` first); vacuums the tables on PostgreSQL, whose own
    /// log and backups keep what they have.
    pub async fn scrub(&self, tables: &[&str]) -> Result<(), Error> {
        let statement = match self.backend {
            Backend::Sqlite => "pragma wal_checkpoint(truncate)".to_owned(),
            Backend::Postgres => format!("vacuum {}", tables.join(", ")),
        };
        self.writing.execute_unprepared(&statement).await?;
        Ok(())
    }

    /// Refuses further writes, finishes those that are queued, and closes the connections.
    pub async fn close(&self) -> Result<(), Error> {
        self.writer.stop().await;
        self.reader.clone().close().await.map_err(Error::from)?;
        self.writing.clone().close().await.map_err(Error::from)
    }
}

fn pool(url: &str, connections_max: u32, options: &Options) -> ConnectOptions {
    let mut pool = ConnectOptions::new(url);
    pool.max_connections(connections_max)
        .acquire_timeout(options.patience)
        .connect_timeout(options.patience)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(url.starts_with("postgres"))
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        .map_sqlx_postgres_opts(tuned_postgres)
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    pool
}

/// How many rows SQLite's thread may be ahead of the task that reads them. The driver's default of 50 makes both wait for
/// each other several times in a batch.
const ROWS_BUFFERED: usize = 1_024;

/// WAL keeps readers and the writer apart; FULL syncs each commit, so what was answered survives a power cut.
fn tuned(sqlite: SqliteConnectOptions, patience: Duration) -> SqliteConnectOptions {
    sqlite
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(patience)
        .foreign_keys(true)
        .statement_cache_capacity(256)
        .row_buffer_size(ROWS_BUFFERED)
        .pragma("temp_store", "memory")
        .pragma("cache_size", "-16000") // 16 MB at most
        .pragma("journal_size_limit", "67108864")
}

/// Statements here are short; compiling one takes longer than running it.
///
/// They find rows by index and nothing else. Plans are kept, and one that was made while a table was small would read all
/// of it, by a scan or a hash join, when it has grown.
///
/// Within this machine nothing is encrypted, unless the address asks for it by `sslmode`: there is nobody to hide from,
/// and a message of more than one TLS record (16 kB) waits 40 ms for a delayed acknowledgement, because the driver leaves
/// Nagle's algorithm on.
fn tuned_postgres(postgres: PgConnectOptions) -> PgConnectOptions {
    let postgres = postgres.options([
        ("jit", "off"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
    ]);
    let host = postgres.get_host();
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if is_here && matches!(postgres.get_ssl_mode(), PgSslMode::Prefer) {
        return postgres.ssl_mode(PgSslMode::Disable);
    }
    postgres
}

fn sqlite_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?.trim_start_matches("//");
    let path = path.split('?').next()?;
    (!path.is_empty() && path != ":memory:" && !url.contains("mode=memory")).then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_memory() {
        for (url, file) in [
            ("sqlite:a/b.db", Some("a/b.db")),
            ("sqlite:///a/b.db?mode=rwc", Some("/a/b.db")),
            ("sqlite::memory:", None),
            ("sqlite:x?mode=memory", None),
        ] {
            assert_eq!(sqlite_file(url), file.map(PathBuf::from), "{url}");
        }
    }

    #[test]
    fn only_what_leaves_the_machine_is_encrypted_unless_the_address_says_so() {
        for (url, expected) in [
            ("postgres://a@127.0.0.1/x", "Disable"),
            ("postgres://a@localhost:5433/x", "Disable"),
            ("postgres://a@127.0.0.1/x?sslmode=require", "Require"),
            ("postgres://a@db.example/x", "Prefer"),
            ("postgres://a@10.0.0.1/x?sslmode=verify-full", "VerifyFull"),
        ] {
            let tuned = tuned_postgres(url.parse().unwrap());
            assert_eq!(format!("{:?}", tuned.get_ssl_mode()), expected, "{url}");
        }
    }
}
