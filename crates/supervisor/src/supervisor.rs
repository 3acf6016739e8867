use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, error, info, info_span, warn};

use crate::attempt::attempt;
use crate::restarts::Restarts;
use crate::status::Board;
use crate::{Config, Error, State, Status};

/// How long `stop` lets aborted tasks run their destructors. A task that never awaits does not end at all.
const ABORT_TIME_MAX: Duration = Duration::from_secs(1);

/// Starts loops, restarts them, and stops them. Cheap to clone; every clone is the same supervisor.
///
/// When the last clone is dropped every loop's token is cancelled, and nothing is waited for.
#[derive(Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    board: Board,
    tracker: TaskTracker,
    stop: CancellationToken,
    abort_handles: Mutex<HashMap<String, AbortHandle>>,
    _cancel_when_dropped: DropGuard,
}

impl Supervisor {
    /// A supervisor without loops.
    pub fn new(config: Config) -> Self {
        let stop = CancellationToken::new();
        Self {
            shared: Arc::new(Shared {
                config,
                board: Board::new(),
                tracker: TaskTracker::new(),
                _cancel_when_dropped: stop.clone().drop_guard(),
                stop,
                abort_handles: Mutex::default(),
            }),
        }
    }

    /// Starts the loop `name`; `make` is called for the first start and for each restart.
    /// The loop should return soon after its token is cancelled.
    ///
    /// # Errors
    /// [`Error::NameTaken`] while another one of this name lives, [`Error::Stopping`] after [`stop`](Self::stop).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn<M, F, E>(&self, name: impl Into<String>, make: M) -> Result<(), Error>
    where
        M: Fn(CancellationToken) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
    {
        let name = name.into();
        let span = info_span!("loop", name);
        let keeper = self.keeper(&name);
        self.start(name, keeper.keep(Arc::new(make)).instrument(span))
    }

    /// Runs `future` a single time. If it succeeds it leaves the list; if it fails or panics it stays as
    /// [`State::Failed`] until the name is used again, so give fixed names. On [`stop`](Self::stop) it is waited
    /// for until the deadline.
    ///
    /// # Errors
    /// [`Error::NameTaken`] while another one of this name lives, [`Error::Stopping`] after [`stop`](Self::stop).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn once<F, E>(&self, name: impl Into<String>, future: F) -> Result<(), Error>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
    {
        let name = name.into();
        let span = info_span!("task", name);
        let keeper = self.keeper(&name);
        self.start(name, keeper.run_once(future).instrument(span))
    }

    /// All loops in the order of their start, the failed and stopped ones included.
    pub fn status(&self) -> Vec<Status> {
        self.watch().borrow().clone()
    }

    /// The same list as it changes: `watch().wait_for(|all| all.iter().any(|one| one.state == State::Failed))`.
    pub fn watch(&self) -> watch::Receiver<Vec<Status>> {
        self.shared.board.watch()
    }

    /// Cancels all loops at once, waits for them until `deadline` from now, then aborts the rest. May be called again.
    ///
    /// # Errors
    /// [`Error::Unfinished`] names those that had to be aborted.
    pub async fn stop(&self, deadline: Duration) -> Result<(), Error> {
        let shared = &self.shared;
        {
            // Under the lock that `start` takes, so that nothing slips in between.
            let _starting = self.abort_handles();
            shared.stop.cancel();
            shared.tracker.close();
        }
        if timeout(deadline, shared.tracker.wait()).await.is_ok() {
            return Ok(());
        }
        let names = self.abort_the_rest();
        // Waited for so that their destructors have run; bounded because one that never awaits never ends.
        let _ = timeout(ABORT_TIME_MAX, shared.tracker.wait()).await;
        if names.is_empty() { Ok(()) } else { Err(Error::Unfinished { names }) }
    }

    fn abort_the_rest(&self) -> Vec<String> {
        let mut names = Vec::new();
        for status in self.status().into_iter().filter(|one| one.state.is_live()) {
            if let Some(handle) = self.abort_handles().remove(&status.name) {
                handle.abort();
            }
            warn!(name = status.name, "did not stop within the deadline; aborted");
            self.shared.board.set(&status.name, |one| {
                one.state = State::Stopped;
                one.last_error = Some("did not stop within the deadline".to_owned());
            });
            names.push(status.name);
        }
        names
    }

    fn start(&self, name: String, future: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        let mut handles = self.abort_handles();
        if self.shared.stop.is_cancelled() {
            return Err(Error::Stopping);
        }
        if !self.shared.board.enter(&name) {
            return Err(Error::NameTaken(name));
        }
        handles.retain(|_, handle| !handle.is_finished());
        let task = self.shared.tracker.spawn(future);
        handles.insert(name, task.abort_handle());
        Ok(())
    }

    fn keeper(&self, name: &str) -> Keeper {
        let shared = &self.shared;
        Keeper {
            name: name.to_owned(),
            board: shared.board.clone(),
            tracker: shared.tracker.clone(),
            stop: shared.stop.clone(),
            restarts: Restarts::new(shared.config.clone()),
        }
    }

    fn abort_handles(&self) -> std::sync::MutexGuard<'_, HashMap<String, AbortHandle>> {
        self.shared.abort_handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// What stays beside one loop. It holds no `Shared`, so that dropping the last handle is noticed.
struct Keeper {
    name: String,
    board: Board,
    tracker: TaskTracker,
    stop: CancellationToken,
    restarts: Restarts,
}

impl Keeper {
    async fn keep<M, F, E>(mut self, make: Arc<M>)
    where
        M: Fn(CancellationToken) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
    {
        loop {
            let (made, token) = (make.clone(), self.stop.child_token());
            let started = Instant::now();
            // The closure is called inside of the task: if it panics, that too is a failure of the loop.
            let running = async move { made(token).await }.in_current_span();
            let Err(message) = attempt(&self.tracker, running).await else {
                info!("ended");
                return self.set(State::Stopped, None);
            };
            if self.stop.is_cancelled() {
                warn!(error = message, "failed while stopping");
                return self.set(State::Stopped, Some(message));
            }
            let Some(delay) = self.restarts.next(started.elapsed(), Instant::now()) else {
                error!(error = message, "failed too often; given up");
                return self.set(State::Failed, Some(message));
            };
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            warn!(error = message, delay_ms, "failed; will be restarted");
            self.set(State::BackingOff, Some(message));
            tokio::select! {
                () = self.stop.cancelled() => return self.set(State::Stopped, None),
                () = sleep(delay) => {}
            }
            self.board.set(&self.name, |one| {
                one.state = State::Running;
                one.restarts += 1;
            });
        }
    }

    async fn run_once<F, E>(self, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
    {
        match attempt(&self.tracker, future.in_current_span()).await {
            Ok(()) => self.board.leave(&self.name),
            Err(message) => {
                error!(error = message, "failed");
                self.set(State::Failed, Some(message));
            }
        }
    }

    fn set(&self, state: State, error: Option<String>) {
        self.board.set(&self.name, |one| {
            one.state = state;
            one.last_error = error.or(one.last_error.take());
        });
    }
}
