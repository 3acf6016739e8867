use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_events::{Event, Hub};
use orchestrator_sessions::{Error, Session, Sessions, Stop};
use orchestrator_vocab::{Actor, OrgId, SessionId};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A task that was taken from its session: the session is told at once instead of at its next heartbeat, and one that is
/// suspended would never know. What a person said to a session that runs here wakes it, wherever it was said.
pub(crate) struct StopSessions {
    sessions: Sessions,
    known: Arc<Mutex<Known>>,
    lost: tokio::sync::Mutex<mpsc::UnboundedReceiver<(OrgId, SessionId, Lost)>>,
}

/// By task, the session that has not ended, and whether it is suspended.
type Known = HashMap<String, (SessionId, bool)>;

/// What became of the task, and why.
enum Lost {
    /// It is over: so is the session.
    Ended(String),
    /// Somebody else may have it.
    Taken(String),
}

impl StopSessions {
    /// Listens from now on; [`run`](Self::run) acts.
    pub(crate) fn listen(hub: &Hub, sessions: Sessions) -> Arc<Self> {
        // Bounded by what it carries: each session is put in at most once.
        let (tell, lost) = mpsc::unbounded_channel();
        let known = Arc::new(Mutex::new(Known::new()));
        let (at_work, woken) = (known.clone(), sessions.clone());
        hub.listen(move |event| {
            if let "session.input" | "session.settled" | "session.ruled" | "session.reverted" = event.name.as_ref() {
                return wake(&woken, event);
            }
            let mut known = at_work.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((session, lost)) = look(event, &mut known) {
                // Nobody listens once the daemon stops.
                let _ = tell.send((event.org, session, lost));
            }
        });
        Arc::new(Self { sessions, known, lost: tokio::sync::Mutex::new(lost) })
    }

    /// A session that was suspended before this daemon listened.
    pub(crate) fn remember(&self, session: &Session) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(session.task.to_string()).or_insert((session.id, true));
    }

    pub(crate) async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        let mut lost = self.lost.lock().await;
        while let Some(Some((org, session, lost))) = stop.run_until_cancelled(lost.recv()).await {
            let reason = match lost {
                Lost::Ended(reason) => reason,
                Lost::Taken(reason) => {
                    self.sessions.lost(org, session, reason);
                    continue;
                }
            };
            let stopping = Stop { reason: Some(reason), actor: Actor::system("backlog"), force: false };
            let stopped = stop.run_until_cancelled(self.sessions.stop(org, session, stopping)).await;
            if let Some(Err(error)) = stopped {
                // It ended by itself, or another daemon runs it and hears of this too.
                tracing::debug!(%session, %error, "not stopped");
            }
        }
        Ok(())
    }
}

fn wake(sessions: &Sessions, event: &Event) {
    if let Some(id) = event.payload["sessionId"].as_str().and_then(|id| id.parse().ok()) {
        sessions.wake(event.org, id);
    }
}

fn look(event: &Arc<Event>, known: &mut Known) -> Option<(SessionId, Lost)> {
    let text = |field: &str| event.payload.get(field).and_then(Value::as_str);
    let task = text("taskId")?;
    match event.name.as_ref() {
        "session.created" => {
            known.insert(task.to_owned(), (text("sessionId")?.parse().ok()?, false));
            None
        }
        "session.status" if text("status") == Some("suspended") || text("previousStatus") == Some("suspended") => {
            let session = text("sessionId")?.parse().ok()?;
            known.insert(task.to_owned(), (session, text("status") == Some("suspended")));
            None
        }
        "session.stopped" => {
            let session: SessionId = text("sessionId")?.parse().ok()?;
            // Another one may have taken its place.
            if known.get(task).is_some_and(|(known, _)| *known == session) {
                known.remove(task);
            }
            None
        }
        "task.cancelled" | "task.deleted" => {
            Some((known.remove(task)?.0, Lost::Ended(format!("the task was {}", ended(event)))))
        }
        // By somebody else, or there would be nothing suspended.
        "task.completed" | "task.failed" if known.get(task).is_some_and(|(_, is_suspended)| *is_suspended) => {
            Some((known.remove(task)?.0, Lost::Ended(format!("the task was {} by somebody else", ended(event)))))
        }
        "task.released" if matches!(text("reason"), Some("requeued" | "expired")) => {
            let (session, is_suspended) = known.get(task)?;
            (!is_suspended).then(|| (*session, Lost::Taken("the task was taken away".to_owned())))
        }
        _ => None,
    }
}

fn ended(event: &Event) -> &str {
    event.name.strip_prefix("task.").unwrap_or(&event.name)
}
