use std::sync::Arc;
use std::time::Duration;

use orchestrator_transcript::{Stop, Usage};
use orchestrator_vocab::OrgId;
use tokio::time::Instant;

use super::{Chosen, Inner};
use crate::decide::{estimate, millis};
use crate::layers::Account;
use crate::trace::{Ability, Attempted, Considered, Failure, Outcome};
use crate::{Attribution, ProviderError, Skip, Target, Trace, TraceId};

/// A trace that is being written. It is kept when it is dropped, whatever ended the request.
pub(super) struct Record {
    inner: Arc<Inner>,
    trace: Option<Trace>,
    attribution: Attribution,
    begun: Instant,
}

/// What is asked for, and by whom.
pub(super) struct Subject {
    pub(super) org: OrgId,
    pub(super) attribution: Attribution,
    pub(super) requested: Option<String>,
    pub(super) ability: Ability,
}

impl Record {
    pub(super) fn begin(inner: Arc<Inner>, subject: Subject, chosen: &Chosen) -> Self {
        let skip = |number: usize| {
            chosen.decision.skipped.iter().find(|(skipped, _)| *skipped == number).map(|(_, skip)| skip.clone())
        };
        let considered = |(number, target): (usize, &Target)| Considered {
            target: target.clone(),
            skipped: skip(number),
            estimate_nano_usd: estimate(&chosen.candidates[number].facts, &chosen.needs),
        };
        let trace = Trace {
            id: TraceId::new(),
            org_id: subject.org,
            at: inner.clock.now(),
            ability: subject.ability,
            requested: subject.requested,
            strategy: inner.strategy,
            needs: chosen.needs.clone(),
            candidates: chosen.targets.iter().enumerate().map(considered).collect(),
            degraded: chosen.degraded.clone(),
            attempts: Vec::new(),
            answered_by: None,
            outcome: Outcome::Abandoned,
            stop: None,
            usage: Usage::default(),
            cost_nano_usd: None,
            continuations: 0,
            first_token_ms: None,
            duration_ms: 0,
        };
        Self { inner, trace: Some(trace), attribution: subject.attribution, begun: Instant::now() }
    }

    /// Whose request it is, and what it is put down to.
    pub(super) fn account(&self) -> Account {
        Account { org: self.trace().org_id, attribution: self.attribution.clone() }
    }

    pub(super) fn id(&self) -> TraceId {
        self.trace().id
    }

    pub(super) fn none(mut self) {
        self.trace_mut().outcome = Outcome::NoCandidate;
    }

    pub(super) fn all_skipped(&self) -> Vec<(Target, Skip)> {
        let skipped = |one: &Considered| Some((one.target.clone(), one.skipped.clone()?));
        self.trace().candidates.iter().filter_map(skipped).collect()
    }

    /// One that was to be asked was found at rest then.
    pub(super) fn skipped(&mut self, target: &Target, skip: Skip) {
        let mut candidates = self.trace_mut().candidates.iter_mut();
        if let Some(candidate) = candidates.find(|candidate| candidate.target == *target) {
            candidate.skipped.get_or_insert(skip);
        }
    }

    pub(super) fn attempted(&mut self, target: &Target, waited: Duration, took: Duration) -> &mut Attempted {
        let attempts = &mut self.trace_mut().attempts;
        attempts.push(Attempted {
            target: target.clone(),
            waited_ms: millis(waited),
            took_ms: millis(took),
            failure: None,
            refused: false,
        });
        attempts.last_mut().expect("one was pushed")
    }

    pub(super) fn answers(&mut self, target: &Target) {
        let now = millis(self.begun.elapsed());
        let trace = self.trace_mut();
        trace.answered_by = Some(target.clone());
        trace.first_token_ms.get_or_insert(now);
    }

    pub(super) fn used(&mut self, usage: Usage) {
        self.trace_mut().usage = usage;
    }

    pub(super) fn continued(&mut self) {
        self.trace_mut().continuations += 1;
    }

    pub(super) fn ended(&mut self, stop: &Stop) {
        let trace = self.trace_mut();
        trace.outcome = Outcome::Answered;
        trace.stop = Some(stop.reason.as_str().to_owned());
    }

    /// There are vectors for everything.
    pub(super) fn embedded(mut self) {
        self.trace_mut().outcome = Outcome::Answered;
    }

    /// The answer broke off, or there is none.
    pub(super) fn failed(&mut self, broke_off: Option<&ProviderError>) {
        let trace = self.trace_mut();
        trace.outcome = Outcome::Failed;
        if let (Some(error), Some(attempt)) = (broke_off, trace.attempts.last_mut()) {
            attempt.failure = Some(Failure::from(error));
        }
    }

    fn trace(&self) -> &Trace {
        self.trace.as_ref().expect("only `drop` takes it")
    }

    fn trace_mut(&mut self) -> &mut Trace {
        self.trace.as_mut().expect("only `drop` takes it")
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(mut trace) = self.trace.take() else { return };
        trace.duration_ms = millis(self.begun.elapsed());
        let price = trace.answered_by.as_ref().and_then(|target| self.inner.seat(target).facts(&target.model).price);
        trace.cost_nano_usd = price.map(|price| price.cost(trace.usage));
        (self.inner.listener)(&trace);
        self.inner.traces.keep(Arc::new(trace));
    }
}

impl From<&ProviderError> for Failure {
    fn from(error: &ProviderError) -> Self {
        Self {
            kind: error.kind,
            message: error.message.clone(),
            status: error.status,
            request_id: error.request_id.clone(),
        }
    }
}
