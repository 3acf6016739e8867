//! The language models as they are configured, and what is counted of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use orchestrator_budget::Ledger;
use orchestrator_models::{Listener, Parts, ProviderHealth, Router, Trace};
use orchestrator_redact::Redactor;
use orchestrator_telemetry::Metrics;
use orchestrator_vocab::Clock;

use crate::adapters::{Degrading, SpendingLayer};
use crate::config::Config;
use crate::doctor;
use crate::doctor::Severity;
use crate::stacks::{self, StopLayer};

/// Names of models that are labels; a client may name any, so later ones are counted together.
const MODELS_MAX: usize = 100;
const OTHER: &str = "other";

/// Everybody who is configured, behind one router.
pub(crate) fn open(
    config: &Config,
    metrics: &Metrics,
    redactor: &Redactor,
    clock: Arc<dyn Clock>,
    (ledger, stop): (&Ledger, &StopLayer),
) -> anyhow::Result<Router> {
    let models = &config.models;
    for finding in doctor::of_models(config).iter().filter(|finding| finding.severity == Severity::Warning) {
        tracing::warn!("{}", finding.found);
    }
    let (primary, fallbacks) = models.candidates();
    let degrading = Degrading::new(ledger.clone(), metrics.clone());
    let thrift = degrading.thrift();
    let spending = SpendingLayer::new(ledger.clone(), models.free(), degrading);
    let parts = Parts {
        members: models.members(&clock, redactor)?,
        primary,
        fallbacks,
        strategy: models.strategy,
        on_refusal: models.on_refusal,
        limits: models.limits.clone(),
        thrift: Some(thrift),
        attempts: stacks::model_attempts(&models.limits, &spending, stop),
        embedder: models.embedding.clone(),
        embeddings: stacks::model_embeddings(&models.limits, &spending, stop),
        clock,
        listener: listener(metrics.clone(), redactor.clone()),
    };
    Router::new(parts).context("models")
}

/// Counts what a decision came to, and tells the log of failures.
fn listener(metrics: Metrics, redactor: Redactor) -> Listener {
    let known = Mutex::new(BTreeSet::new());
    Arc::new(move |trace| {
        count(&metrics, trace, &known);
        for attempt in &trace.attempts {
            let Some(failure) = &attempt.failure else { continue };
            let said = redactor.redact(&failure.message);
            tracing::info!(decision = %trace.id, target_model = %attempt.target, kind = failure.kind.as_str(), %said, "a model failed");
        }
    })
}

fn count(metrics: &Metrics, trace: &Trace, known: &Mutex<BTreeSet<String>>) {
    let outcome = trace.outcome.as_str();
    metrics.counter("model_requests_total", &[("outcome", outcome.into())]).add(1);
    if !trace.degraded.is_empty() {
        metrics.counter("budget_degraded_requests_total", &[("how", "cheaper".into())]).add(1);
    }
    for attempt in &trace.attempts {
        let provider = attempt.target.provider.clone();
        metrics.counter("model_attempts_total", &[("provider", provider.clone().into())]).add(1);
        if let Some(failure) = &attempt.failure {
            let labels = [("provider", provider.into()), ("kind", failure.kind.as_str().into())];
            metrics.counter("model_errors_total", &labels).add(1);
        }
    }
    let Some(target) = &trace.answered_by else { return };
    let provider = [("provider", target.provider.clone().into())];
    let duration = Duration::from_millis(trace.duration_ms);
    metrics.histogram("model_request_seconds", &provider).record_duration(duration);
    if let Some(millis) = trace.first_token_ms {
        metrics.histogram("model_first_token_seconds", &provider).record_duration(Duration::from_millis(millis));
    }
    let model = label(&target.to_string(), &target.model, known);
    let usage = trace.usage;
    for (kind, tokens) in [
        ("input", usage.input),
        ("cache_read", usage.cache_read),
        ("cache_write_5m", usage.cache_write_5m),
        ("cache_write_1h", usage.cache_write_1h),
        ("output", usage.output),
        ("reasoning", usage.reasoning),
    ] {
        let labels =
            [("provider", target.provider.clone().into()), ("model", model.clone().into()), ("kind", kind.into())];
        metrics.counter("model_tokens_total", &labels).add(tokens);
    }
}

fn label(target: &str, model: &str, known: &Mutex<BTreeSet<String>>) -> String {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let is_known = known.contains(target) || (known.len() < MODELS_MAX && known.insert(target.to_owned()));
    if is_known { model.to_owned() } else { OTHER.to_owned() }
}

/// Sets what is read when somebody asks: 1 healthy, 0.5 being tried, 0 left alone.
pub(crate) fn measure(router: &Router, metrics: &Metrics) {
    for status in router.status() {
        let provider = [("provider", status.name.into())];
        let health = match status.health {
            ProviderHealth::Healthy => 1.0,
            ProviderHealth::Probing => 0.5,
            ProviderHealth::Resting => 0.0,
        };
        metrics.gauge("model_provider_health", &provider).set(health);
        metrics.gauge("model_requests_in_flight", &provider).set(status.in_flight as f64);
    }
}
