mod keeper;
mod listener;
mod outcome;
mod report;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use orchestrator_process::{Exit, Handle, Process};
use orchestrator_vocab::Actor;
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::Instrument as _;

use crate::live::{Ending, Live};
use crate::sessions::Shared;
use crate::{Error, Lease, Program, Session, Step, Work, event};
use listener::Listener;
use outcome::{Cause, Outcome, spawn_failed};

/// Drives one session from its first process to its last word.
pub(crate) struct Runner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) live: Arc<Live>,
    /// As it was created: for its ids.
    pub(crate) session: Session,
    pub(crate) lease: Lease,
    pub(crate) program: Program,
    pub(crate) document: Value,
}

impl Runner {
    pub(crate) async fn run(self) {
        // A fault in one session must not leave its task without an answer.
        let ran = AssertUnwindSafe(self.execute()).catch_unwind().await;
        let (outcome, exit) = ran.unwrap_or_else(|_| {
            tracing::error!(session = %self.session.id, "a session panicked");
            (Outcome::Failed { error: "internal error: the session panicked".to_owned() }, None)
        });
        self.last_words(&outcome);
        match self.report(outcome).await {
            Some((step, actor)) => self.close(step, &actor, exit).await,
            None => tracing::warn!(session = %self.session.id, "left for the next start to recover"),
        }
    }

    async fn execute(&self) -> (Outcome, Option<Exit>) {
        if let Some(ending) = self.live.ending().borrow().clone() {
            return (Outcome::from(ending), None);
        }
        let spec = self.program.spec(&self.session, &self.document, &self.shared.parts.node.owner);
        let span = self.span_of_program();
        let mut process = match Process::spawn(spec) {
            Ok(process) => process,
            Err(error) => {
                span.record("error", tracing::field::display(&error));
                return (spawn_failed(&error), None);
            }
        };
        let handle = process.handle();
        span.record("process.pid", handle.id());
        self.live.handle.get_or_init(|| handle.clone());
        self.publish("stream.start", json!({}));
        let (progress, reports) = watch::channel(None);
        let mut listener = Listener::default();
        let at_work = async {
            let (exit, ()) =
                tokio::join!(self.listen(&mut process, &mut listener, &progress), self.announce(handle.id()));
            exit
        };
        let (exit, cause) = self.until_ended(at_work, &handle, reports).instrument(span.clone()).await;
        if let Some(code) = exit.code {
            span.record("process.exit.code", code);
        }
        drop(span);
        if !exit.survivors.is_empty() {
            tracing::warn!(session = %self.session.id, pids = ?exit.survivors, "processes of a session do not end");
        }
        (listener.outcome(&exit, cause, &self.program), Some(exit))
    }

    /// In the trace of the session, whose span this is called in.
    fn span_of_program(&self) -> tracing::Span {
        tracing::debug_span!(
            "process.run",
            traceparent = tracing::field::Empty,
            otel.kind = "client",
            process.executable.name = self.program.command.first(),
            process.pid = tracing::field::Empty,
            process.exit.code = tracing::field::Empty,
            org = %self.session.org,
            session = %self.session.id,
            task = %self.session.task,
            agent = %self.session.agent,
            error = tracing::field::Empty,
        )
    }

    /// Watches over the program: whoever asks for its end, and a lease that is lost, end the tree.
    async fn until_ended(
        &self,
        at_work: impl Future<Output = Exit>,
        handle: &Handle,
        reports: watch::Receiver<Option<Value>>,
    ) -> (Exit, Option<Cause>) {
        let mut endings = self.live.ending();
        let (mut cause, mut grace, mut is_lost) = (None, Duration::MAX, false);
        let mut stops = FuturesUnordered::new();
        let losing = self.keep_lease(reports);
        tokio::pin!(at_work, losing);
        loop {
            tokio::select! {
                exit = &mut at_work => return (exit, cause),
                ending = sooner(&mut endings, grace) => {
                    grace = ending.grace;
                    cause.get_or_insert(Cause::Told(ending));
                    stops.push(handle.stop(grace));
                }
                () = &mut losing, if !is_lost => {
                    is_lost = true;
                    cause = Some(Cause::Lost);
                    stops.push(handle.stop(self.live.grace));
                }
                Some(()) = stops.next(), if !stops.is_empty() => {}
            }
        }
    }

    /// Says that the program runs, for as long as it takes until that is stored.
    async fn announce(&self, pid: u32) {
        let actor = Actor::Agent(self.session.agent.clone());
        let store = || self.shared.step(&self.live, Step::Started, &actor, |session| session.pid = Some(pid));
        let is_retryable = Error::is_retryable;
        if let Some(Err(error)) = self.until_answered(store, is_retryable).await {
            tracing::error!(session = %self.session.id, %error, "a session could not be marked as running");
        }
    }

    async fn close(&self, step: Step, actor: &Actor, exit: Option<Exit>) {
        let exit = exit.as_ref();
        let store = || {
            let now = self.shared.parts.clock.now();
            self.shared.step(&self.live, step.clone(), actor, move |session| outcome::conclude(session, exit, now))
        };
        if let Some(Err(error)) = self.until_answered(store, Error::is_retryable).await {
            tracing::error!(session = %self.session.id, %error, "the end of a session could not be stored");
        }
    }

    fn work(&self) -> &dyn Work {
        &*self.shared.parts.work
    }

    fn last_words(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Failed { error } => self.publish("stream.error", json!({ "error": error })),
            Outcome::Completed { usage, .. } => self.publish("stream.end", json!({ "usage": usage })),
            Outcome::Released { reason, .. } => self.publish("stream.end", json!({ "reason": reason })),
            Outcome::Lost => self.publish("stream.end", json!({ "reason": outcome::LOST })),
        }
    }

    fn publish(&self, name: &'static str, facts: Value) {
        self.shared.parts.hub.publish_transient(event::stream(&self.session, name, facts));
    }
}

/// The next ending with less grace than there is.
async fn sooner(endings: &mut watch::Receiver<Option<Ending>>, grace: Duration) -> Ending {
    let is_sooner = |ending: &Option<Ending>| ending.as_ref().is_some_and(|ending| ending.grace < grace);
    let ending = endings.wait_for(is_sooner).await.ok().and_then(|ending| ending.clone());
    match ending {
        Some(ending) => ending,
        None => std::future::pending().await,
    }
}
