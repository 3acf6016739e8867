use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::future::BoxFuture;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, IsolationLevel,
    QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait as _,
};

use crate::error::classify;
use crate::{Class, Error};

/// What runs as the last part of every write transaction, after all closures of the group.
///
/// It may use [`Tx::take`] to see what the closures left for it, write, and register [`Tx::on_commit`].
pub trait CommitHook: Send + Sync {
    /// Called once per attempt to commit. An error rolls the group back.
    fn before_commit<'t>(&'t self, tx: &'t Tx) -> BoxFuture<'t, Result<(), Error>>;
}

type Callback = Box<dyn FnOnce() + Send>;

/// One open transaction. It is a sea-orm connection, so entities and statements run on it directly.
pub struct Tx {
    inner: DatabaseTransaction,
    backend: DbBackend,
    wrote: AtomicBool,
    failed: Mutex<Option<Class>>,
    stash: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
    on_commit: Mutex<Vec<Callback>>,
    on_rollback: Mutex<Vec<Callback>>,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("wrote", &self.wrote).field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl Tx {
    pub(crate) async fn begin_write(connection: &DatabaseConnection) -> Result<Self, Error> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        Self::begin(connection, options).await
    }

    pub(crate) async fn begin_read(connection: &DatabaseConnection) -> Result<Self, Error> {
        let mut options = TransactionOptions::default();
        if connection.get_database_backend() == DbBackend::Postgres {
            options.isolation_level = Some(IsolationLevel::RepeatableRead);
            options.access_mode = Some(AccessMode::ReadOnly);
        }
        Self::begin(connection, options).await
    }

    async fn begin(connection: &DatabaseConnection, options: TransactionOptions) -> Result<Self, Error> {
        let inner = connection.begin_with_options(options).await?;
        Ok(Self {
            backend: inner.get_database_backend(),
            inner,
            wrote: AtomicBool::new(false),
            failed: Mutex::default(),
            stash: Mutex::default(),
            on_commit: Mutex::default(),
            on_rollback: Mutex::default(),
        })
    }

    /// Whether this is PostgreSQL, where rows are locked one by one (`FOR UPDATE`).
    pub fn is_postgres(&self) -> bool {
        self.backend == DbBackend::Postgres
    }

    /// Gives access to a value that lives as long as the transaction, made by `Default` on first use.
    /// Counts as a write: whoever stashes must not refuse afterwards.
    pub fn stash<S: Default + Send + 'static, R>(&self, use_it: impl FnOnce(&mut S) -> R) -> R {
        self.wrote.store(true, Ordering::Relaxed);
        let mut stash = self.stash.lock().unwrap_or_else(PoisonError::into_inner);
        let value = stash.entry(TypeId::of::<S>()).or_insert_with(|| Box::<S>::default());
        use_it(value.downcast_mut().expect("the map is keyed by the value's type"))
    }

    /// Takes what was stashed under this type, for a [`CommitHook`].
    pub fn take<S: Send + 'static>(&self) -> Option<S> {
        let mut stash = self.stash.lock().unwrap_or_else(PoisonError::into_inner);
        stash.remove(&TypeId::of::<S>()).and_then(|value| value.downcast().ok()).map(|value| *value)
    }

    /// Runs `callback` once the transaction is durable. It must be quick and must not block.
    pub fn on_commit(&self, callback: impl FnOnce() + Send + 'static) {
        self.on_commit.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(callback));
    }

    /// Runs `callback` if the transaction does not commit, or if nobody knows whether it did; the last registered runs first.
    pub fn on_rollback(&self, callback: impl FnOnce() + Send + 'static) {
        self.on_rollback.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(callback));
    }

    /// Forgets the marks of the closure before; [`Marks`] tells those of the next.
    pub(crate) fn clear_marks(&self) {
        self.wrote.store(false, Ordering::Relaxed);
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn marks(&self) -> Marks {
        Marks {
            wrote: self.wrote.load(Ordering::Relaxed),
            failed: *self.failed.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), Error> {
        let Self { inner, on_commit, on_rollback, .. } = self;
        let outcome = inner.commit().await;
        if outcome.is_ok() {
            run_all(on_commit, std::convert::identity);
        } else {
            run_all(on_rollback, reversed);
        }
        outcome.map_err(Error::from)
    }

    /// If this fails, nobody knows what the connection is in the middle of.
    pub(crate) async fn rollback(self) -> Result<(), Error> {
        let Self { inner, on_rollback, .. } = self;
        let outcome = inner.rollback().await;
        run_all(on_rollback, reversed);
        outcome.map_err(Error::from)
    }

    /// Ends a transaction that only read: there is nothing to lose, but the connection must come back clean.
    pub(crate) async fn end_read(self) -> Result<(), Error> {
        self.inner.commit().await.map_err(Error::from)
    }

    fn note<T>(&self, writes: bool, outcome: Result<T, DbErr>) -> Result<T, DbErr> {
        if writes {
            self.wrote.store(true, Ordering::Relaxed);
        }
        outcome.inspect_err(|error| {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(classify(error));
        })
    }
}

/// What a closure did to the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) wrote: bool,
    pub(crate) failed: Option<Class>,
}

fn run_all(callbacks: Mutex<Vec<Callback>>, order: impl FnOnce(Vec<Callback>) -> Vec<Callback>) {
    for callback in order(callbacks.into_inner().unwrap_or_else(PoisonError::into_inner)) {
        callback();
    }
}

fn reversed(mut callbacks: Vec<Callback>) -> Vec<Callback> {
    callbacks.reverse();
    callbacks
}

/// A query is taken for a read only if it plainly is one: `insert … returning` and `with … delete` are queries too.
fn is_read(statement: &Statement) -> bool {
    let sql = statement.sql.trim_start();
    sql.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("select"))
}

#[async_trait]
impl ConnectionTrait for Tx {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let writes = !is_read(&statement);
        self.note(writes, self.inner.execute_raw(statement).await)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.note(true, self.inner.execute_unprepared(sql).await)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let writes = !is_read(&statement);
        self.note(writes, self.inner.query_one_raw(statement).await)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let writes = !is_read(&statement);
        self.note(writes, self.inner.query_all_raw(statement).await)
    }
}
