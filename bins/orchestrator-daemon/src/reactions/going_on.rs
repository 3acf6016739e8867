use std::sync::Arc;

use orchestrator_sessions::{Sessions, Stop};
use orchestrator_tasks::{Backlog, Error as TaskError};
use orchestrator_vocab::{Actor, OrgId};

use super::StopSessions;

/// How many suspended sessions are looked at at once.
const PAGE: usize = 200;

/// Suspended sessions go on where nobody has to be asked. Cheap to clone.
#[derive(Clone)]
pub(crate) struct GoOn {
    sessions: Sessions,
    backlog: Backlog,
    lost_tasks: Arc<StopSessions>,
}

impl GoOn {
    pub(crate) fn new(sessions: Sessions, backlog: Backlog, lost_tasks: Arc<StopSessions>) -> Self {
        Self { sessions, backlog, lost_tasks }
    }

    /// Those of this node go on with their agents before the scheduler gives their tasks to others, as far as their organisations
    /// may do anything; those whose tasks are over are ended.
    pub(crate) async fn run(&self, may: impl Fn(OrgId) -> bool) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let page = self.sessions.suspended(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            for session in page {
                self.lost_tasks.remember(&session);
                let is_over = match self.backlog.get(session.org, session.task).await {
                    Ok((task, _)) => task.state.is_finished(),
                    Err(TaskError::NotFound(_)) => true,
                    Err(error) => return Err(error.into()),
                };
                let actor = Actor::system("recovery");
                let is_ours = session.node == self.sessions.node() && !session.state.is_waiting();
                let outcome = if is_over {
                    let stop = Stop { reason: Some("the task is over".to_owned()), force: true, actor };
                    self.sessions.stop(session.org, session.id, stop).await
                } else if is_ours && may(session.org) {
                    self.sessions.resume(session.org, session.id, actor).await
                } else {
                    continue;
                };
                match outcome {
                    Ok(now) => {
                        tracing::info!(session = %now.id, task = %now.task, status = %now.state.status(), "suspended before");
                    }
                    // Its task will be given to somebody, or it was somebody else's already.
                    Err(error) => tracing::info!(session = %session.id, %error, "does not go on now"),
                }
            }
        }
    }
}
