//! Sessions that were interrupted go on, or are ended because they will not.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_vocab::{Actor, OrgId, SessionId, Tokens};
use serde_json::json;
use tokio::time::timeout;

use super::{Sessions, Shared, StartRequest};
use crate::live::Live;
use crate::run::conclude;
use crate::{Answer, Append, Cause, Ending, Entry, Error, Session, Status, Step, event};

/// Why a suspended session has ended whose task was given to somebody else.
const ELSEWHERE: &str = "the task went to another agent";
/// How much longer than its grace an old session of a task may take to leave.
const LEAVING_TIME_MAX: Duration = Duration::from_secs(15);

impl Sessions {
    /// At most `limit` suspended sessions, of all organisations and nodes, with ids above `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn suspended(&self, after: Option<SessionId>, limit: usize) -> Result<Vec<Session>, Error> {
        self.0.parts.store.suspended(after, limit).await
    }

    /// The task is no longer this session's: it ends, or is suspended if it can go on later. Does not wait for that, and
    /// does nothing if it does not run here.
    pub fn lost(&self, org: OrgId, id: SessionId, reason: String) {
        if let Some(live) = self.0.table.get(org, id) {
            live.end(taken(reason, &live));
        }
    }

    /// Somebody wrote into the journal of a session that may run here.
    pub fn wake(&self, org: OrgId, id: SessionId) {
        if let Some(live) = self.0.table.get(org, id) {
            live.inputs.send_modify(|count| *count += 1);
        }
    }

    /// Lets a suspended session go on now, if its agent has room.
    pub(super) async fn go_on(&self, session: &Session) -> Result<Session, Error> {
        match self.0.parts.work.go_on(&session.lease()).await {
            Ok(Answer::Accepted) => self.get(session.org, session.id).await,
            Ok(Answer::Lost) => Err(Error::Stale(session.id)),
            Err(error) => Err(Error::Work(error)),
        }
    }

    /// Ends a session in which nobody works.
    pub(super) async fn end_suspended(&self, session: Session, reason: String, actor: Actor) -> Result<Session, Error> {
        let (is_waiting, lease, told) = (session.state.is_waiting(), session.lease(), reason.clone());
        let ended = self.0.change_stored(session, Step::Terminated { reason }, &actor).await?;
        if is_waiting && let Err(error) = self.0.parts.work.release(&lease, told, None).await {
            tracing::warn!(session = %ended.id, %error, "the task of an ended session goes on waiting for a person");
        }
        Ok(ended)
    }
}

impl Shared {
    /// The session that the request goes on with, if its agent has begun it before; others of the task that nobody works
    /// in are ended.
    pub(super) async fn reopened(&self, request: &StartRequest) -> Result<Option<Session>, Error> {
        let open = self.parts.store.open_of_task(request.org, request.task).await?;
        let mut reopened = None;
        for session in open.into_iter().rev().filter(|session| session.is_journaled) {
            let Some(session) = self.at_rest(session, request.fence).await? else { continue };
            let is_ours = session.agent == request.agent && session.runtime == request.runtime.name();
            if reopened.is_none() && is_ours {
                reopened = Some(self.reopen(session, request).await?);
            } else {
                let step = Step::Terminated { reason: ELSEWHERE.to_owned() };
                match self.change_stored(session, step, &Actor::system("sessions")).await {
                    Ok(_) | Err(Error::Ended(_) | Error::Stale(_) | Error::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(reopened)
    }

    /// The session once nobody works in it here; `None` if it is held under a claim that is as good.
    async fn at_rest(&self, session: Session, fence: u64) -> Result<Option<Session>, Error> {
        let session = match self.table.get(session.org, session.id) {
            None => Some(session),
            // It is suspended and its runner has only to leave, or the task was taken from it and it does not know yet.
            Some(live) if session.state.status() == Status::Suspended || session.fence < fence => {
                live.end(taken("the task was claimed anew".to_owned(), &live));
                // Whoever starts must not be held up for ever by one that does not leave.
                let left = timeout(live.grace.saturating_add(LEAVING_TIME_MAX), live.done.cancelled()).await;
                left.map_err(|_| Error::Stale(session.id))?;
                self.parts.store.get(session.org, session.id).await?
            }
            Some(_) => None,
        };
        let is_good = |session: &Session| match session.state.status() {
            Status::Suspended => session.fence <= fence,
            _ => session.fence < fence && !session.state.is_ended(),
        };
        Ok(session.filter(is_good))
    }

    async fn reopen(&self, mut session: Session, request: &StartRequest) -> Result<Session, Error> {
        let previous = session.state.status();
        if session.state.is_active() {
            // Whoever held it did not say what was used.
            self.count_usage(&mut session).await?;
            let reason = "it was taken over".to_owned();
            session.state = session.state.after(Step::Suspended { reason, waiting: false })?;
        }
        let now = self.parts.clock.now();
        session.state = session.state.after(Step::Reopened)?;
        session.fence = request.fence;
        session.node.clone_from(&self.parts.node.name);
        session.epoch = self.parts.node.epoch;
        (session.pid, session.exit) = (None, None);
        let actor = &request.created_by;
        self.parts.store.update(session.clone(), event::changed(&session, previous, now, actor)).await?;
        let facts = json!({ "node": session.node, "fence": session.fence });
        let append = Append {
            org: session.org,
            session: session.id,
            fence: Some(session.fence),
            at: now,
            entries: vec![Entry::Noted { what: "resumed".to_owned(), facts, message: None }],
            key: None,
            events: Vec::new(),
        };
        session.entries = self.parts.store.append(append).await?;
        Ok(session)
    }

    /// Makes a step of a session that nobody works in, and tells the log.
    pub(super) async fn change_stored(&self, session: Session, step: Step, actor: &Actor) -> Result<Session, Error> {
        let (now, previous) = (self.parts.clock.now(), session.state.status());
        let mut next = Session { state: session.state.clone().after(step)?, ..session };
        conclude(&mut next, now);
        self.parts.store.update(next.clone(), event::changed(&next, previous, now, actor)).await?;
        Ok(next)
    }

    /// What a session used is stored with its state; after a crash the journal knows better.
    pub(super) async fn count_usage(&self, session: &mut Session) -> Result<(), Error> {
        let mut used = Tokens(0);
        for one in self.all_entries(session.org, session.id).await? {
            if let Entry::Answered { usage, .. } = one.entry {
                used += Tokens(usage.total());
            }
        }
        session.metrics.tokens_used = session.metrics.tokens_used.max(used);
        Ok(())
    }
}

fn taken(reason: String, live: &Arc<Live>) -> Ending {
    Ending { reason, actor: Actor::system("sessions"), grace: live.grace, cause: Cause::Lost }
}
