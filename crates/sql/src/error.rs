use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// What kind of failure the database reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A row with this key exists already.
    Duplicate,
    /// Another transaction was in the way (deadlock, serialisation, busy): run it again.
    Contention,
    /// The server cannot be reached, or has no free connection: try again later.
    Unavailable,
    /// The disk or the file system's quota is full: free some space.
    Full,
    /// A fault in a statement or in the schema.
    Other,
}

/// A failure of the database or of the file it lives in. Cheap to clone: everybody in a group gets the same one.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A statement, a commit or a connection failed; [`Class`] says what to do.
    #[error("the database failed")]
    Database {
        /// What kind of failure.
        class: Class,
        /// What the driver said.
        #[source]
        source: Arc<DbErr>,
    },
    /// Another process uses this SQLite file: stop it first, or use PostgreSQL for several daemons.
    #[error("{path} is in use by another process")]
    InUse {
        /// The lock file beside the database.
        path: String,
    },
    /// The lock file or its directory cannot be used: check that the directory exists and may be written.
    #[error("cannot lock {path}")]
    Lock {
        /// The lock file beside the database.
        path: String,
        /// What the system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The address is not one of `sqlite:` or `postgres:`.
    #[error("a database address starts with `sqlite:` or `postgres:`")]
    Address,
    /// The schema was written by a newer version of this program: run that version, or restore an older backup.
    #[error("the {domain} tables are from a newer version (unknown migration {version})")]
    Newer {
        /// Whose tables.
        domain: &'static str,
        /// The migration this program does not know.
        version: String,
    },
    /// The copy could not be written: choose a new file on a disk with room.
    #[error("cannot write the backup {path}: {what}")]
    Backup {
        /// Where to.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The database cannot do this; the text says what can.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A closure panicked; its transaction was rolled back. A fault in the program.
    #[error("a write panicked")]
    Panicked,
    /// A closure went on after a failed statement; its transaction was rolled back. A fault in the program.
    #[error("a failed statement was ignored")]
    Swallowed,
    /// It was to be written together with what failed, and is not: try again.
    #[error("it was not written with others: {0}")]
    Together(String),
    /// The database was closed.
    #[error("the database is closed")]
    Closed,
}

impl Error {
    /// Whether running the same thing again may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self.class(), Some(Class::Contention | Class::Unavailable | Class::Full))
            || matches!(self, Self::Together(_))
    }

    /// The kind of failure, where a database reported one.
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Database { class, .. } => Some(*class),
            _ => None,
        }
    }
}

impl From<DbErr> for Error {
    fn from(source: DbErr) -> Self {
        Self::Database { class: classify(&source), source: Arc::new(source) }
    }
}

pub(crate) fn classify(error: &DbErr) -> Class {
    if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
        return Class::Duplicate;
    }
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e))
        | DbErr::Conn(RuntimeErr::SqlxError(e)) => classify_driver(e),
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Class::Unavailable,
        _ => Class::Other,
    }
}

fn classify_driver(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            Class::Unavailable
        }
        sqlx::Error::Database(reported) => classify_code(reported.code().as_deref().unwrap_or_default()),
        _ => Class::Other,
    }
}

/// PostgreSQL reports SQLSTATE (its manual, appendix A), SQLite its extended result code (sqlite.org/rescode.html).
fn classify_code(code: &str) -> Class {
    match code {
        "40001" | "40P01" | "55P03" => Class::Contention,
        "53100" => Class::Full,
        "53300" => Class::Unavailable,
        state if state.len() == 5 && (state.starts_with("08") || state.starts_with("57P")) => Class::Unavailable,
        number => match number.parse::<i32>().map(|extended| extended & 0xff) {
            Ok(5 | 6) if number.len() < 5 => Class::Contention,
            Ok(13) if number.len() < 5 => Class::Full,
            _ => Class::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_are_told_apart() {
        for (code, class) in [
            ("40001", Class::Contention),
            ("40P01", Class::Contention),
            ("5", Class::Contention),
            ("517", Class::Contention),
            ("6", Class::Contention),
            ("13", Class::Full),
            ("53100", Class::Full),
            ("08006", Class::Unavailable),
            ("57P01", Class::Unavailable),
            ("42601", Class::Other),
            ("1", Class::Other),
        ] {
            assert_eq!(classify_code(code), class, "{code}");
        }
    }
}
