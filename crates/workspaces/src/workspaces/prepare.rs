use std::path::{Path, PathBuf};

use orchestrator_vocab::{Actor, OrgId, SessionId};

use super::{Workspaces, blocking};
use crate::copies::Copies;
use crate::git::{Fit, probe};
use crate::{Choice, Error, Mode, SourceName, Status, Workspace, event, worktree};

/// What was found out about a source.
struct Plan {
    mode: Mode,
    base: Option<String>,
    branch: Option<String>,
    notes: Vec<String>,
}

impl Workspaces {
    /// The session's workspace: the one it has, or a new one. One whose making was cut off is made anew; one that is
    /// ready is answered as it is, whatever is asked for now.
    ///
    /// # Errors
    /// [`Error::UnknownSource`], [`Error::Source`], [`Error::NoGit`], [`Error::TooLarge`] and what git and the disk fail
    /// with: then nothing is left of it. [`Error::Closed`] and [`Error::Elsewhere`] if the session had one.
    pub async fn prepare(&self, org: OrgId, session: SessionId, choice: Choice) -> Result<Workspace, Error> {
        let this = self.clone();
        self.apart(async move { this.prepare_in_turn(org, session, choice).await }).await
    }

    async fn prepare_in_turn(&self, org: OrgId, session: SessionId, choice: Choice) -> Result<Workspace, Error> {
        let _turn = self.0.turn_of(session).await;
        let stored = match self.0.parts.store.get(org, session).await? {
            Some(stored) => stored,
            None => self.0.parts.store.insert(self.planned(org, session, choice).await?).await?,
        };
        if stored.node != self.0.parts.node {
            return Err(Error::Elsewhere { session, node: stored.node });
        }
        match stored.status {
            Status::Ready if stored.path.is_dir() => Ok(stored),
            // A copy that somebody removed cannot be had again; a branch still can.
            Status::Ready if stored.mode == Mode::Worktree => self.made(stored).await,
            Status::Ready => Err(Error::Gone(session)),
            Status::Preparing => self.made(stored).await,
            status => Err(Error::Closed { session, status }),
        }
    }

    /// What is to be made, before anything of it is there.
    async fn planned(&self, org: OrgId, session: SessionId, choice: Choice) -> Result<Workspace, Error> {
        let parts = &self.0.parts;
        let origin = choice.source.as_ref().map(|name| self.origin(name)).transpose()?;
        let plan = match (&choice.source, &origin) {
            (Some(name), Some(origin)) => self.plan(session, name, origin, choice.mode).await?,
            _ if matches!(choice.mode, None | Some(Mode::Copy)) => {
                Plan { mode: Mode::Copy, base: None, branch: None, notes: Vec::new() }
            }
            _ => return Err(Error::Unfit { problem: "a workspace without a source is a copy of nothing" }),
        };
        let path = match (plan.mode, &origin) {
            (Mode::Shared, Some(origin)) => origin.clone(),
            _ => parts.root.join(org.to_string()).join(session.to_string()),
        };
        Ok(Workspace {
            org,
            session,
            node: parts.node.clone(),
            status: Status::Preparing,
            mode: plan.mode,
            source: choice.source,
            origin,
            path,
            base: plan.base,
            branch: plan.branch,
            notes: plan.notes,
            created_at: parts.clock.now(),
            ended_at: None,
            changed: None,
            closed_at: None,
            commit: None,
        })
    }

    /// Where a source really is.
    fn origin(&self, name: &SourceName) -> Result<PathBuf, Error> {
        let refused = |problem: String| Error::Source { name: name.clone(), problem };
        let path = self.config().sources.get(name).cloned().ok_or_else(|| Error::UnknownSource(name.clone()))?;
        let path = path.canonicalize().map_err(|error| refused(format!("cannot be used: {error}")))?;
        if path.to_str().is_none() {
            return Err(refused("has a name that is not UTF-8".to_owned()));
        }
        if path.starts_with(&self.0.parts.root) {
            return Err(refused("is inside the directory of workspaces".to_owned()));
        }
        match path.is_dir() {
            true => Ok(path),
            false => Err(refused("is not a directory".to_owned())),
        }
    }

    /// The mode, and of a worktree where it begins.
    async fn plan(
        &self,
        session: SessionId,
        name: &SourceName,
        origin: &Path,
        mode: Option<Mode>,
    ) -> Result<Plan, Error> {
        let copy = Plan { mode: Mode::Copy, base: None, branch: None, notes: Vec::new() };
        let fit = match mode {
            Some(Mode::Copy) => return Ok(copy),
            Some(Mode::Shared) => return Ok(Plan { mode: Mode::Shared, ..copy }),
            Some(Mode::Worktree) => probe(&self.git(), origin).await?,
            None => match probe(&self.git(), origin).await {
                Err(Error::NoGit) => return Ok(copy),
                fit => fit?,
            },
        };
        let refused = |problem: &str| Error::Source { name: name.clone(), problem: problem.to_owned() };
        match fit {
            Fit::Top { repository, head, .. } => {
                let uncommitted = repository.uncommitted(false).await?.len();
                let note = format!("{uncommitted} uncommitted files of the source are not in the worktree");
                let notes = if uncommitted > 0 { vec![note] } else { Vec::new() };
                let branch = Some(worktree::branch_of(session));
                Ok(Plan { mode: Mode::Worktree, base: Some(head), branch, notes })
            }
            _ if mode.is_none() => Ok(copy),
            Fit::NoRepository => Err(refused("is no git repository: a worktree needs one")),
            Fit::Unfit(problem) => Err(refused(problem)),
        }
    }

    /// Makes what was planned, over whatever an earlier attempt has left.
    async fn made(&self, planned: Workspace) -> Result<Workspace, Error> {
        let notes = match self.make(&planned).await {
            Ok(notes) => notes,
            Err(error) => {
                self.unmake(&planned).await;
                return Err(error);
            }
        };
        let mut ready = Workspace { status: Status::Ready, ..planned.clone() };
        ready.notes.extend(notes);
        let events = match planned.status {
            Status::Preparing => {
                vec![event::of(&ready, "workspace.created", self.0.parts.clock.now(), Actor::system("workspaces"))]
            }
            _ => Vec::new(), // it was told already
        };
        self.0.parts.store.update(ready.clone(), planned.status, events).await?;
        Ok(ready)
    }

    async fn make(&self, planned: &Workspace) -> Result<Vec<String>, Error> {
        if let (Mode::Copy | Mode::Worktree, Some(parent)) = (planned.mode, planned.path.parent()) {
            tokio::fs::create_dir_all(parent).await.map_err(Error::io(parent))?;
        }
        match (planned.mode, planned.origin.clone()) {
            (Mode::Shared, _) => Ok(Vec::new()),
            (Mode::Worktree, Some(origin)) => {
                let _turn = self.0.turn_of_source(&origin).await;
                worktree::create(&self.git(), planned).await.map(|()| Vec::new())
            }
            (_, origin) => {
                let copies = Copies { work: planned.path.clone(), base: self.base_of(planned), rules: self.rules() };
                blocking(move || copies.create(origin.as_deref())).await
            }
        }
    }

    /// Nothing is left of what could not be made; the record says that it never came to be.
    async fn unmake(&self, planned: &Workspace) {
        if planned.status != Status::Preparing {
            return;
        }
        let removed = self.removed(planned).await;
        let now = self.0.parts.clock.now();
        let gone = Workspace { status: Status::Discarded, closed_at: Some(now), ..planned.clone() };
        let stored = self.0.parts.store.update(gone, planned.status, Vec::new()).await;
        if let Err(error) = removed.map(drop).and(stored) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(session = %planned.session, error, "a workspace that could not be made left something behind");
        }
    }
}
