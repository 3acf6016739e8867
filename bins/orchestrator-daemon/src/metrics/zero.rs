//! Series that exist from the start: an alert on an increase sees the first one only if there was a zero before it.

use orchestrator_rpc::Code;
use orchestrator_tasks::Priority;
use orchestrator_telemetry::Metrics;
use orchestrator_vocab::{Clock as _, SystemClock};

/// Counters that have one label, with the values they take.
const ONE_LABEL: [(&str, &str, &[&str]); 13] = [
    ("scheduler_decisions_total", "decision", &["assigned", "skipped"]),
    ("schedule_firings_total", "outcome", &["fired", "skipped"]),
    ("sessions_spawned_total", "runtime", &RUNTIMES),
    ("task_attempts_failed_total", "reason", &["returned", "failed", "expired", "requeued"]),
    ("rate_limited_total", "by", &["address", "credential"]),
    ("connections_refused_total", "reason", &["total", "address", "timeout", "tls", "origin", "login"]),
    ("sandbox_connections_total", "outcome", &["connected", "refused", "failed"]),
    ("budget_degraded_requests_total", "how", &["cheaper", "throttled"]),
    ("memory_stored_total", "tier", &["scratchpad", "episodic", "semantic"]),
    ("memory_proposals_total", "outcome", &["learned", "known", "invalid", "left_out"]),
    ("memory_erased_total", "by", &["person", "topic", "session", "organisation"]),
    ("redis_events_total", "outcome", &["sent", "received", "not_sent"]),
    ("redis_pieces_total", "outcome", &["sent", "received", "dropped"]),
];
/// Counters without a label.
const PLAIN: [&str; 7] = [
    "memory_embedded_total",
    "memory_expired_total",
    "memory_consolidated_total",
    "token_refreshes_total",
    "token_reuse_detected_total",
    "signing_keys_rotated_total",
    "redis_outages_total",
];
const HISTOGRAMS: [&str; 2] = ["task_claim_wait_seconds", "task_run_seconds"];
const ENDED: [&str; 3] = ["completed", "failed", "cancelled"];
const SESSION_ENDED: [&str; 3] = ["completed", "failed", "terminated"];
const RUNTIMES: [&str; 2] = ["llm", "program"];

/// Sets what never changes, and begins what counts.
pub(super) fn begin(metrics: &Metrics) {
    metrics.gauge("process_start_time_seconds", &[]).set(SystemClock.now().millis() as f64 / 1_000.0);
    // Nothing is down where there is nothing.
    metrics.gauge("redis_down_seconds", &[]).set(0.0);
    for name in PLAIN {
        metrics.counter(name, &[]).add(0);
    }
    for (name, label, values) in ONE_LABEL {
        for value in values {
            metrics.counter(name, &[(label, (*value).into())]).add(0);
        }
    }
    for runtime in RUNTIMES {
        for status in SESSION_ENDED {
            metrics.counter("sessions_ended_total", &[("status", status.into()), ("runtime", runtime.into())]).add(0);
        }
    }
    for code in Code::ALL {
        metrics.counter("rpc_errors_total", &[("code", code.name().into())]).add(0);
    }
    for priority in Priority::ALL {
        let priority = priority.as_str();
        metrics.counter("tasks_created_total", &[("priority", priority.into())]).add(0);
        for status in ENDED {
            metrics.counter("tasks_finished_total", &[("status", status.into()), ("priority", priority.into())]).add(0);
        }
    }
    for name in HISTOGRAMS {
        // Made, without a sample.
        drop(metrics.histogram(name, &[]));
    }
}
