mod changing;
mod keeping;
mod prepare;

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use orchestrator_vocab::{Clock, OrgId, SessionId};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::task::TaskTracker;

use crate::copies::{self, Copies, Rules};
use crate::git::Git;
use crate::worktree::Worktree;
use crate::{Config, Difference, Error, Mode, Query, Status, Store, Workspace};

pub use changing::Merged;

/// Where copies keep how they were at the beginning; no organisation is called that.
const BASES: &str = ".base";
/// Two sessions, or sources, may have to wait for each other by chance; that costs nothing but time.
const LOCKS: usize = 64;

/// Whether a session is at work. Answered by whoever knows sessions.
#[async_trait]
pub trait Activity: Send + Sync {
    /// Whether it may still write to its workspace. A session that is unknown is not at work.
    ///
    /// # Errors
    /// Nobody knows now; ask again.
    async fn is_active(&self, org: OrgId, session: SessionId)
    -> Result<bool, Box<dyn std::error::Error + Send + Sync>>;
}

/// What workspaces need.
#[derive(Clone)]
pub struct Parts {
    /// Where they are remembered.
    pub store: Arc<dyn Store>,
    /// Who knows which sessions are at work.
    pub activity: Arc<dyn Activity>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The name of this daemon among those that share a database; the same after a restart.
    pub node: String,
    /// Marks the processes that are started, as for sessions.
    pub owner: String,
    /// Where workspaces are made; the directory is made if it is missing.
    pub root: PathBuf,
    /// Directories that are never copied, such as the daemon's own.
    pub keep_out: Vec<PathBuf>,
    /// What the operator has decided.
    pub config: Config,
}

/// Where sessions work on files. A cheap handle: all clones are one.
#[derive(Clone)]
pub struct Workspaces(Arc<Inner>);

struct Inner {
    parts: Parts,
    config: RwLock<Config>,
    sessions: [Mutex<()>; LOCKS],
    sources: [Mutex<()>; LOCKS],
    /// What changes files goes on when its caller goes away.
    tracker: TaskTracker,
}

impl fmt::Debug for Workspaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspaces").field("root", &self.0.parts.root).finish_non_exhaustive()
    }
}

impl Workspaces {
    /// Checks the configuration and makes the root. Nothing runs yet; see [`run`](Self::run).
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Io`].
    pub fn open(mut parts: Parts) -> Result<Self, Error> {
        parts.config.validate()?;
        std::fs::create_dir_all(&parts.root).map_err(Error::io(&parts.root))?;
        parts.root = parts.root.canonicalize().map_err(Error::io(&parts.root))?;
        parts.keep_out.push(parts.root.clone());
        let inner = Inner {
            config: RwLock::new(parts.config.clone()),
            parts,
            sessions: std::array::from_fn(|_| Mutex::default()),
            sources: std::array::from_fn(|_| Mutex::default()),
            tracker: TaskTracker::new(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Decides anew; what exists stays as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`]; then nothing is changed.
    pub fn reconfigure(&self, config: Config) -> Result<(), Error> {
        config.validate()?;
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// The session's workspace.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn get(&self, org: OrgId, session: SessionId) -> Result<Workspace, Error> {
        self.0.parts.store.get(org, session).await?.ok_or(Error::NotFound(session))
    }

    /// The organisation's workspaces, the newest session first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(&self, org: OrgId, query: Query) -> Result<Vec<Workspace>, Error> {
        self.0.parts.store.list(org, query).await
    }

    /// What was changed in it, uncommitted and new files included. It may be asked while the session works.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Elsewhere`], [`Error::Unfit`] for a shared one, and what reading it fails with.
    pub async fn diff(&self, org: OrgId, session: SessionId) -> Result<Difference, Error> {
        let workspace = self.here(org, session).await?;
        let _turn = self.0.turn_of(session).await;
        let diff_bytes_max = self.config().diff_bytes_max;
        match workspace.mode {
            Mode::Shared => {
                Err(Error::Unfit { problem: "the session works on the source itself: nothing to compare with" })
            }
            Mode::Worktree => Worktree::open(&self.git(), &workspace).await?.difference(diff_bytes_max).await,
            Mode::Copy => {
                let copies = self.copies(&workspace)?;
                blocking(move || copies::difference(&copies, workspace.origin.as_deref(), diff_bytes_max)).await
            }
        }
    }

    /// What its files take, in bytes; of a shared one nothing.
    ///
    /// # Errors
    /// As [`diff`](Self::diff), except for shared ones.
    pub async fn usage(&self, org: OrgId, session: SessionId) -> Result<u64, Error> {
        let workspace = self.here(org, session).await?;
        if workspace.mode == Mode::Shared {
            return Ok(0);
        }
        let base = self.base_of(&workspace);
        blocking(move || Ok(copies::bytes(&workspace.path) + copies::bytes(&base))).await
    }

    /// Waits for what changes files; nothing new is begun.
    pub async fn close(&self) {
        self.0.tracker.close();
        self.0.tracker.wait().await;
    }

    /// A workspace with files on this machine.
    async fn here(&self, org: OrgId, session: SessionId) -> Result<Workspace, Error> {
        let workspace = self.get(org, session).await?;
        if workspace.node != self.0.parts.node {
            return Err(Error::Elsewhere { session, node: workspace.node });
        }
        match workspace.status {
            Status::Ready | Status::Preparing => Ok(workspace),
            status => Err(Error::Closed { session, status }),
        }
    }

    fn config(&self) -> Config {
        self.0.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn git(&self) -> Git {
        Git::new(&self.config(), &self.0.parts.owner)
    }

    fn rules(&self) -> Rules {
        Rules::new(&self.config(), &self.0.parts.keep_out)
    }

    fn base_of(&self, workspace: &Workspace) -> PathBuf {
        self.0.parts.root.join(BASES).join(workspace.org.to_string()).join(workspace.session.to_string())
    }

    /// The two directories of a copy, which must be there.
    fn copies(&self, workspace: &Workspace) -> Result<Copies, Error> {
        let base = self.base_of(workspace);
        match workspace.path.is_dir() && base.is_dir() {
            true => Ok(Copies { work: workspace.path.clone(), base, rules: self.rules() }),
            false => Err(Error::Gone(workspace.session)),
        }
    }

    /// Does something to its end, also if the caller goes away.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let ended = self.0.tracker.spawn(work).await;
        ended.unwrap_or_else(|panic| Err(Error::Store(Box::new(panic))))
    }
}

impl Inner {
    async fn turn_of(&self, session: SessionId) -> MutexGuard<'_, ()> {
        self.sessions[place(&session)].lock().await
    }

    /// Taken after a session's, never before.
    async fn turn_of_source(&self, origin: &Path) -> MutexGuard<'_, ()> {
        self.sources[place(&origin)].lock().await
    }
}

fn place(key: &impl Hash) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default()
}

/// Reads and writes files away from the threads that serve.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(Error::Store(Box::new(panic))))
}
