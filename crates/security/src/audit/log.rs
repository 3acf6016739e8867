use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_redact::Forgotten;
use orchestrator_vocab::Clock;
use tokio::sync::oneshot;

use super::config::Config;
use super::error::Error;
use super::forgetting::Forgetting;
use super::head::{self, Head};
use super::reading::{self, Filter, Summary};
use super::record::{Entry, Record};
use super::signer::Signer;
use super::verify::{Verified, verify};
use super::writer::Writer;

/// Entries that wait to be written; more are refused.
const WAITING_MAX: usize = 4_096;

/// What a log is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where its files are. One process writes to it at a time: that is the caller's care.
    pub directory: PathBuf,
    /// Who vouches for it.
    pub signer: Signer,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub config: Config,
}

/// The log, for whoever writes to it or reads it. Cheap to clone; it ends with its last clone, after a checkpoint.
#[derive(Debug, Clone)]
pub struct Audit {
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
}

/// What somebody waits for.
pub(super) enum Job {
    Append(Box<Entry>, oneshot::Sender<Result<u64, Error>>),
    Forget(Forgetting, oneshot::Sender<Result<Forgotten, Error>>),
    Close(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) parts: Parts,
    /// Why nothing can be written, if that is so.
    problem: Mutex<Option<String>>,
    head: Mutex<Head>,
}

impl Shared {
    pub(super) fn tell(&self, head: &Head, problem: Option<&str>) {
        head.clone_into(&mut self.head.lock().unwrap_or_else(PoisonError::into_inner));
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem.map(str::to_owned);
    }

    pub(super) fn has_problem(&self) -> bool {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Audit {
    /// Opens the log where it ended, or begins it. Reads its last file; [`Audit::verify`] reads all.
    ///
    /// # Errors
    /// [`Error::Tampered`] if its end is not as it was left, [`Error::Unreadable`] and [`Error::Unwritable`].
    pub fn open(parts: Parts) -> Result<Self, Error> {
        let writer = Writer::open(&parts)?;
        let (problem, head) = (Mutex::new(None), Mutex::new(writer.head().clone()));
        let shared = Arc::new(Shared { parts, problem, head });
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let told = shared.clone();
        let thread = std::thread::Builder::new().name("audit".into()).spawn(move || writer.run(&waiting, &told));
        thread.map_err(|error| Error::Unwritable(error.to_string()))?;
        Ok(Self { jobs, shared })
    }

    /// Writes an entry down, and answers its number once it is on the disk. Entries that wait together are synced together.
    ///
    /// # Errors
    /// [`Error::Unwritable`]: then whatever it was about must not be done.
    pub async fn append(&self, entry: Entry) -> Result<u64, Error> {
        let (done, written) = oneshot::channel();
        self.jobs.try_send(Job::Append(Box::new(entry), done)).map_err(|error| match error {
            TrySendError::Full(_) => Error::Unwritable(format!("{WAITING_MAX} entries are waiting already")),
            TrySendError::Disconnected(_) => ended(),
        })?;
        written.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Takes the arguments of records away for good, where `concerns` says so of the entry with them; or only counts them. Everything
    /// else stays, and can be verified as before. Records of an earlier version hold their arguments as long as the log has them:
    /// they are counted as held. Meanwhile nothing else is written: it reads every file, and writes those that change anew.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Unwritable`]: some may be gone already; do it again.
    pub async fn forget(
        &self,
        concerns: impl Fn(&Entry) -> bool + Send + 'static,
        changes: bool,
    ) -> Result<Forgotten, Error> {
        let (done, forgotten) = oneshot::channel();
        let job = Job::Forget(Forgetting { concerns: Box::new(concerns), changes }, done);
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::Unwritable(format!("{WAITING_MAX} entries are waiting already")),
            TrySendError::Disconnected(_) => ended(),
        })?;
        forgotten.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Writes a last checkpoint and ends: what is appended afterwards is refused. Whoever drops all clones without it leaves the
    /// checkpoint to the thread's own time.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        let mut job = Job::Close(done);
        while let Err(TrySendError::Full(again)) = self.jobs.try_send(job) {
            job = again;
            tokio::task::yield_now().await;
        }
        // If it has ended already, nobody answers.
        let _ = closed.await;
    }

    /// Why nothing can be written; `None` as long as the last entry was.
    pub fn problem(&self) -> Option<String> {
        self.shared.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far it goes.
    pub fn head(&self) -> Head {
        self.shared.head.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The bounds.
    pub fn config(&self) -> &Config {
        &self.shared.parts.config
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.shared.parts.directory
    }

    /// Looks at all of it. Reads every file: call it where blocking is allowed.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn verify(&self) -> Result<Verified, Error> {
        verify(self.directory(), Some(&self.shared.parts.signer.public()))
    }

    /// Records, the newest first, from before this number on, or from the end. Blocks.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn list(&self, filter: &Filter, before: Option<u64>, limit: usize) -> Result<Vec<Record>, Error> {
        reading::list(self.directory(), filter, before, limit)
    }

    /// What was decided how often. Blocks.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn summary(&self, filter: &Filter) -> Result<Summary, Error> {
        reading::summary(self.directory(), filter)
    }

    /// The signed note of how far it goes, as it lies beside the files. Blocks.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn note(&self) -> Result<Option<String>, Error> {
        let path = head::path(self.directory());
        match std::fs::read_to_string(&path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::unreadable(path)(error)),
        }
    }

    /// Lines of the files as they are, from the one of this record on, in the order of the log, at most so many; with the
    /// number of the record after them, if there is one. Together they can be verified elsewhere. Blocks.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn lines(&self, from: u64, limit: usize) -> Result<(Vec<String>, Option<u64>), Error> {
        reading::lines(self.directory(), from, limit)
    }
}

fn ended() -> Error {
    Error::Unwritable("its thread has ended".to_owned())
}
