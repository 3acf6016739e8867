use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_redact::Redactor;
use orchestrator_sessions::{Cause, Desk, Ending, Error, Gate, Outcome, Runtime};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::work::Work;
use crate::{InvalidLimits, ModelService, Profile, Recollection, Toolbox};

/// How long a call that is under way gets to come back when the session is to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long the last entries may take of one that has to end at once: it has no process of its own, and what its calls came to
/// would not be known otherwise.
const LAST_ENTRIES: Duration = Duration::from_millis(400);
/// At most one frame of a stream per pause.
const FRAME_PAUSE: Duration = Duration::from_millis(16);

/// What an agent that is a language model is made of.
#[derive(Clone)]
pub struct Parts {
    /// Who it is and what it may use up.
    pub profile: Profile,
    /// Who thinks for it.
    pub models: ModelService,
    /// What it can do.
    pub tools: Arc<dyn Toolbox>,
    /// What is taken out of everything that is told.
    pub redactor: Redactor,
    /// What it remembers from earlier, and what its conversation is kept in when it gets too long; `None`: nothing.
    pub memory: Option<Arc<dyn Recollection>>,
}

/// Runs an agent that is a language model with tools: asks it, makes the calls it wants, tells it what came of them, until it
/// has nothing more to call. Everything is in the journal before anything depends on it.
#[derive(Clone)]
pub struct Llm(Parts);

impl Llm {
    /// Starts nothing.
    ///
    /// # Errors
    /// If a limit of the profile is out of bounds.
    pub fn new(parts: Parts) -> Result<Self, InvalidLimits> {
        parts.profile.limits.validate()?;
        Ok(Self(parts))
    }
}

impl std::fmt::Debug for Llm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Llm").field(&self.0.profile.model).finish()
    }
}

#[async_trait]
impl Runtime for Llm {
    fn name(&self) -> &'static str {
        "llm"
    }

    fn grace(&self) -> Duration {
        GRACE
    }

    fn is_journaled(&self) -> bool {
        true
    }

    async fn run(&self, desk: Desk) -> Outcome {
        let gate = Arc::new(Gate::default());
        desk.halts(gate.clone());
        let cancel = CancellationToken::new();
        let guard = cancel.clone().drop_guard();
        let work = Box::pin(work(&self.0, &desk, &gate, &cancel));
        tokio::pin!(work);
        let ending = tokio::select! {
            outcome = &mut work => return outcome.unwrap_or_else(|_| released("nobody asked for the end")),
            ending = desk.asked_to_end() => ending,
        };
        drop(guard);
        until(&desk, &ending, work).await.unwrap_or_else(|| ending.into())
    }
}

/// The work was told to end before it was done.
pub(crate) struct Stopped;

async fn work(parts: &Parts, desk: &Desk, gate: &Gate, cancel: &CancellationToken) -> Result<Outcome, Stopped> {
    let mut work = match Work::open(parts, desk, gate, cancel, FRAME_PAUSE).await {
        Ok(work) => work,
        Err(crate::work::Halted::With(outcome)) => return Ok(outcome),
        Err(crate::work::Halted::Stopped) => return Err(Stopped),
    };
    let limit = work.limits().time();
    let all = work.run();
    let ended = match limit {
        Some(limit) => match timeout(limit, all).await {
            Ok(ended) => ended,
            Err(_) => {
                let error = format!("the agent has worked for {} ms, which is its limit (timeMs)", limit.as_millis());
                Ok(Outcome::Failed { error })
            }
        },
        None => all.await,
    };
    match ended {
        Ok(outcome) | Err(crate::work::Halted::With(outcome)) => Ok(outcome),
        Err(crate::work::Halted::Stopped) => Err(Stopped),
    }
}

/// What is under way may come back, for as long as whoever asked has patience. `None` if it was not done by then.
async fn until(
    desk: &Desk,
    ending: &Ending,
    mut work: impl Future<Output = Result<Outcome, Stopped>> + Unpin,
) -> Option<Outcome> {
    let least = if ending.cause == Cause::Held { LAST_ENTRIES } else { Duration::ZERO };
    let mut grace = ending.grace.max(least);
    let asked = Instant::now();
    loop {
        tokio::select! {
            outcome = &mut work => return outcome.ok(),
            () = sleep_until(asked + grace) => return None,
            sooner = desk.asked_to_end_within(grace), if grace > least => grace = sooner.grace.max(least),
        }
    }
}

pub(crate) fn released(reason: impl Into<String>) -> Outcome {
    let actor = orchestrator_vocab::Actor::system("sessions");
    Outcome::Released { reason: reason.into(), actor, run_at: None }
}

/// Why nothing can be written any more, as an end of the work.
pub(crate) fn of_journal(error: &Error) -> Outcome {
    match error {
        Error::Ended(_) | Error::NotFound(_) | Error::Stale { .. } => Outcome::Lost,
        Error::Invalid { .. } => Outcome::Failed { error: format!("the session's journal: {error}") },
        error => released(format!("the session's journal: {error}")),
    }
}
