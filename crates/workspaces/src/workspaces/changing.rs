use orchestrator_vocab::{Actor, OrgId, SessionId};

use super::{Workspaces, blocking};
use crate::copies::{self, Copies};
use crate::worktree::{self, Worktree};
use crate::{Error, Mode, Status, Workspace, event};

/// The longest message of a commit, in characters.
const MESSAGE_CHARS_MAX: usize = 10_000;

/// What a merge did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The workspace, which is merged now.
    pub workspace: Workspace,
    /// Whether anything was changed in the source; not if nothing was changed in the workspace.
    pub changed: bool,
}

impl Workspaces {
    /// Brings the changes into the source and removes the workspace. Of a worktree, what is uncommitted is committed
    /// with `message` first, and all of it is merged into the branch that the source has checked out.
    ///
    /// # Errors
    /// [`Error::Conflicts`], [`Error::Uncommitted`], [`Error::InUse`], [`Error::Unfit`], [`Error::Closed`],
    /// [`Error::Elsewhere`]: then nothing is changed in the source.
    pub async fn merge(
        &self,
        org: OrgId,
        session: SessionId,
        message: Option<String>,
        actor: Actor,
    ) -> Result<Merged, Error> {
        // What there is not has no wrong message.
        self.get(org, session).await?;
        let message = message.unwrap_or_else(|| format!("Work of {session}"));
        if message.trim().is_empty() || message.contains('\0') || message.chars().count() > MESSAGE_CHARS_MAX {
            return Err(Error::invalid("message", format!("expected 1 to {MESSAGE_CHARS_MAX} characters")));
        }
        let this = self.clone();
        self.apart(async move { this.merge_in_turn(org, session, &message, actor).await }).await
    }

    async fn merge_in_turn(
        &self,
        org: OrgId,
        session: SessionId,
        message: &str,
        actor: Actor,
    ) -> Result<Merged, Error> {
        let _turn = self.0.turn_of(session).await;
        let workspace = self.idle(org, session).await?;
        let Some(origin) = workspace.origin.clone() else {
            return Err(Error::Unfit { problem: "the workspace has no source to merge into" });
        };
        let source = self.0.turn_of_source(&origin).await;
        let (commit, changed) = match workspace.mode {
            Mode::Shared => {
                return Err(Error::Unfit { problem: "the session worked on the source itself: nothing to merge" });
            }
            Mode::Worktree => {
                let commit = Worktree::open(&self.git(), &workspace).await?.merge(message).await?;
                (commit.clone(), commit.is_some())
            }
            Mode::Copy => {
                let copies = self.copies(&workspace)?;
                let applied = blocking(move || copies::merge(&copies, &origin)).await?;
                (None, applied > 0)
            }
        };
        drop(source);
        let merged = Workspace { commit, ..workspace };
        let workspace = self.closed(merged, Status::Merged, actor).await?;
        Ok(Merged { workspace, changed })
    }

    /// Removes directory, worktree and branch, changes and all. A branch that was made or renamed in the worktree stays,
    /// and a note of the answer names it. A session that has its workspace discarded twice is told that it is.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Closed`], [`Error::Elsewhere`].
    pub async fn discard(&self, org: OrgId, session: SessionId, actor: Actor) -> Result<Workspace, Error> {
        let this = self.clone();
        let discard = async move {
            let _turn = this.0.turn_of(session).await;
            let workspace = this.idle(org, session).await?;
            this.closed(workspace, Status::Discarded, actor).await
        };
        self.apart(discard).await
    }

    /// A workspace that nobody works in.
    async fn idle(&self, org: OrgId, session: SessionId) -> Result<Workspace, Error> {
        let workspace = self.here(org, session).await?;
        match self.0.parts.activity.is_active(org, session).await.map_err(Error::Store)? {
            true => Err(Error::InUse(session)),
            false => Ok(workspace),
        }
    }

    /// Removes the files and says how it ended. If this is cut off between the two, the same call finishes it.
    pub(super) async fn closed(&self, workspace: Workspace, status: Status, actor: Actor) -> Result<Workspace, Error> {
        let from = workspace.status;
        let kept = self.removed(&workspace).await?;
        let now = self.0.parts.clock.now();
        let mut closed = Workspace { status, closed_at: Some(now), ..workspace };
        closed.notes.extend(kept.map(|branch| format!("branch {branch} was kept")));
        let name = if status == Status::Merged { "workspace.merged" } else { "workspace.discarded" };
        self.0.parts.store.update(closed.clone(), from, vec![event::of(&closed, name, now, actor)]).await?;
        Ok(closed)
    }

    /// Removes the files; a branch that is kept is told.
    pub(super) async fn removed(&self, workspace: &Workspace) -> Result<Option<String>, Error> {
        match (workspace.mode, &workspace.origin) {
            (Mode::Shared, _) => Ok(None),
            (Mode::Worktree, Some(origin)) if origin.is_dir() => {
                let _turn = self.0.turn_of_source(origin).await;
                worktree::remove(&self.git(), workspace).await
            }
            // The repository is gone, and with it everything but the directory.
            (Mode::Worktree, _) => worktree::remove_directory(&workspace.path).await.map(|()| None),
            (Mode::Copy, _) => {
                let (work, base) = (workspace.path.clone(), self.base_of(workspace));
                let copies = Copies { work, base, rules: self.rules() };
                blocking(move || copies.remove().map(|()| None)).await
            }
        }
    }
}
