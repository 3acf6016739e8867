use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::job::{Job, Ran, Typed};
use crate::tx::{CommitHook, Tx};
use crate::{Class, Error, Options};

/// The most closures in one transaction.
const GROUP_MAX: usize = 256;
/// How often a closure is run again after contention before its caller is told.
const ATTEMPTS_MAX: usize = 10;

#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Writer {
    pub(crate) fn start(connection: DatabaseConnection, options: &Options) -> Self {
        let (queue, jobs) = mpsc::channel(options.queue_max);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let worker = Worker { connection, hook: options.hook.clone() };
        tasks.spawn(worker.run(jobs, stop.clone()));
        tasks.close();
        Self { queue, stop, tasks }
    }

    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> Fn(&'t Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Typed::new(work, reply);
        self.queue.send(Box::new(job)).await.map_err(|_| Error::Closed)?;
        answer.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

struct Worker {
    connection: DatabaseConnection,
    hook: Option<Arc<dyn CommitHook>>,
}

impl Worker {
    async fn run(self, mut jobs: mpsc::Receiver<Box<dyn Job>>, stop: CancellationToken) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled(), if !jobs.is_closed() => jobs.close(),
                taken = jobs.recv_many(&mut group, GROUP_MAX) => {
                    if taken == 0 {
                        break;
                    }
                    self.run_group(std::mem::take(&mut group)).await;
                }
            }
        }
    }

    /// One transaction for all; if one spoils it, everybody again, each alone.
    async fn run_group(&self, mut group: Vec<Box<dyn Job>>) {
        if group.len() > 1 {
            match self.attempt(&mut group).await {
                Ok(()) => return answer_all(group, &Ok(())),
                Err(error) => tracing::debug!(%error, jobs = group.len(), "a group of writes runs again one by one"),
            }
        }
        for job in group {
            self.run_alone(job).await;
        }
    }

    async fn run_alone(&self, job: Box<dyn Job>) {
        let mut alone = vec![job];
        let mut attempts_left = ATTEMPTS_MAX;
        loop {
            attempts_left -= 1;
            match self.attempt(&mut alone).await {
                Err(Spoilt { class: Some(Class::Contention), .. }) if attempts_left > 0 => {
                    tokio::task::yield_now().await
                }
                Ok(()) => return answer_all(alone, &Ok(())),
                Err(spoilt) => return answer_all(alone, &Err(spoilt)),
            }
        }
    }

    async fn attempt(&self, group: &mut [Box<dyn Job>]) -> Result<(), Spoilt> {
        let tx = Tx::begin_write(&self.connection).await.map_err(Spoilt::by_database)?;
        for job in group {
            tx.clear_marks();
            // A panic in a closure must not take the writer along; its transaction is rolled back like any other fault.
            let ran = std::panic::AssertUnwindSafe(job.run(&tx)).catch_unwind().await;
            let marks = tx.marks();
            let spoilt = match ran {
                Err(_) => Some(Spoilt { class: None, error: Some(Error::Panicked) }),
                Ok(Ran::Refused) if !marks.wrote && marks.failed.is_none() => None,
                Ok(Ran::Done) if marks.failed.is_none() => None,
                Ok(_) => Some(Spoilt { class: marks.failed, error: None }),
            };
            if let Some(spoilt) = spoilt {
                self.give_up(tx).await;
                return Err(spoilt);
            }
        }
        if let Some(hook) = &self.hook
            && let Err(error) = hook.before_commit(&tx).await
        {
            self.give_up(tx).await;
            return Err(Spoilt::by_database(error));
        }
        let committed = tx.commit().await;
        if let Err(error) = &committed {
            self.renew(error).await;
        }
        committed.map_err(Spoilt::by_database)
    }

    async fn give_up(&self, tx: Tx) {
        if let Err(error) = tx.rollback().await {
            self.renew(&error).await;
        }
    }

    /// SQLite rolls back by itself where its disk is full, and the driver does not notice: it would take what comes next for a part of
    /// a transaction, and commit none of it. Only another connection is certain to be in none. PostgreSQL's driver closes its own.
    async fn renew(&self, error: &Error) {
        if self.connection.get_database_backend() != DbBackend::Sqlite {
            return;
        }
        tracing::debug!(%error, "a transaction did not end: there will be another connection");
        let closed = match self.connection.get_sqlite_connection_pool().acquire().await {
            Ok(connection) => connection.close().await,
            Err(error) => Err(error),
        };
        if let Err(error) = closed {
            tracing::warn!(%error, "the connection that writes cannot be closed");
        }
    }
}

/// Why a transaction was given up: a closure's own error (then it carries the answer), or the database's.
#[derive(Debug, thiserror::Error)]
#[error("{class:?}, {error:?}")]
pub(crate) struct Spoilt {
    class: Option<Class>,
    pub(crate) error: Option<Error>,
}

impl Spoilt {
    fn by_database(error: Error) -> Self {
        Self { class: error.class(), error: Some(error) }
    }
}

fn answer_all(group: Vec<Box<dyn Job>>, outcome: &Result<(), Spoilt>) {
    for job in group {
        job.answer(outcome);
    }
}
