use std::time::Duration;

use orchestrator_vocab::{Actor, OrgId, SessionId};
use tokio_util::sync::CancellationToken;

use super::{Workspaces, blocking};
use crate::worktree::Worktree;
use crate::{Error, Mode, Status, Workspace, copies};

/// How many records are read at a time.
const PAGE: usize = 100;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Workspaces {
    /// The session has ended: notes whether it changed anything. What is unchanged goes now, or after
    /// [`Config::keep_days`](crate::Config::keep_days). Saying it twice, or of a session without a workspace, does nothing.
    ///
    /// # Errors
    /// Those of reading the workspace; [`run`](Self::run) tries again.
    pub async fn ended(&self, org: OrgId, session: SessionId) -> Result<(), Error> {
        let this = self.clone();
        let note = async move {
            let _turn = this.0.turn_of(session).await;
            match this.0.parts.store.get(org, session).await? {
                Some(workspace) if workspace.node == this.0.parts.node => this.look_after(workspace).await,
                _ => Ok(()),
            }
        };
        self.apart(note).await
    }

    /// Until told to stop, looks every [`Config::sweep_ms`](crate::Config::sweep_ms) after workspaces of ended sessions
    /// on this node, also of those whose end nobody told, and forgets old records.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Some(Err(error)) = stop.run_until_cancelled(self.sweep(&stop)).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "workspaces could not be looked after");
            }
            stop.run_until_cancelled(tokio::time::sleep(self.config().sweep())).await;
        }
    }

    async fn sweep(&self, stop: &CancellationToken) -> Result<(), Error> {
        let parts = &self.0.parts;
        let mut after = None;
        loop {
            let page = parts.store.open_on(&parts.node, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.org, last.session));
            for workspace in page {
                if stop.is_cancelled() {
                    return Ok(());
                }
                // One that cannot be looked at keeps nobody from the others.
                if let Err(error) = self.ended(workspace.org, workspace.session).await {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(session = %workspace.session, error, "a workspace cannot be looked at");
                }
            }
        }
        let before = parts.clock.now() - DAY * self.config().closed_days;
        while parts.store.trim(before, PAGE).await? > 0 && !stop.is_cancelled() {}
        Ok(())
    }

    async fn look_after(&self, workspace: Workspace) -> Result<(), Error> {
        let parts = &self.0.parts;
        let is_settled = !workspace.status.is_open() || workspace.changed == Some(true);
        if is_settled || parts.activity.is_active(workspace.org, workspace.session).await.map_err(Error::Store)? {
            return Ok(());
        }
        let now = parts.clock.now();
        let ended_at = workspace.ended_at.unwrap_or(now);
        // Somebody may have worked in it by hand since the session's end: what is looked at is always what is there now.
        let changed = match self.is_changed(&workspace).await {
            Err(Error::Gone(_)) => false,
            changed => changed?,
        };
        let from = workspace.status;
        let workspace = Workspace { ended_at: Some(ended_at), changed: Some(changed), ..workspace };
        if !changed && now.since(ended_at) >= DAY * self.config().keep_days {
            return self.closed(workspace, Status::Discarded, Actor::system("workspaces")).await.map(drop);
        }
        parts.store.update(workspace, from, Vec::new()).await
    }

    async fn is_changed(&self, workspace: &Workspace) -> Result<bool, Error> {
        match (workspace.status, workspace.mode) {
            // Its session never came to work in it.
            (Status::Preparing, _) | (_, Mode::Shared) => Ok(false),
            (_, Mode::Worktree) => Worktree::open(&self.git(), workspace).await?.is_changed().await,
            (_, Mode::Copy) => {
                let copies = self.copies(workspace)?;
                blocking(move || copies::is_changed(&copies)).await
            }
        }
    }
}
