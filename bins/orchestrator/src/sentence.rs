//! Events and explanations as sentences.

use serde_json::Value;

use crate::show::{away, count, millis, plain, short, text, words};

/// The most characters of a result or an error in a line.
const VALUE_CHARS_MAX: usize = 160;

/// What an event says, without its name; nothing for an event that has no sentence.
pub(crate) fn event(name: &str, payload: &Value) -> Option<String> {
    let value = |field: &str| short(&plain(&payload[field]), VALUE_CHARS_MAX);
    let by = || match text(payload, "agentId") {
        "" => String::new(),
        agent => format!(" by {agent}"),
    };
    Some(match name {
        "task.created" => format!("created: {}", value("title")),
        "task.updated" => format!("changed: {}", words(&payload["changed"])),
        "task.blocked" => {
            format!("waits for {}", count(payload["waitingOn"].as_u64().unwrap_or(0) as usize, "other task"))
        }
        "task.unblocked" => "all it waited for is done".into(),
        "task.claimed" => format!("started{} (attempt {})", by(), payload["attempt"]),
        "task.released" => released(payload),
        "task.progressed" => format!("progress: {}", value("progress")),
        "task.completed" => format!("completed{}{}", by(), after(payload)),
        "task.failed" => format!("failed{}: {}", by(), value("error")),
        "task.cancelled" => format!("cancelled: {}", value("reason")),
        "task.deleted" => "deleted".into(),
        "scheduler.assigned" => {
            format!("{} was chosen, with {} points", text(payload, "agentId"), plain(&payload["scores"]["total"]))
        }
        "scheduler.skipped" => format!("nobody gets it now: {}", skipped(&payload["why"])),
        "session.created" => format!("session {} begins{}", text(payload, "sessionId"), by()),
        "session.status" => format!("session is {}{}", text(payload, "status"), reason(payload)),
        "session.stopped" => format!("session ended: {}{}", text(payload, "status"), reason(payload)),
        "session.input" => format!("{} says: {}", plain(&payload["by"]), text(payload, "text")),
        "session.waiting" => format!("session waits for a person{}", reason(payload)),
        "session.ruled" => {
            let verb = if payload["allowed"] == true { "may be made" } else { "is refused" };
            format!("call {} {verb}", text(payload, "callId"))
        }
        "approval.requested" => {
            let what = [text(payload, "tool"), text(payload, "arguments")].map(|part| short(part, VALUE_CHARS_MAX));
            format!("{} waits to be confirmed: {}", text(payload, "approvalId"), what.join(" "))
        }
        "approval.decided" => format!("{} is {}", text(payload, "approvalId"), text(payload, "status")),
        "session.settled" => format!("call {} is settled", text(payload, "callId")),
        "session.stalled" => "session gives no sign of life".into(),
        "schedule.fired" => format!("creates {}", text(payload, "taskId")),
        "schedule.skipped" => format!("skips {}: {}", text(payload, "instant"), text(payload, "reason")),
        "stream.chunk" => text(payload, "content").trim_end().to_owned(),
        _ => return None,
    })
}

fn after(payload: &Value) -> String {
    match millis(&payload["ranMs"]) {
        span if span.is_empty() => String::new(),
        span => format!(" after {span}"),
    }
}

fn reason(payload: &Value) -> String {
    match text(payload, "reason") {
        "" => String::new(),
        reason => format!(" ({reason})"),
    }
}

fn released(payload: &Value) -> String {
    let why = match text(payload, "reason") {
        "returned" => "its agent gave it back",
        "failed" => "the attempt failed",
        "expired" => "its agent fell silent",
        "requeued" => "it was taken from its agent",
        "retried" => "it is started anew",
        "approved" => "it was approved",
        other => other,
    };
    let error = match text(payload, "error") {
        "" => String::new(),
        error => format!(" ({})", short(error, VALUE_CHARS_MAX)),
    };
    let again = match away(&payload["runAt"]) {
        moment if moment.starts_with("in ") => format!(", tried again {moment}"),
        _ => String::new(),
    };
    format!("back in the backlog: {why}{error}{again}")
}

/// Why a task is where it is, from `task.explain`.
pub(crate) fn why(explanation: &Value) -> String {
    match text(explanation, "why") {
        "runs" => format!("runs at {}", text(explanation, "agentId")),
        "blocked_by" => {
            let tasks = explanation["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
            let named = |task: &Value| format!("{} ({})", text(task, "taskId"), text(task, "status"));
            format!("waits for {}", tasks.iter().map(named).collect::<Vec<_>>().join(", "))
        }
        "not_before" => {
            let last = match text(explanation, "lastError") {
                "" => String::new(),
                error => format!(", after an attempt failed: {}", short(error, VALUE_CHARS_MAX)),
            };
            format!("not before {} ({}){last}", text(explanation, "runAt"), away(&explanation["runAt"]))
        }
        "no_slot" => {
            format!("all {} slots of `{}` are taken", plain(&explanation["slots"]), text(explanation, "concurrencyKey"))
        }
        "nobody_gets_it" => skipped(&explanation["because"]),
        "next" => format!("goes to {} next", text(explanation, "agentId")),
        "awaits_approval" => "waits for a person".into(),
        "finished" => format!("is {}", text(explanation, "status")),
        other => other.to_owned(),
    }
}

fn skipped(reason: &Value) -> String {
    match text(reason, "reason") {
        "no_capable_agent" => match words(&reason["missing"]) {
            missing if missing.is_empty() => "no agent has all the capabilities it needs".into(),
            missing => format!("no agent can {missing}"),
        },
        "no_healthy_agent" => "the agents that could are not healthy, or take no tasks".into(),
        "no_capacity" => "the agents that could are busy".into(),
        "waits_for_pull" => "the agents that could fetch tasks themselves, and have not yet".into(),
        "avoided" => "it waits for another agent than the one that failed it".into(),
        other => other.to_owned(),
    }
}

/// Why one agent could not get a task, from a candidate of `task.explain`.
pub(crate) fn why_not(candidate: &Value) -> String {
    let reason = &candidate["whyNot"];
    match text(reason, "reason") {
        "" => String::new(),
        "lacks_capabilities" => format!("cannot {}", words(&reason["missing"])),
        "unhealthy" => "not healthy".into(),
        "takes_none" => "takes no tasks".into(),
        "busy" => format!("busy: {} of {}", reason["running"], reason["maxConcurrent"]),
        "failed_it_last" => "failed it last".into(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(name: &str, payload: Value, sentence: &str) {
        assert_eq!(event(name, &payload).as_deref(), Some(sentence));
    }

    #[test]
    fn events_become_sentences() {
        check("task.claimed", json!({"agentId": "a", "attempt": 2}), "started by a (attempt 2)");
        check("task.completed", json!({"agentId": "a", "ranMs": 1_500}), "completed by a after 1s");
        check(
            "task.released",
            json!({"reason": "failed", "error": "boom"}),
            "back in the backlog: the attempt failed (boom)",
        );
        check("task.blocked", json!({"waitingOn": 1}), "waits for 1 other task");
        check(
            "scheduler.skipped",
            json!({"why": {"reason": "no_capacity"}}),
            "nobody gets it now: the agents that could are busy",
        );
        assert_eq!(event("unknown.event", &json!({})), None);
    }

    #[test]
    fn explanations_become_sentences() {
        let blocked = json!({"why": "blocked_by", "tasks": [{"taskId": "task_1", "status": "failed"}]});
        assert_eq!(why(&blocked), "waits for task_1 (failed)");
        let nobody = json!({"why": "nobody_gets_it", "because": {"reason": "no_capable_agent", "missing": ["fly"]}});
        assert_eq!(why(&nobody), "no agent can fly");
        let busy = json!({"whyNot": {"reason": "busy", "running": 1, "maxConcurrent": 1}});
        assert_eq!(why_not(&busy), "busy: 1 of 1");
    }
}
