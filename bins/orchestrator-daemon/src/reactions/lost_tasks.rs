use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_events::{Event, Hub};
use orchestrator_sessions::{Error, Sessions, Stop};
use orchestrator_vocab::{Actor, OrgId, SessionId};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A task that was taken from its session: the session is told at once instead of at its next heartbeat.
pub(crate) struct StopSessions {
    sessions: Sessions,
    lost: tokio::sync::Mutex<mpsc::UnboundedReceiver<(OrgId, SessionId, String)>>,
}

impl StopSessions {
    /// Listens from now on; [`run`](Self::run) acts.
    pub(crate) fn listen(hub: &Hub, sessions: Sessions) -> Arc<Self> {
        // Bounded by what it carries: each session is put in at most once.
        let (tell, lost) = mpsc::unbounded_channel();
        let at_work = Mutex::new(HashMap::<String, SessionId>::new());
        hub.listen(move |event| {
            let mut at_work = at_work.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((session, reason)) = look(event, &mut at_work) {
                // Nobody listens once the daemon stops.
                let _ = tell.send((event.org, session, reason));
            }
        });
        Arc::new(Self { sessions, lost: tokio::sync::Mutex::new(lost) })
    }

    pub(crate) async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        let mut lost = self.lost.lock().await;
        while let Some(Some((org, session, reason))) = stop.run_until_cancelled(lost.recv()).await {
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

fn look(event: &Arc<Event>, at_work: &mut HashMap<String, SessionId>) -> Option<(SessionId, String)> {
    let text = |field: &str| event.payload.get(field).and_then(Value::as_str);
    let task = text("taskId")?;
    match event.name.as_ref() {
        "session.created" => {
            at_work.insert(task.to_owned(), text("sessionId")?.parse().ok()?);
            None
        }
        "session.stopped" => {
            at_work.remove(task);
            None
        }
        "task.cancelled" | "task.deleted" => Some((at_work.remove(task)?, format!("the task was {}", ended(event)))),
        "task.released" if matches!(text("reason"), Some("requeued" | "expired")) => {
            Some((at_work.remove(task)?, "the task was taken away".to_owned()))
        }
        _ => None,
    }
}

fn ended(event: &Event) -> &str {
    event.name.strip_prefix("task.").unwrap_or(&event.name)
}
