use std::sync::Arc;
use std::time::Duration;

use orchestrator_vocab::{Actor, OrgId, SessionId};

use super::{Sessions, Shared};
use crate::live::Live;
use crate::{Cause, Ending, Error, Session, Status, Step};

/// How a session is to be stopped.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Why, for whoever looks at the session or the task later. Default: `stopped`.
    pub reason: Option<String>,
    /// Kills at once, without the program's grace.
    pub force: bool,
    /// Who wants it.
    pub actor: Actor,
}

impl Sessions {
    /// Makes the work stand still, programs with everything they started. It keeps its task: the lease is renewed
    /// meanwhile, and its time-out goes on.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Transition`] if it does not run, [`Error::Ended`] if it just ends,
    /// [`Error::CannotPause`], [`Error::Elsewhere`], [`Error::Store`].
    pub async fn pause(
        &self,
        org: OrgId,
        id: SessionId,
        reason: Option<String>,
        actor: Actor,
    ) -> Result<Session, Error> {
        self.halt(org, id, Step::Paused { reason: reason.map(shortened) }, actor).await
    }

    /// Lets a paused session go on. A suspended one goes on too, also if nobody has settled what it waits for, if its agent
    /// has room; otherwise it stays suspended, as the answer says, and its task is in the backlog.
    ///
    /// # Errors
    /// As for [`Sessions::pause`]; [`Error::Transition`] if it is neither. For a suspended one [`Error::Stale`] if its task
    /// is finished or somebody else's, and [`Error::Work`].
    pub async fn resume(&self, org: OrgId, id: SessionId, actor: Actor) -> Result<Session, Error> {
        if self.0.table.get(org, id).is_none()
            && let Some(session) = self.0.parts.store.get(org, id).await?
            && session.state.status() == Status::Suspended
        {
            return self.go_on(&session).await;
        }
        self.halt(org, id, Step::Resumed, actor).await
    }

    /// Ends the work and everything it started, and returns when that is done; a suspended session ends at once. The task goes back into the backlog
    /// with the reason, and this was no attempt: to end the task itself, cancel it. A second call with `force` cuts the
    /// grace of the first short. What the program had finished before still counts: look at the session's state.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Transition`] if it has ended, [`Error::Elsewhere`], [`Error::Store`].
    pub async fn stop(&self, org: OrgId, id: SessionId, stop: Stop) -> Result<Session, Error> {
        let reason = shortened(stop.reason.unwrap_or_else(|| "stopped".to_owned()));
        let Some(live) = self.0.table.get(org, id) else {
            return match self.0.parts.store.get(org, id).await? {
                Some(session) if session.state.status() == Status::Suspended => {
                    Box::pin(self.end_suspended(session, reason, stop.actor)).await
                }
                _ => Err(self.0.refuse(org, id, Step::Terminated { reason }).await),
            };
        };
        let grace = if stop.force { Duration::ZERO } else { live.grace };
        let (told, actor) = (reason.clone(), stop.actor.clone());
        live.end(Ending { reason, actor: stop.actor, grace, cause: Cause::Stopped });
        live.done.cancelled().await;
        let session = self.get(org, id).await?;
        match session.state.status() {
            // Something else had interrupted it just before.
            Status::Suspended => Box::pin(self.end_suspended(session, told, actor)).await,
            _ => Ok(session),
        }
    }

    /// Runs apart from the caller: a program that stands still while its session says that it runs must not be left
    /// behind by a caller that goes away.
    async fn halt(&self, org: OrgId, id: SessionId, step: Step, actor: Actor) -> Result<Session, Error> {
        let Some(live) = self.0.table.get(org, id) else {
            return Err(self.0.refuse(org, id, step).await);
        };
        let shared = self.0.clone();
        let halting = self.0.tracker.spawn(async move { shared.halt(&live, step, &actor).await });
        halting.await.unwrap_or(Err(Error::Ended(id)))
    }
}

impl Shared {
    async fn halt(&self, live: &Arc<Live>, step: Step, actor: &Actor) -> Result<Session, Error> {
        let mut record = live.record.lock().await;
        let mut next = record.clone();
        let pausing = matches!(step, Step::Paused { .. });
        next.state = next.state.after(step)?;
        live.overlay(&mut next);
        let unable = || Error::CannotPause { session: next.id, runtime: next.runtime.clone() };
        let halt = live.halt.get().ok_or_else(unable)?;
        let done = if pausing { halt.pause().await } else { halt.resume().await };
        if !done {
            return Err(Error::Ended(next.id));
        }
        live.sign_of_life();
        if let Err(error) = self.save(&record, &next, actor).await {
            // What is stored is what counts; if it has ended meanwhile there is nothing to undo.
            let _ = if pausing { halt.resume().await } else { halt.pause().await };
            return Err(error);
        }
        record.clone_from(&next);
        Ok(next)
    }

    /// Why a session that does not run here cannot make this step.
    async fn refuse(&self, org: OrgId, id: SessionId, step: Step) -> Error {
        match self.parts.store.get(org, id).await {
            Err(error) => error,
            Ok(None) => Error::NotFound(id),
            Ok(Some(session)) if session.state.is_active() => Error::Elsewhere { session: id, node: session.node },
            Ok(Some(session)) => session.state.after(step).map_or_else(Error::from, |_| Error::Ended(id)),
        }
    }
}

fn shortened(reason: String) -> String {
    reason.chars().take(1_000).collect()
}
