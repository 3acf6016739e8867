//! What Prometheus sees: a projection of the event log, and gauges read when somebody asks.

mod gauges;
mod listener;
mod memory;
mod spending;
mod zero;

use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::{Event, Hub};
use orchestrator_telemetry::{Description, Error, Metrics};
use serde_json::Value;

pub(crate) use gauges::Gauges;
pub(crate) use listener::serve_to_this_machine;

/// Prometheus text format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

const DESCRIPTIONS: [Description; 71] = [
    Description::counter("events_total", "Events written to the log, by name."),
    Description::counter("tasks_created_total", "Tasks created, by priority."),
    Description::counter("tasks_finished_total", "Tasks that ended, by status and priority."),
    Description::counter("task_attempts_failed_total", "Attempts that failed or whose lease ran out, by reason."),
    Description::histogram("task_claim_wait_seconds", "From claimable to claimed."),
    Description::histogram("task_run_seconds", "From claimed to ended, for the last attempt."),
    Description::counter("scheduler_decisions_total", "What the scheduler decided, by outcome."),
    Description::counter("schedule_firings_total", "Instants of schedules, by outcome."),
    Description::counter("sessions_spawned_total", "Sessions started, by runtime."),
    Description::counter("sessions_ended_total", "Sessions that ended, by status and runtime."),
    Description::counter("sessions_suspended_total", "Sessions that were interrupted and can go on, by runtime."),
    Description::counter("sessions_stalled_total", "Sessions that gave no sign of life for too long, by runtime."),
    Description::gauge("sessions_active", "Sessions that have not ended."),
    Description::gauge("sessions_max", "Sessions that may be active at once."),
    Description::gauge("tasks", "Tasks in the backlog, by status and priority."),
    Description::gauge("queue_ready", "Tasks that could be claimed now."),
    Description::gauge("queue_oldest_age_seconds", "How long the oldest claimable task has waited."),
    Description::histogram("rpc_call_duration_seconds", "Calls, by method and outcome."),
    Description::counter("rpc_errors_total", "Calls that were refused or failed, by code."),
    Description::counter("rate_limited_total", "Refusals by rate limits, by what was counted."),
    Description::counter("token_refreshes_total", "Access tokens given for refresh tokens."),
    Description::counter(
        "token_reuse_detected_total",
        "Families of refresh tokens ended because an old one was shown.",
    ),
    Description::counter("signing_keys_rotated_total", "Signing keys that took the place of another."),
    Description::gauge("connections_open", "Open connections, by kind."),
    Description::counter("connections_total", "Connections accepted."),
    Description::counter("connections_refused_total", "Connections and logins refused, by reason."),
    Description::counter("http_requests_total", "HTTP requests, upgrades included."),
    Description::gauge("subscriptions_open", "Open subscriptions."),
    Description::counter(
        "event_reads_total",
        "Reads of the event log, by what answered: memory, Redis (relay), database (log).",
    ),
    Description::gauge("redis_up", "Whether events reach other daemons through Redis."),
    Description::gauge(
        "redis_down_seconds",
        "For how long Redis has been down and events have crossed through the database; 0 also where it is not used.",
    ),
    Description::counter("redis_outages_total", "How often Redis was lost or not found."),
    Description::counter("redis_events_total", "Events sent, received, and left to the database, by outcome."),
    Description::counter("redis_pieces_total", "Live-only pieces sent, received, and dropped, by outcome."),
    Description::counter("model_requests_total", "Requests to language models, by how they ended."),
    Description::counter("model_attempts_total", "How often providers of language models were asked."),
    Description::counter("model_errors_total", "Attempts that failed, by provider and kind of error."),
    Description::counter("model_tokens_total", "Tokens, by provider, model and kind; reasoning is part of output."),
    Description::histogram("model_request_seconds", "From a request to the end of its answer, by provider."),
    Description::histogram(
        "model_first_token_seconds",
        "From a request to the first piece of its answer, by provider.",
    ),
    Description::gauge("model_provider_health", "1 healthy, 0.5 being tried, 0 left alone."),
    Description::gauge("model_requests_in_flight", "Requests under way, by provider."),
    Description::gauge("mcp_servers", "Servers of tools that are enabled, by whether they are connected."),
    Description::counter("tool_calls_total", "Calls of tools that were made, by tool and outcome."),
    Description::counter("tool_refusals_total", "Calls of tools that were not allowed, by tool."),
    Description::histogram("tool_call_duration_seconds", "Calls of tools that were made, by tool."),
    Description::counter(
        "sandbox_connections_total",
        "Connections that confined programs asked their proxy for, by outcome: connected, refused, failed.",
    ),
    Description::counter("hook_runs_total", "Runs of hooks, by hook and outcome."),
    Description::histogram("hook_duration_seconds", "Runs of hooks, by hook."),
    Description::gauge("budget_spent_tokens", "Tokens spent in the current windows of organisations, by window."),
    Description::gauge("budget_spent_nano_usd", "Billionths of a dollar spent in them, by window."),
    Description::gauge("budget_reserved_tokens", "Tokens that requests under way may use, by window."),
    Description::gauge("budget_remaining_tokens", "Tokens that are left of the limits, by window."),
    Description::gauge("budget_forecast_tokens", "Tokens that will be spent by the end of the windows at this pace."),
    Description::gauge("budget_forecast_nano_usd", "Billionths of a dollar that will be spent by then."),
    Description::gauge("budget_burning_limits", "Limits that will not last for their windows at this pace, by window."),
    Description::counter(
        "budget_degraded_requests_total",
        "Requests while much of a limit was spent, by how: a cheaper model (cheaper), not yet (throttled).",
    ),
    Description::gauge(
        "emergency_stopped",
        "Emergency stops in force: that of the operator (scope `daemon`), those of other organisations.",
    ),
    Description::gauge("approvals_waiting", "Calls of tools that wait for a person's word."),
    Description::counter("memory_stored_total", "Memories that were stored, by tier."),
    Description::counter("memory_embedded_total", "Memories that were given vectors."),
    Description::counter("memory_expired_total", "Memories that went because their time was over."),
    Description::counter("memory_consolidated_total", "Episodes that became a part of a summary."),
    Description::counter(
        "memory_model_answers_total",
        "Summaries and lessons that models were asked for, by what for and what came of it: used, or why rules did it.",
    ),
    Description::counter("memory_proposals_total", "Memories that models proposed, by what became of them."),
    Description::counter("memory_erased_total", "Memories that were erased for good, by what was named."),
    Description::counter("notifications_total", "Messages to people, by destination and what became of them."),
    Description::gauge("process_resident_memory_bytes", "Resident memory of the daemon."),
    Description::gauge("process_start_time_seconds", "When the daemon started, in seconds since 1970."),
    Description::gauge("config_last_reload_successful", "Whether the last configuration that was read is in force."),
    Description::gauge("config_last_reload_success_timestamp_seconds", "When that was last so, in seconds since 1970."),
];

/// Names the metrics and follows the hub from now on.
pub(crate) fn follow(hub: &Hub, metrics: &Metrics) -> Result<(), Error> {
    metrics.describe(&DESCRIPTIONS)?;
    zero::begin(metrics);
    let metrics = metrics.clone();
    hub.listen(move |event| count(&metrics, event));
    Ok(())
}

/// Folds samples into their buckets now and then, whether or not anybody scrapes.
pub(crate) async fn upkeep(metrics: Metrics, stop: tokio_util::sync::CancellationToken) -> Result<(), std::io::Error> {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        metrics.run_upkeep();
    }
    Ok(())
}

fn count(metrics: &Metrics, event: &Arc<Event>) {
    let text =
        |field: &str| -> String { event.payload.get(field).and_then(Value::as_str).unwrap_or("none").to_owned() };
    let counted = |name, labels: &[(&'static str, &str)]| {
        let labels: Vec<_> = labels.iter().map(|(label, field)| (*label, text(field).into())).collect();
        metrics.counter(name, &labels).add(1);
    };
    let timed = |name, field: &str| {
        if let Some(millis) = event.payload.get(field).and_then(Value::as_u64) {
            metrics.histogram(name, &[]).record_duration(Duration::from_millis(millis));
        }
    };
    metrics.counter("events_total", &[("event", event.name.clone())]).add(1);
    match event.name.as_ref() {
        "task.created" => counted("tasks_created_total", &[("priority", "priority")]),
        "task.claimed" => timed("task_claim_wait_seconds", "waitedMs"),
        "task.completed" | "task.failed" | "task.cancelled" => {
            counted("tasks_finished_total", &[("status", "status"), ("priority", "priority")]);
            timed("task_run_seconds", "ranMs");
        }
        "task.released" => counted("task_attempts_failed_total", &[("reason", "reason")]),
        "scheduler.assigned" => metrics.counter("scheduler_decisions_total", &[("decision", "assigned".into())]).add(1),
        "scheduler.skipped" => metrics.counter("scheduler_decisions_total", &[("decision", "skipped".into())]).add(1),
        "schedule.fired" => metrics.counter("schedule_firings_total", &[("outcome", "fired".into())]).add(1),
        "schedule.skipped" => metrics.counter("schedule_firings_total", &[("outcome", "skipped".into())]).add(1),
        "auth.token.refreshed" => metrics.counter("token_refreshes_total", &[]).add(1),
        "auth.token.reused" => metrics.counter("token_reuse_detected_total", &[]).add(1),
        "auth.key.rotated" => metrics.counter("signing_keys_rotated_total", &[]).add(1),
        "session.created" => counted("sessions_spawned_total", &[("runtime", "runtime")]),
        "session.stopped" => counted("sessions_ended_total", &[("status", "status"), ("runtime", "runtime")]),
        "session.status" if text("status") == "suspended" => {
            counted("sessions_suspended_total", &[("runtime", "runtime")]);
        }
        "memory.stored" => {
            for tier in ["scratchpad", "episodic", "semantic"] {
                let stored = event.payload.get(tier).and_then(Value::as_u64).unwrap_or_default();
                metrics.counter("memory_stored_total", &[("tier", tier.into())]).add(stored);
            }
        }
        "memory.erased" => {
            let erased = event.payload.get("erased").and_then(Value::as_array).into_iter().flatten();
            let erased = erased.filter_map(Value::as_u64).sum();
            metrics.counter("memory_erased_total", &[("by", text("by").into())]).add(erased);
        }
        "session.stalled" => counted("sessions_stalled_total", &[("runtime", "runtime")]),
        _ => {}
    }
}
