use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{FuturesUnordered, StreamExt as _};
use orchestrator_process::{Exit, Handle};
use tracing::Instrument as _;

use super::Program;
use super::listener::Listener;
use super::outcome::spawn_failed;
use crate::{Desk, Ending, Error, Halt, Outcome, Runtime};

#[async_trait]
impl Runtime for Program {
    fn name(&self) -> &'static str {
        "program"
    }

    fn grace(&self) -> Duration {
        self.end_grace()
    }

    fn is_journaled(&self) -> bool {
        false
    }

    fn validate(&self) -> Result<(), Error> {
        Program::validate(self)
    }

    async fn run(&self, desk: Desk) -> Outcome {
        let span = span(self, &desk);
        let spec = self.spec(desk.session(), desk.document());
        let mut process = match desk.spawn(&self.sandbox, spec).await {
            Ok(process) => process,
            Err(error) => {
                span.record("error", tracing::field::display(&error));
                return spawn_failed(&error);
            }
        };
        let handle = process.handle();
        span.record("process.pid", handle.id());
        desk.halts(Arc::new(Signals(handle.clone())));
        let mut listener = Listener::default();
        let at_work = async {
            let started = desk.started(Some(handle.id()));
            let ((), exit) = tokio::join!(biased; started, listener.listen(&mut process, &desk));
            exit
        };
        let (exit, ending) = until_ended(&desk, at_work, &handle).instrument(span.clone()).await;
        if let Some(code) = exit.code {
            span.record("process.exit.code", code);
        }
        if !exit.survivors.is_empty() {
            tracing::warn!(session = %desk.session().id, pids = ?exit.survivors, "processes of a session do not end");
        }
        desk.exited(crate::Exit { code: exit.code, signal: exit.signal });
        listener.outcome(&exit, ending, self)
    }
}

/// The whole tree stands still.
struct Signals(Handle);

#[async_trait]
impl Halt for Signals {
    async fn pause(&self) -> bool {
        self.0.pause().await.is_ok()
    }

    async fn resume(&self) -> bool {
        self.0.resume().await.is_ok()
    }
}

/// Whoever asks for the end ends the tree; why is what the first said.
async fn until_ended(desk: &Desk, at_work: impl Future<Output = Exit>, handle: &Handle) -> (Exit, Option<Ending>) {
    let (mut ending, mut grace) = (None, Duration::MAX);
    let mut stops = FuturesUnordered::new();
    tokio::pin!(at_work);
    loop {
        tokio::select! {
            exit = &mut at_work => return (exit, ending),
            asked = desk.asked_to_end_within(grace) => {
                grace = asked.grace;
                ending.get_or_insert(asked);
                stops.push(handle.stop(grace));
            }
            Some(()) = stops.next(), if !stops.is_empty() => {}
        }
    }
}

/// In the trace of the session, whose span this is called in.
fn span(program: &Program, desk: &Desk) -> tracing::Span {
    let session = desk.session();
    tracing::debug_span!(
        "process.run",
        traceparent = tracing::field::Empty,
        otel.kind = "client",
        process.executable.name = program.command.first(),
        process.pid = tracing::field::Empty,
        process.exit.code = tracing::field::Empty,
        org = %session.org,
        session = %session.id,
        task = %session.task,
        agent = %session.agent,
        error = tracing::field::Empty,
    )
}
