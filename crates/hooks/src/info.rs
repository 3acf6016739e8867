use std::sync::{Mutex, MutexGuard, PoisonError};

use orchestrator_vocab::Timestamp;
use serde::Serialize;

use crate::Event;

/// What a hook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "rpc", schemars(rename = "HookKind"))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A program of the operator.
    Program,
    /// A server of the operator.
    Http,
    /// Comes with the daemon.
    Builtin,
    /// Part of the program that embeds this.
    Closure,
}

/// What running a hook came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "rpc", schemars(rename = "HookOutcome"))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing is in the way.
    Passed,
    /// A person has to confirm it.
    Asked,
    /// It must not be done.
    Blocked,
    /// It did not come to an answer.
    Failed,
}

impl Outcome {
    /// As metrics know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Asked => "asked",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }
}

/// How it was the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "rpc", schemars(rename = "HookRun"))]
#[serde(rename_all = "camelCase")]
pub struct Last {
    /// When it was over.
    pub at: Timestamp,
    /// What it came to.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Why it was in the way or failed, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A hook, and how it did since the start.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HookInfo {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// For which events it is run.
    #[cfg_attr(feature = "rpc", schemars(with = "Vec<String>"))]
    pub events: Vec<Event>,
    /// For which tools, where the event is about one; empty for every tool.
    pub tools: Vec<String>,
    /// Those with a higher one are asked before others.
    pub priority: i32,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
    /// How often it was run.
    pub runs: u64,
    /// How often it blocked something.
    pub blocked: u64,
    /// How often it wanted a confirmation.
    pub asked: u64,
    /// How often it failed.
    pub failed: u64,
    /// How it was the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Last>,
}

/// What is counted of one hook.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) runs: u64,
    pub(crate) blocked: u64,
    pub(crate) asked: u64,
    pub(crate) failed: u64,
    pub(crate) last: Option<Last>,
}

impl Tally {
    pub(crate) fn add(&self, last: Last) {
        let mut counts = self.counts();
        counts.runs += 1;
        match last.outcome {
            Outcome::Passed => {}
            Outcome::Asked => counts.asked += 1,
            Outcome::Blocked => counts.blocked += 1,
            Outcome::Failed => counts.failed += 1,
        }
        counts.last = Some(last);
    }

    pub(crate) fn read(&self) -> Counts {
        self.counts().clone()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
