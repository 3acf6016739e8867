use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_sessions::{Answer, Error as SessionError, Lease, Session, Sessions, Work};
use orchestrator_vocab::{OrgId, SessionId};
use orchestrator_workspaces::{Activity, Choice, Error, Workspace, Workspaces};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Which sessions are at work, or about to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct AtWork(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    sessions: OnceLock<Sessions>,
    /// Their workspaces are being made, before there is a session.
    coming: Mutex<HashSet<SessionId>>,
}

/// While it lives, the session counts as being at work.
struct Coming(AtWork, SessionId);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.0.coming.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl AtWork {
    pub(crate) fn of(sessions: Sessions) -> Self {
        Self(Arc::new(Known { sessions: OnceLock::from(sessions), coming: Mutex::default() }))
    }

    fn comes(&self, session: SessionId) -> Coming {
        self.0.coming.lock().unwrap_or_else(PoisonError::into_inner).insert(session);
        Coming(self.clone(), session)
    }
}

#[async_trait]
impl Activity for AtWork {
    async fn is_active(
        &self,
        org: OrgId,
        session: SessionId,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        if self.0.coming.lock().unwrap_or_else(PoisonError::into_inner).contains(&session) {
            return Ok(true);
        }
        let Some(sessions) = self.0.sessions.get() else { return Ok(false) };
        match sessions.get(org, session).await {
            Ok(session) => Ok(!session.state.is_ended()),
            Err(SessionError::NotFound(_)) => Ok(false),
            Err(error) => Err(Box::new(error)),
        }
    }
}

/// Makes workspaces for claims, away from the scheduler: a large directory must not hold up other tasks.
#[derive(Clone)]
pub(crate) struct Workplaces {
    pub(crate) workspaces: Workspaces,
    pub(crate) at_work: AtWork,
    pub(crate) backlog: Arc<dyn Work>,
    /// How often the claim is renewed meanwhile.
    pub(crate) heartbeat: Duration,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Why there is no workspace.
enum Missed {
    /// It cannot be made: the attempt fails.
    Impossible(Error),
    /// The daemon stops, or the store failed: the task goes back.
    NotNow(String),
    /// The task is somebody else's by now.
    Lost,
}

impl Workplaces {
    pub(crate) fn new(workspaces: Workspaces, at_work: AtWork, backlog: Arc<dyn Work>, heartbeat: Duration) -> Self {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        Self { workspaces, at_work, backlog, heartbeat, tracker, stop }
    }

    /// Makes the workspace of a session that is to be, then calls `start`, which makes the session or says why not.
    pub(crate) fn begin<F>(&self, lease: Lease, choice: Choice, start: impl FnOnce(Workspace) -> F + Send + 'static)
    where
        F: Future<Output = Result<Session, String>> + Send,
    {
        let this = self.clone();
        self.tracker.spawn(async move {
            let coming = this.at_work.comes(lease.session);
            let begun = match this.prepared(&lease, choice).await {
                Ok(workspace) => start(workspace).await.map_err(Missed::NotNow),
                Err(missed) => Err(missed),
            };
            drop(coming);
            match begun {
                Ok(session) if session.id == lease.session => return,
                // One that was interrupted goes on, with the workspace it has; this one is not needed.
                Ok(_) => {}
                Err(missed) => this.give_back(&lease, missed).await,
            }
            if let Err(error) = this.workspaces.ended(lease.org, lease.session).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a workspace was left behind for now");
            }
        });
    }

    async fn prepared(&self, lease: &Lease, choice: Choice) -> Result<Workspace, Missed> {
        let preparing = self.workspaces.prepare(lease.org, lease.session, choice);
        tokio::pin!(preparing);
        let mut beats = tokio::time::interval(self.heartbeat);
        loop {
            tokio::select! {
                made = &mut preparing => return made.map_err(|error| match error {
                    Error::Store(_) => Missed::NotNow(error.to_string()),
                    error => Missed::Impossible(error),
                }),
                () = self.stop.cancelled() => return Err(Missed::NotNow("the daemon is stopping".to_owned())),
                _ = beats.tick() => match self.backlog.heartbeat(lease, None).await {
                    Ok(Answer::Lost) => return Err(Missed::Lost),
                    Ok(Answer::Accepted) => {}
                    Err(error) => tracing::debug!(%error, "a claim was not renewed"),
                },
            }
        }
    }

    async fn give_back(&self, lease: &Lease, missed: Missed) {
        let told = match missed {
            Missed::Impossible(error) => self.backlog.fail(lease, format!("no workspace: {}", chain(&error))).await,
            Missed::NotNow(reason) => self.backlog.release(lease, reason, None).await,
            Missed::Lost => return,
        };
        if let Err(error) = told {
            // The lease ends by itself.
            tracing::warn!(task = %lease.task, %error, "a task without a workspace was not given back");
        }
    }

    /// Begins nothing more, and waits for what has begun.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
