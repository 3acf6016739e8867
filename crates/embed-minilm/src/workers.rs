use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::OpenError;

/// Threads that compute, each by itself: splitting matrices among threads costs more than it gains for texts this short, and would
/// take every core.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Shared>);

struct Shared {
    count: usize,
    free: Mutex<Vec<Arc<ThreadPool>>>,
    turns: Arc<Semaphore>,
}

/// Gives the worker back, whatever happened.
struct Turn {
    shared: Arc<Shared>,
    worker: Arc<ThreadPool>,
    _permit: OwnedSemaphorePermit,
}

impl Workers {
    pub(crate) fn start(count: usize) -> Result<Self, OpenError> {
        let worker = |number: usize| {
            ThreadPoolBuilder::new()
                .num_threads(1)
                .thread_name(move |_| format!("embed-{number}"))
                // Whoever waits is told by the channel that closes.
                .panic_handler(|_| {})
                .build()
                .map(Arc::new)
        };
        let workers: Result<Vec<_>, _> = (0..count).map(worker).collect();
        let free = Mutex::new(workers.map_err(|error| OpenError::Threads(Box::new(error)))?);
        Ok(Self(Arc::new(Shared { count, free, turns: Arc::new(Semaphore::new(count)) })))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.count
    }

    /// Computes when a worker is free, in the order of asking. `None`: it panicked.
    pub(crate) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = self.turn().await?;
        let (tell, told) = oneshot::channel();
        let worker = Arc::clone(&turn.worker);
        worker.spawn(move || {
            let result = job();
            drop(turn);
            // Who asked may have gone.
            let _ = tell.send(result);
        });
        told.await.ok()
    }

    async fn turn(&self) -> Option<Turn> {
        let permit = Arc::clone(&self.0.turns).acquire_owned().await.ok()?;
        let worker = self.0.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Turn { shared: Arc::clone(&self.0), worker, _permit: permit })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the permit goes, so that who has the next one finds a worker.
        self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&self.worker));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_workers() {
        let workers = Workers::start(2).unwrap();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs = (0..40).map(|number| {
            let (running, most) = (running.clone(), most.clone());
            workers.run(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                number
            })
        });
        let done: Vec<_> = join_all(jobs).await;
        assert_eq!(done, (0..40).map(Some).collect::<Vec<_>>());
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_panic_is_told_and_takes_no_worker_away() {
        let workers = Workers::start(1).unwrap();
        for _ in 0..3 {
            assert_eq!(workers.run(|| -> u8 { panic!("planted") }).await, None);
        }
        assert_eq!(workers.run(|| 7).await, Some(7));
    }
}
