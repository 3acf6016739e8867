use std::time::Duration;

use orchestrator_vocab::Actor;

use super::Runner;
use super::outcome::{LOST, Outcome};
use crate::{Answer, Step, WorkError};

/// How long to wait before the backlog or the store is asked a second time; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What the backlog said in the end: an answer, or why it will never take it. `None`: the daemon left before.
type Reply = Option<Result<Answer, String>>;

impl Runner {
    /// Tells the backlog how it ended, until it has answered. Then what became of the session, and through whom.
    pub(super) async fn report(&self, outcome: Outcome) -> Option<(Step, Actor)> {
        let agent = Actor::Agent(self.session.agent.clone());
        match outcome {
            Outcome::Completed { result, .. } => {
                match self.ask(|| self.work().complete(&self.lease, result.clone())).await? {
                    Ok(Answer::Accepted) => Some((Step::Completed, agent)),
                    Ok(Answer::Lost) => Some((lost(), Actor::system("sessions"))),
                    Err(why) => {
                        self.report_failure(format!("the result was refused: {why}")).await.map(|step| (step, agent))
                    }
                }
            }
            Outcome::Failed { error } => self.report_failure(error).await.map(|step| (step, agent)),
            Outcome::Released { reason, actor } => {
                let answer = self.ask(|| self.work().release(&self.lease, reason.clone())).await?;
                self.warn_if_refused(&answer);
                Some((Step::Terminated { reason }, actor))
            }
            Outcome::Lost => Some((lost(), Actor::system("sessions"))),
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
        match self.until_answered(call, unreachable).await? {
            Ok(answer) => Some(Ok(answer)),
            Err(error) => Some(Err(error.to_string())),
        }
    }

    /// Calls again and again, less often each time, while the error can pass. `None` if the daemon leaves before.
    pub(super) async fn until_answered<T, E, F>(
        &self,
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
                () = self.shared.abandoned.cancelled() => return None,
            };
            match answer {
                Err(error) if can_pass(&error) => {
                    tracing::warn!(session = %self.session.id, error = %chain(&error), "trying again");
                }
                answer => return Some(answer),
            }
            tokio::select! {
                () = self.shared.abandoned.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(self.shared.parts.config.retry_max());
        }
    }

    fn warn_if_refused(&self, answer: &Result<Answer, String>) {
        if let Err(why) = answer {
            // The lease runs out by itself.
            tracing::error!(session = %self.session.id, %why, "the backlog did not take the end of a session");
        }
    }
}

fn lost() -> Step {
    Step::Terminated { reason: LOST.to_owned() }
}

/// An error with what caused it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
