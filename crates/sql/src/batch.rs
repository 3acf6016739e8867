use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::{Database, Error, Tx};

/// Commands of one sort that wait to be written: those that come while the database is busy are done together, by few statements.
/// Cheap to clone; all clones share what waits.
pub struct Batch<C, T, E>(Arc<Inner<C, T, E>>);

struct Inner<C, T, E> {
    /// The most commands that are done together.
    most: usize,
    waiting: Mutex<Vec<(C, Answer<T, E>)>>,
}

type Answer<T, E> = oneshot::Sender<Result<T, E>>;

/// The commands that one closure took, whenever it is run again.
struct Taken<C, T, E> {
    commands: Arc<[C]>,
    answers: Mutex<VecDeque<Answer<T, E>>>,
}

impl<C, T, E> Clone for Batch<C, T, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C, T, E> std::fmt::Debug for Batch<C, T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("most", &self.0.most).finish_non_exhaustive()
    }
}

impl<C, T, E> Batch<C, T, E>
where
    C: Clone + Send + Sync + 'static,
    T: Send + 'static,
    E: From<Error> + Display + Send + 'static,
{
    /// At most so many are done together.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner { most, waiting: Mutex::default() }))
    }

    /// Writes a command with whatever waits, and answers when it is durable. `all` gets commands in the order in which they came and
    /// tells as many outcomes in the same order; it may run again, does nothing but SQL, and one of its commands that is refused has
    /// written nothing. Whoever goes away may leave its command undone.
    ///
    /// # Errors
    /// What `all` says of this command. If it fails for many, it is asked about each alone. If the database fails where nobody knows
    /// what is written, all are told.
    pub async fn write<F>(&self, database: &Database, command: C, all: F) -> Result<T, E>
    where
        F: for<'t> Fn(&'t Tx, Arc<[C]>) -> BoxFuture<'t, Result<Vec<Result<T, E>>, E>> + Send + Sync + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.0.push(command, answer);
        let slot: Arc<OnceLock<Arc<Taken<C, T, E>>>> = Arc::default();
        let (queue, mine, all) = (self.0.clone(), slot.clone(), Arc::new(all));
        let (one, has_failed) = (all.clone(), Arc::new(AtomicBool::new(false)));
        let fails = has_failed.clone();
        let written: Result<(), E> = database
            .write(move |tx| {
                // What another closure took is done there.
                let taken = mine.get_or_init(|| Arc::new(queue.take())).clone();
                let (all, fails) = (all.clone(), fails.clone());
                Box::pin(async move {
                    if !taken.commands.is_empty() {
                        let outcomes = all(tx, taken.commands.clone()).await;
                        fails.store(outcomes.is_err(), Ordering::Relaxed);
                        let outcomes = outcomes?;
                        tx.on_commit(move || taken.answer(outcomes));
                    }
                    Ok(())
                })
            })
            .await;
        match (written, slot.get()) {
            // It was never taken, and is not from now on: nobody waits for its answer.
            (Err(error), None) => return Err(error),
            (Err(error), Some(taken)) if taken.commands.len() == 1 => return Err(error),
            (Err(_), Some(taken)) if has_failed.load(Ordering::Relaxed) => {
                for command in taken.commands.iter() {
                    taken.answer_next(alone(database, command.clone(), one.clone()).await);
                }
            }
            (Err(error), Some(taken)) => {
                let told = error.to_string();
                taken.commands.iter().for_each(|_| taken.answer_next(Err(Error::Together(told.clone()).into())));
            }
            (Ok(()), _) => {}
        }
        answered.await.unwrap_or_else(|_| Err(Error::Together("nobody saw to them any more".into()).into()))
    }
}

/// One command in a transaction of its own, or a group's.
async fn alone<C, T, E, F>(database: &Database, command: C, all: Arc<F>) -> Result<T, E>
where
    C: Send + Sync + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
    F: for<'t> Fn(&'t Tx, Arc<[C]>) -> BoxFuture<'t, Result<Vec<Result<T, E>>, E>> + Send + Sync + 'static,
{
    let commands: Arc<[C]> = Arc::new([command]);
    let outcomes = database.write(move |tx| all(tx, commands.clone())).await?;
    outcomes.into_iter().next().unwrap_or_else(|| Err(Error::Panicked.into()))
}

impl<C, T, E> Inner<C, T, E> {
    fn push(&self, command: C, answer: Answer<T, E>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((command, answer));
    }

    fn take(&self) -> Taken<C, T, E> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let most = waiting.len().min(self.most);
        let wanted = waiting.drain(..most).filter(|(_, answer)| !answer.is_closed());
        let (commands, answers): (Vec<C>, VecDeque<_>) = wanted.unzip();
        Taken { commands: commands.into(), answers: Mutex::new(answers) }
    }
}

impl<C, T, E> Taken<C, T, E> {
    fn answer(&self, outcomes: Vec<Result<T, E>>) {
        outcomes.into_iter().for_each(|outcome| self.answer_next(outcome));
    }

    fn answer_next(&self, outcome: Result<T, E>) {
        if let Some(answer) = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            // Whoever asked may have gone.
            let _ = answer.send(outcome);
        }
    }
}
