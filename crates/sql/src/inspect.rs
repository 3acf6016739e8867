//! What an operator asks of a database: is it whole, how large is it, which version wrote it, what time is it there.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait as _, DbBackend, QueryResult, Statement};

use crate::{Backend, Database, Error};

/// The ending of the tables in which domains keep their history.
const HISTORY: &str = "_migrations";

/// How a database is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Of SQLite or of the server, as it calls itself.
    pub version: String,
    /// All of it, indexes and free pages included.
    pub size_bytes: u64,
    /// Within the size, but used by nothing. SQLite only; a server looks after that by itself.
    pub free_bytes: Option<u64>,
    /// The server's clock, in milliseconds since 1970. PostgreSQL only.
    pub now_ms: Option<i64>,
    /// Which migrations each domain's tables have, by domain.
    pub histories: BTreeMap<String, BTreeSet<String>>,
}

impl Database {
    /// Reads all but the content: cheap, whatever the size.
    pub async fn inspect(&self) -> Result<Inspection, Error> {
        let mut inspection = match self.backend() {
            Backend::Sqlite => self.inspect_file().await?,
            Backend::Postgres => self.inspect_server().await?,
        };
        for table in self.history_tables().await? {
            let rows = self.rows(&format!("select version from \"{table}\"")).await?;
            let versions = rows.iter().map(|row| row.try_get("", "version")).collect::<Result<_, _>>()?;
            inspection.histories.insert(table.trim_end_matches(HISTORY).to_owned(), versions);
        }
        Ok(inspection)
    }

    /// Reads the whole of a SQLite file and says what is wrong with it: nothing, for one that is whole. The time grows
    /// with the size, about a second per gigabyte. Empty on PostgreSQL, which checks its pages by itself.
    pub async fn damage(&self) -> Result<Vec<String>, Error> {
        if self.backend() == Backend::Postgres {
            return Ok(Vec::new());
        }
        let rows = self.rows("pragma quick_check(10)").await?;
        let said: Vec<String> = rows.iter().map(|row| row.try_get("", "quick_check")).collect::<Result<_, _>>()?;
        Ok(said.into_iter().filter(|line| line != "ok").collect())
    }

    async fn inspect_file(&self) -> Result<Inspection, Error> {
        let sql = "select sqlite_version() as version, p.page_count * s.page_size as size, \
                   f.freelist_count * s.page_size as free \
                   from pragma_page_count p, pragma_page_size s, pragma_freelist_count f";
        let row = self.row(sql).await?;
        Ok(Inspection {
            version: format!("SQLite {}", row.try_get::<String>("", "version")?),
            size_bytes: unsigned(&row, "size")?,
            free_bytes: Some(unsigned(&row, "free")?),
            ..Inspection::default()
        })
    }

    async fn inspect_server(&self) -> Result<Inspection, Error> {
        let sql = "select current_setting('server_version') as version, pg_database_size(current_database()) as size, \
                   (extract(epoch from clock_timestamp()) * 1000)::bigint as now";
        let row = self.row(sql).await?;
        Ok(Inspection {
            version: format!("PostgreSQL {}", row.try_get::<String>("", "version")?),
            size_bytes: unsigned(&row, "size")?,
            now_ms: Some(row.try_get("", "now")?),
            ..Inspection::default()
        })
    }

    async fn history_tables(&self) -> Result<Vec<String>, Error> {
        let sql = match self.backend() {
            Backend::Sqlite => {
                "select name from sqlite_master where type = 'table' and name like '%\\_migrations' escape '\\'"
            }
            Backend::Postgres => {
                "select table_name::text as name from information_schema.tables \
                 where table_schema = current_schema() and table_name like '%\\_migrations'"
            }
        };
        let names: Vec<String> =
            self.rows(sql).await?.iter().map(|row| row.try_get("", "name")).collect::<Result<_, _>>()?;
        // They go into a statement as they are.
        let is_plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        Ok(names.into_iter().filter(is_plain).collect())
    }

    async fn row(&self, sql: &str) -> Result<QueryResult, Error> {
        self.rows(sql).await?.pop().ok_or_else(|| Error::from(sea_orm::DbErr::RecordNotFound(sql.to_owned())))
    }

    async fn rows(&self, sql: &str) -> Result<Vec<QueryResult>, Error> {
        let backend = match self.backend() {
            Backend::Sqlite => DbBackend::Sqlite,
            Backend::Postgres => DbBackend::Postgres,
        };
        Ok(self.reader().query_all_raw(Statement::from_string(backend, sql)).await?)
    }
}

fn unsigned(row: &QueryResult, column: &str) -> Result<u64, Error> {
    let number: i64 = row.try_get("", column)?;
    Ok(u64::try_from(number).unwrap_or_default())
}
