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

/// Who waits for what they compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Somebody.
    Asked,
    /// Nobody: whatever else this machine has to do comes first.
    Background,
}

/// By how much those that nobody waits for stand back: a tenth of the processor time of another thread that wants the same core.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

impl Rank {
    fn name(self) -> &'static str {
        match self {
            Self::Asked => "embed-asked",
            Self::Background => "embed",
        }
    }

    /// Of the thread that calls it. Elsewhere than on Linux this is something of the whole process.
    fn take(self) {
        #[cfg(target_os = "linux")]
        if self == Self::Background {
            // Standing back is always allowed; where it is not, they compute all the same.
            let _ = rustix::process::setpriority_process(None, NICE);
        }
    }
}

impl Workers {
    pub(crate) fn start(count: usize, rank: Rank) -> Result<Self, OpenError> {
        let worker = |number: usize| {
            ThreadPoolBuilder::new()
                .num_threads(1)
                .thread_name(move |_| format!("{}-{number}", rank.name()))
                .start_handler(move |_| rank.take())
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
        let workers = Workers::start(2, Rank::Asked).unwrap();
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

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_those_that_nobody_waits_for_stand_back() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let of = async |rank| Workers::start(1, rank).unwrap().run(nice).await;
        assert_eq!(of(Rank::Asked).await, Some(nice()));
        assert_eq!(of(Rank::Background).await, Some((nice() + NICE).min(19)));
    }

    #[tokio::test]
    async fn a_panic_is_told_and_takes_no_worker_away() {
        let workers = Workers::start(1, Rank::Background).unwrap();
        for _ in 0..3 {
            assert_eq!(workers.run(|| -> u8 { panic!("planted") }).await, None);
        }
        assert_eq!(workers.run(|| 7).await, Some(7));
    }
}
