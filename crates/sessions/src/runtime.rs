use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use orchestrator_vocab::{Actor, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use crate::{Desk, Error};

/// A way to run agents: as a program, as a conversation with a model, through somebody else's command line.
///
/// It is given a [`Desk`] per session and works until it has an [`Outcome`]. Everything around that is not its business: the
/// lease, limits, the backlog, and where sessions are stored.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Its name, such as `program` or `llm`: stored and shown with the session, and a label of metrics.
    fn name(&self) -> &'static str;

    /// How long it may take to end after it was asked to. The desk may ask for more haste.
    fn grace(&self) -> Duration;

    /// Whether what it does is in the journal, so that an interrupted session is suspended and goes on later, here or on
    /// another daemon. Otherwise an interruption is its end.
    fn is_journaled(&self) -> bool;

    /// Checks what it was made of, before there is a session.
    ///
    /// # Errors
    /// [`Error::Invalid`]; nothing is started then. Default: nothing is wrong.
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Works on one task. Must end soon after [`Desk::asked_to_end`]: it is dropped ten seconds after its grace. Everything
    /// it started must end with it, also when the future is dropped. A panic fails the task.
    async fn run(&self, desk: Desk) -> Outcome;
}

impl fmt::Debug for dyn Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the work on a task ended, for now or for good.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The task is done.
    Completed {
        /// What came of it.
        result: Value,
    },
    /// The agent could not do it: an attempt is spent.
    Failed {
        /// Why, for a person and for the next attempt.
        error: String,
    },
    /// It is not finished, and that is not the agent's fault: no attempt is spent.
    Released {
        /// Why.
        reason: String,
        /// Through whom.
        actor: Actor,
        /// Nobody is to try it before, if said.
        run_at: Option<Timestamp>,
    },
    /// Only a person can say how it goes on. A journaled session is suspended until then and holds no lease; any other is
    /// [released](Self::Released).
    Waiting {
        /// What the person is asked, in a sentence.
        reason: String,
    },
    /// The task is no longer this session's: there is nobody to tell.
    Lost,
}

/// That a session is to end, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// For whoever looks at the session or the task later.
    pub reason: String,
    /// Who wants it.
    pub actor: Actor,
    /// How long it may take.
    pub grace: Duration,
    /// What sort of end.
    pub cause: Cause,
}

/// What makes a session end from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Somebody stopped it.
    Stopped,
    /// The daemon stops.
    Draining,
    /// The task is no longer this session's.
    Lost,
    /// It gave no sign of life for `stallMs`.
    Stalled,
    /// Sessions are held: see [`Sessions::hold`](crate::Sessions::hold).
    Held,
}

impl From<Ending> for Outcome {
    fn from(ending: Ending) -> Self {
        match ending.cause {
            Cause::Lost => Self::Lost,
            _ => Self::Released { reason: ending.reason, actor: ending.actor, run_at: None },
        }
    }
}

/// What a runtime can do to make its work stand still. Registered by [`Desk::halts`].
#[async_trait]
pub trait Halt: Send + Sync {
    /// Lets the work stand still, as far as that can be; `false` if there is nothing left to stand still.
    async fn pause(&self) -> bool;

    /// Lets it go on; `false` if there is nothing left to go on.
    async fn resume(&self) -> bool;
}

/// A [`Halt`] for runtimes that stand still between two steps: what has begun is finished first.
///
/// ```
/// # use orchestrator_sessions::{Gate, Halt as _};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let gate = Gate::default();
/// gate.open().await; // at once: nobody has paused
/// gate.pause().await;
/// gate.resume().await;
/// gate.open().await;
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Gate {
    is_closed: watch::Sender<bool>,
}

impl Gate {
    /// Returns once nobody wants the work to stand still.
    pub async fn open(&self) {
        // The sender lives as long as this.
        let _ = self.is_closed.subscribe().wait_for(|is_closed| !is_closed).await;
    }
}

#[async_trait]
impl Halt for Gate {
    async fn pause(&self) -> bool {
        self.is_closed.send_replace(true);
        true
    }

    async fn resume(&self) -> bool {
        self.is_closed.send_replace(false);
        true
    }
}
