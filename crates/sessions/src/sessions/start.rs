use std::sync::Arc;

use orchestrator_vocab::{Actor, AgentId, OrgId, SessionId, TaskId};
use serde_json::Value;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::{Sessions, Shared};
use crate::admission::Permit;
use crate::live::Live;
use crate::run::Runner;
use crate::{Brief, Cause, Ending, Error, Metrics, Runtime, Session, State, event};

/// The longest description that is kept with a session, in characters.
const DESCRIPTION_CHARS_MAX: usize = 4_000;

/// One agent, one task.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// The id it is to have, if something was prepared under it; else a fresh one.
    pub id: Option<SessionId>,
    /// Whose.
    pub org: OrgId,
    /// Who is to work.
    pub agent: AgentId,
    /// How that agent is run.
    pub runtime: Arc<dyn Runtime>,
    /// On what.
    pub task: TaskId,
    /// The claim under which it works.
    pub fence: u64,
    /// What people are shown of the task.
    pub brief: Brief,
    /// The task as the agent reads it; a program on its standard input.
    pub document: Value,
    /// A free label, up to 200 characters.
    pub orchestrator: Option<String>,
    /// Who wants it.
    pub created_by: Actor,
    /// The request or trace that caused it.
    pub correlation: Option<String>,
    /// The W3C trace context of the task: the spans of the session belong to it.
    pub traceparent: Option<String>,
}

impl Sessions {
    /// Starts a session and returns when it exists; its end is told by events, and to the backlog. If the agent has begun
    /// the task in a journaled session before, that one is reopened: it has the same id, a new holder, and an entry
    /// `resumed` in its journal. Suspended sessions of other agents on the task are ended.
    ///
    /// Whoever starts has claimed the task and gives it back if this fails. If the returned future is dropped, the
    /// session goes on.
    ///
    /// # Errors
    /// [`Error::AtCapacity`], [`Error::Draining`], [`Error::Held`], [`Error::Invalid`], [`Error::Stale`] if the task was
    /// claimed anew meanwhile, [`Error::Store`]; then there is no session.
    pub async fn start(&self, request: StartRequest) -> Result<Session, Error> {
        request.runtime.validate()?;
        self.may_start(request.org)?;
        let permit = self.0.admission.enter()?;
        let (answer, answered) = oneshot::channel();
        self.0.tracker.spawn(begin(self.0.clone(), request, permit, answer));
        answered.await.unwrap_or(Err(Error::Draining))
    }
}

/// Takes the session out of the table when its runner is through, however that comes about.
struct Place {
    shared: Arc<Shared>,
    live: Arc<Live>,
    org: OrgId,
    id: SessionId,
    permit: Option<Permit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.table.remove(self.org, self.id);
        drop(self.permit.take());
        self.live.done.cancel();
        self.shared.changed.send_modify(|generation| *generation += 1);
    }
}

/// Runs apart from the caller, so that nothing is left half done when the caller goes away.
async fn begin(
    shared: Arc<Shared>,
    request: StartRequest,
    permit: Permit,
    answer: oneshot::Sender<Result<Session, Error>>,
) {
    let StartRequest { runtime, document, traceparent, .. } = request.clone();
    let (session, is_new) = match shared.reopened(&request).await {
        Ok(Some(session)) => (session, false),
        Ok(None) => (shared.session(request), true),
        Err(error) => {
            drop(permit);
            let _ = answer.send(Err(error));
            return;
        }
    };
    let live = Arc::new(Live::new(session.clone(), runtime.grace()));
    shared.table.add(session.org, session.id, live.clone());
    let place =
        Place { shared: shared.clone(), live: live.clone(), org: session.org, id: session.id, permit: Some(permit) };
    if is_new && let Err(error) = shared.parts.store.insert(session.clone(), vec![event::created(&session)]).await {
        drop(place);
        // The caller may be gone; then nobody wants to know.
        let _ = answer.send(Err(error));
        return;
    }
    let _ = answer.send(Ok(session.clone()));
    if shared.handing_back.is_cancelled() {
        live.end(shared.hand_back(&live));
    }
    if let Some(ending) = shared.holds.ending(session.org) {
        live.end(ending);
    }
    let lease = session.lease();
    let span = tracing::info_span!(
        "session",
        otel.kind = "consumer",
        traceparent,
        org = %session.org,
        session = %session.id,
        task = %session.task,
        agent = %session.agent,
    );
    Runner { shared, live, session, lease, runtime, document }.run().instrument(span).await;
}

impl Shared {
    /// How a session ends when the daemon stops.
    pub(super) fn hand_back(&self, live: &Live) -> Ending {
        Ending {
            reason: "the daemon is stopping".to_owned(),
            actor: Actor::system("sessions"),
            grace: live.grace.min(self.parts.config.hand_back_grace()),
            cause: Cause::Draining,
        }
    }

    fn session(&self, request: StartRequest) -> Session {
        let Brief { kind, description, priority } = request.brief;
        let description = description.chars().take(DESCRIPTION_CHARS_MAX).collect();
        Session {
            id: request.id.unwrap_or_else(SessionId::new),
            org: request.org,
            agent: request.agent,
            task: request.task,
            fence: request.fence,
            brief: Brief { kind, description, priority },
            state: State::Initializing,
            orchestrator: request.orchestrator.map(|label| label.chars().take(200).collect()),
            created_by: request.created_by,
            correlation: request.correlation,
            runtime: request.runtime.name().to_owned(),
            is_journaled: request.runtime.is_journaled(),
            entries: 0,
            turns: 0,
            node: self.parts.node.name.clone(),
            epoch: self.parts.node.epoch,
            pid: None,
            started_at: self.parts.clock.now(),
            ended_at: None,
            metrics: Metrics::default(),
            exit: None,
            last_output: None,
            erased: 0,
        }
    }
}
