use std::time::Duration;

use orchestrator_vocab::{Actor, SessionId, Timestamp};

use super::{LOST, Runner};
use crate::error::chain;
use crate::sessions::Shared;
use crate::{Answer, Cause, Outcome, Step, WorkError};

/// How long to wait before the backlog or the store is asked a second time; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What the backlog said in the end: an answer, or why it will never take it. `None`: the daemon left before.
type Reply = Option<Result<Answer, String>>;

impl Runner {
    /// Tells the backlog how it ended, until it has answered. Then what became of the session, and through whom.
    pub(super) async fn report(&self, outcome: Outcome) -> Option<(Step, Actor)> {
        let agent = Actor::Agent(self.session.agent.clone());
        match outcome {
            Outcome::Completed { result } => {
                match self.ask(|| self.work().complete(&self.lease, result.clone(), self.live.label())).await? {
                    Ok(Answer::Accepted) => Some((Step::Completed, agent)),
                    Ok(Answer::Lost) => Some(self.lost()),
                    Err(why) => {
                        self.report_failure(format!("the result was refused: {why}")).await.map(|step| (step, agent))
                    }
                }
            }
            Outcome::Failed { error } => self.report_failure(error).await.map(|step| (step, agent)),
            Outcome::Waiting { reason } if self.runtime.is_journaled() => {
                match self.ask(|| self.work().wait(&self.lease, reason.clone())).await? {
                    Ok(Answer::Lost) => Some(self.lost()),
                    answer => {
                        self.warn_if_refused(&answer);
                        Some((Step::Suspended { reason, waiting: true }, agent))
                    }
                }
            }
            Outcome::Waiting { reason } => self.release(reason, agent, None).await,
            Outcome::Released { reason, actor, run_at } => self.release(reason, actor, run_at).await,
            Outcome::Lost => Some(self.lost()),
        }
    }

    async fn release(&self, reason: String, actor: Actor, run_at: Option<Timestamp>) -> Option<(Step, Actor)> {
        let answer = self.ask(|| self.work().release(&self.lease, reason.clone(), run_at)).await?;
        self.warn_if_refused(&answer);
        Some((self.interrupted(reason), actor))
    }

    fn lost(&self) -> (Step, Actor) {
        let ending = self.live.ending().filter(|ending| ending.cause == Cause::Lost);
        let reason = ending.map_or_else(|| LOST.to_owned(), |ending| ending.reason);
        (self.interrupted(reason), Actor::system("sessions"))
    }

    /// What is in the journal can go on later, unless somebody wanted it to end.
    fn interrupted(&self, reason: String) -> Step {
        let is_stopped = self.live.ending().is_some_and(|ending| ending.cause == Cause::Stopped);
        match self.runtime.is_journaled() && !is_stopped {
            true => Step::Suspended { reason, waiting: false },
            false => Step::Terminated { reason },
        }
    }

    async fn report_failure(&self, error: String) -> Option<Step> {
        let answer = self.ask(|| self.work().fail(&self.lease, error.clone())).await?;
        self.warn_if_refused(&answer);
        Some(Step::Failed { error })
    }

    async fn ask<'a, F>(&'a self, call: impl Fn() -> F) -> Reply
    where
        F: Future<Output = Result<Answer, WorkError>> + 'a,
    {
        let unreachable = |error: &WorkError| matches!(error, WorkError::Unavailable(_));
        match self.shared.until_answered(self.session.id, call, unreachable).await? {
            Ok(answer) => Some(Ok(answer)),
            Err(error) => Some(Err(error.to_string())),
        }
    }

    fn warn_if_refused(&self, answer: &Result<Answer, String>) {
        if let Err(why) = answer {
            // The lease runs out by itself.
            tracing::error!(session = %self.session.id, %why, "the backlog did not take the end of a session");
        }
    }
}

impl Shared {
    /// Calls again and again, less often each time, while the error can pass. `None` if the daemon leaves before.
    pub(crate) async fn until_answered<T, E, F>(
        &self,
        session: SessionId,
        call: impl Fn() -> F,
        can_pass: impl Fn(&E) -> bool,
    ) -> Option<Result<T, E>>
    where
        E: std::error::Error,
        F: Future<Output = Result<T, E>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = tokio::select! {
                biased;
                answer = call() => answer,
                () = self.abandoned.cancelled() => return None,
            };
            match answer {
                Err(error) if can_pass(&error) => {
                    tracing::warn!(session = %session, error = %chain(&error), "trying again");
                }
                answer => return Some(answer),
            }
            tokio::select! {
                () = self.abandoned.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(self.parts.config.retry_max());
        }
    }
}
