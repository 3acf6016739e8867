mod keeper;
mod report;
mod watch;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use orchestrator_vocab::{Actor, Timestamp};
use serde_json::{Value, json};

use crate::live::Live;
use crate::sessions::Shared;
use crate::{Cause, Desk, Ending, Error, Lease, OnStall, Outcome, Runtime, Session, State, Step, Work, event};

/// Why a session ended whose task belongs to somebody else now.
const LOST: &str = "the task is no longer this session's";

/// Drives one session from its first step to its last word.
pub(crate) struct Runner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) live: Arc<Live>,
    /// As it was when it was started here: for its ids.
    pub(crate) session: Session,
    pub(crate) lease: Lease,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) document: Value,
}

impl Runner {
    pub(crate) async fn run(self) {
        // A fault in one session must not leave its task without an answer.
        let ran = AssertUnwindSafe(self.execute()).catch_unwind().await;
        let outcome = ran.unwrap_or_else(|_| {
            tracing::error!(session = %self.session.id, "a session panicked");
            Outcome::Failed { error: "internal error: the session panicked".to_owned() }
        });
        self.last_words(&outcome);
        match self.report(outcome).await {
            Some((step, actor)) => self.close(step, &actor).await,
            None => tracing::warn!(session = %self.session.id, "left for the next start to recover"),
        }
    }

    async fn execute(&self) -> Outcome {
        if let Some(ending) = self.live.ending() {
            return ending.into();
        }
        let desk = Desk::new(self.shared.clone(), self.live.clone(), self.session.clone(), self.document.clone());
        self.until_ended(self.runtime.run(desk)).await
    }

    /// Watches over the work: a lease that is lost and a life without a sign end it, and patience with it has an end.
    async fn until_ended(&self, at_work: impl Future<Output = Outcome>) -> Outcome {
        let (mut is_lost, mut is_stalled) = (false, false);
        let (losing, stalling, overdue) = (self.keep_lease(), self.until_stalled(), self.until_overdue());
        tokio::pin!(at_work, losing, stalling, overdue);
        let outcome = loop {
            tokio::select! {
                outcome = &mut at_work => break outcome,
                () = &mut losing, if !is_lost => {
                    is_lost = true;
                    self.end(Cause::Lost, LOST.to_owned());
                }
                reason = &mut stalling, if !is_stalled => {
                    is_stalled = true;
                    self.end(Cause::Stalled, reason);
                }
                ending = &mut overdue => {
                    tracing::error!(session = %self.session.id, runtime = self.runtime.name(), "does not end: dropped");
                    break ending.into();
                }
            }
        };
        match outcome {
            // Whatever it says, and whatever else it was asked before.
            _ if is_lost => Outcome::Lost,
            outcome => self.after_stalling(outcome),
        }
    }

    fn end(&self, cause: Cause, reason: String) {
        let (actor, grace) = (Actor::system("sessions"), self.live.grace);
        self.live.end(Ending { reason, actor, grace, cause });
    }

    /// What it finished counts; what it did not is dealt with as the operator decided.
    fn after_stalling(&self, outcome: Outcome) -> Outcome {
        let ending = self.live.ending().filter(|ending| ending.cause == Cause::Stalled);
        match (outcome, ending, self.shared.parts.config.on_stall) {
            (Outcome::Released { .. }, Some(ending), OnStall::Fail) => Outcome::Failed { error: ending.reason },
            (outcome, _, _) => outcome,
        }
    }

    async fn close(&self, step: Step, actor: &Actor) {
        let store = || {
            let now = self.shared.parts.clock.now();
            self.shared.step(&self.live, step.clone(), actor, move |session| conclude(session, now))
        };
        let stored = self.shared.until_answered(self.session.id, store, Error::is_retryable).await;
        if let Some(Err(error)) = stored {
            tracing::error!(session = %self.session.id, %error, "the end of a session could not be stored");
        }
    }

    fn work(&self) -> &dyn Work {
        &*self.shared.parts.work
    }

    fn last_words(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Failed { error } => self.publish("stream.error", json!({ "error": error })),
            Outcome::Completed { .. } => self.publish("stream.end", json!({ "usage": self.live.usage() })),
            Outcome::Released { reason, .. } | Outcome::Waiting { reason } => {
                self.publish("stream.end", json!({ "reason": reason }));
            }
            Outcome::Lost => self.publish("stream.end", json!({ "reason": LOST })),
        }
    }

    fn publish(&self, name: &'static str, facts: Value) {
        self.shared.parts.hub.publish_transient(event::stream(&self.session, name, facts));
    }
}

/// Writes down what a session achieved, or that nobody works in it now.
pub(crate) fn conclude(session: &mut Session, now: Timestamp) {
    let duration_ms = u64::try_from(now.since(session.started_at).as_millis()).unwrap_or(u64::MAX);
    session.metrics.duration_ms = duration_ms;
    if !session.state.is_ended() {
        session.pid = None;
        return;
    }
    let is_completed = session.state == State::Completed;
    session.ended_at = Some(now);
    session.metrics.tasks_completed = u64::from(is_completed);
    session.metrics.errors_encountered = u64::from(matches!(session.state, State::Failed { .. }));
    session.metrics.average_response_time_ms = if is_completed { duration_ms } else { 0 };
}
