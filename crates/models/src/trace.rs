use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_transcript::Usage;
use orchestrator_vocab::{Id, Kind, OrgId, Timestamp};
use serde::Serialize;

use crate::{ErrorKind, Needs, Skip, Strategy, Target};

/// Organisations of which traces are kept; beyond them, those of the one that asked first are forgotten.
const ORGS_MAX: usize = 1_000;

/// Marks the ids of decision traces.
#[derive(Debug)]
pub enum DecisionKind {}

impl Kind for DecisionKind {
    const PREFIX: &'static str = "decision";
}

/// Names the trace of one decision.
pub type TraceId = Id<DecisionKind>;

/// How a request found its model: who could have answered, who was skipped and why, who was asked, and what came of it.
/// Nothing of what was said is in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// Its name.
    pub id: TraceId,
    /// Whose request it was.
    pub org_id: OrgId,
    /// When it came.
    pub at: Timestamp,
    /// What was asked for.
    pub ability: Ability,
    /// The model that was asked for by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested: Option<String>,
    /// How the others were ordered.
    pub strategy: Strategy,
    /// What the request needed.
    pub needs: Needs,
    /// Everybody who could have answered, in the order of the configuration.
    pub candidates: Vec<Considered>,
    /// Which of them were only asked if all others failed, because money runs short.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<Degraded>,
    /// Whom it asked, in order.
    pub attempts: Vec<Attempted>,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<Target>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why the model stopped, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// What was used, as far as the provider told.
    pub usage: Usage,
    /// What that costs, in billionths of a US dollar, if the price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_nano_usd: Option<u64>,
    /// How often a paused turn was continued.
    pub continuations: u32,
    /// From the request to the first piece of the answer, all attempts and waits included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
    /// From the request to the end.
    pub duration_ms: u64,
}

/// What models are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// An answer.
    Chat,
    /// Vectors.
    Embed,
}

/// One who could have answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Considered {
    /// Who.
    #[serde(flatten)]
    pub target: Target,
    /// Why it was not asked; absent if it was, or would have been next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skip>,
    /// What the request was expected to cost with it, in billionths of a US dollar, if the price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate_nano_usd: Option<u64>,
}

/// A model that was asked in the place of another, because much of a limit is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Degraded {
    /// Who would have been asked.
    pub model: Target,
    /// Who was asked before everybody else.
    pub instead: Target,
    /// The limit, as `organisation per day`.
    pub limit: String,
    /// How much of it is spent, in thousandths.
    pub used_permille: u64,
}

/// One time that somebody was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Attempted {
    /// Who.
    #[serde(flatten)]
    pub target: Target,
    /// How long it waited before, because of an earlier failure.
    pub waited_ms: u64,
    /// From asking to the end of the attempt, or to the first piece of the answer.
    pub took_ms: u64,
    /// What went wrong, if something did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The model refused, and another was asked.
    pub refused: bool,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What it is.
    pub kind: ErrorKind,
    /// In the provider's words.
    pub message: String,
    /// The HTTP status, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The provider's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// Nobody answered, or the answer broke off.
    Failed,
    /// Nobody was asked.
    NoCandidate,
    /// Whoever asked went away.
    Abandoned,
}

impl Outcome {
    /// One word for it, as on the wire and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::NoCandidate => "no_candidate",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The latest traces of each organisation, in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Traces {
    most: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    traces: BTreeMap<OrgId, VecDeque<Arc<Trace>>>,
    /// In the order of their first trace.
    orgs: VecDeque<OrgId>,
}

impl Traces {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, kept: Arc::default() }
    }

    pub(crate) fn keep(&self, trace: Arc<Trace>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.traces.contains_key(&trace.org_id) {
            if kept.orgs.len() >= ORGS_MAX
                && let Some(oldest) = kept.orgs.pop_front()
            {
                kept.traces.remove(&oldest);
            }
            kept.orgs.push_back(trace.org_id);
        }
        let traces = kept.traces.entry(trace.org_id).or_default();
        if traces.len() >= self.most {
            traces.pop_front();
        }
        traces.push_back(trace);
    }

    pub(crate) fn get(&self, org: OrgId, id: TraceId) -> Option<Arc<Trace>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.traces.get(&org)?.iter().find(|trace| trace.id == id).cloned()
    }

    /// The newest first, those before `before` if it is given.
    pub(crate) fn list(&self, org: OrgId, before: Option<TraceId>, limit: usize) -> Vec<Arc<Trace>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut traces: Vec<Arc<Trace>> = kept.traces.get(&org).into_iter().flatten().cloned().collect();
        // They are kept in the order of their ends.
        traces.sort_by_key(|trace| std::cmp::Reverse(trace.id));
        traces.retain(|trace| before.is_none_or(|before| trace.id < before));
        traces.truncate(limit);
        traces
    }
}
