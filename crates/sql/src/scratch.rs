use sea_orm::{ConnectOptions, ConnectionTrait as _};

use crate::{Backend, Error};

/// Where scratch databases are made when `TEST_DATABASE_URL` is not set.
const SERVER: &str = "postgres://postgres@127.0.0.1:5432/test";

/// A database of its own for one test, gone when this is dropped.
///
/// PostgreSQL databases are made on the server of `TEST_DATABASE_URL`, else on the local one; SQLite files in the
/// system's temporary directory.
#[derive(Debug)]
pub struct Scratch {
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Directory(std::path::PathBuf),
    Server { base: String, name: String },
}

impl Scratch {
    /// An empty database. Fails if there is no PostgreSQL server to make it on.
    pub async fn create(backend: Backend) -> Result<Self, Error> {
        let unique =
            format!("orchestrator_test_{:016x}", std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0));
        match backend {
            Backend::Sqlite => {
                let directory = std::env::temp_dir().join(unique);
                let lock =
                    |source| Error::Lock { path: directory.display().to_string(), source: std::sync::Arc::new(source) };
                std::fs::create_dir(&directory).map_err(lock)?;
                let url = format!("sqlite:{}", directory.join("test.db").display());
                Ok(Self { url, place: Place::Directory(directory) })
            }
            Backend::Postgres => {
                let base = server();
                execute(&base, &format!("create database {unique}")).await?;
                let start = base.rsplit_once('/').map_or(base.as_str(), |(start, _)| start);
                Ok(Self { url: format!("{start}/{unique}"), place: Place::Server { base, name: unique } })
            }
        }
    }

    /// The address to connect to.
    pub fn url(&self) -> &str {
        &self.url
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own setting, not a program's")]
fn server() -> String {
    std::env::var("TEST_DATABASE_URL").unwrap_or_else(|_| SERVER.to_owned())
}

async fn execute(url: &str, sql: &str) -> Result<(), Error> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await?;
    connection.execute_unprepared(sql).await?;
    connection.close().await.map_err(Error::from)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match &self.place {
            Place::Directory(directory) => drop(std::fs::remove_dir_all(directory)),
            Place::Server { base, name } => {
                let (base, sql) = (base.clone(), format!("drop database if exists {name} with (force)"));
                // The test's own runtime may be the one that is being dropped.
                let dropping = std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    runtime.map(|runtime| runtime.block_on(execute(&base, &sql)))
                });
                if !matches!(dropping.join(), Ok(Ok(Ok(())))) {
                    tracing::warn!(database = %name, "a scratch database was not dropped");
                }
            }
        }
    }
}
