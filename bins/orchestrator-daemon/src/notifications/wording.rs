//! What people are told of an event. Pure.

use orchestrator_events::Event;
use orchestrator_notify::{Message, Severity};
use serde_json::Value;

/// Said in the title or beside it already, or of no use to a person.
const LEFT_OUT: [&str; 3] = ["orgId", "error", "reason"];

/// How bad an event is, if no route says so.
pub(super) fn severity(name: &str) -> Severity {
    match name {
        "budget.exhausted" | "audit.unwritable" | "daemon.unready" | "emergency.stopped" | "auth.token.reused"
        | "model.retired" => Severity::Critical,
        "budget.alert" | "budget.degraded" | "budget.pace" | "task.failed" | "session.stalled" | "session.waiting"
        | "approval.requested" | "mcp.server.lost" | "mcp.tool.changed" | "agent.lost" | "config.refused"
        | "model.retiring" => Severity::Warning,
        _ => Severity::Info,
    }
}

pub(super) fn message(event: &Event, severity: Severity) -> Message {
    let payload = &event.payload;
    let detail = ["error", "reason"].into_iter().find_map(|field| payload[field].as_str());
    let mut facts = vec![("organisation".to_owned(), event.org.to_string())];
    add_facts("", payload, &mut facts);
    Message {
        id: event.id.to_string(),
        topic: event.name.to_string(),
        key: key(event),
        severity,
        title: title(event),
        text: detail.unwrap_or_default().to_owned(),
        facts,
        time: event.time,
    }
}

/// The same about the same thing. Limits of one scope are told apart by their windows.
fn key(event: &Event) -> String {
    let subject = event.subject.as_deref().unwrap_or_default();
    let window = event.payload["window"].as_str().unwrap_or_default();
    format!("{}/{}/{subject}/{window}", event.org, event.name)
}

fn title(event: &Event) -> String {
    let payload = &event.payload;
    let text = |field: &str| payload[field].as_str().unwrap_or("?");
    match event.name.as_ref() {
        "budget.alert" => {
            let percent = payload["usedPermille"].as_u64().unwrap_or_default() / 10;
            format!("{percent} % of the budget of {} per {} is spent", text("scope"), text("window"))
        }
        "budget.degraded" => {
            format!("Requests of {} are degraded until the next {}", text("scope"), text("window"))
        }
        "budget.pace" => {
            let when = payload["exhaustedAt"].as_str().unwrap_or("the end of its window");
            format!("At this pace the budget of {} per {} is exhausted before {when}", text("scope"), text("window"))
        }
        "budget.exhausted" => format!("The budget of {} per {} is exhausted", text("scope"), text("window")),
        "task.failed" => format!("{} has failed for good", text("taskId")),
        "model.retiring" => format!("The model {} will be gone on {}", text("model"), text("retiresAt")),
        "model.retired" => format!("The model {} is gone since {}", text("model"), text("retiresAt")),
        "session.stalled" => format!("{} gives no sign of life", text("sessionId")),
        "session.waiting" => format!("{} waits for a person", text("sessionId")),
        "approval.requested" => "Somebody's approval is needed".to_owned(),
        "emergency.stopped" => "The emergency stop was pulled".to_owned(),
        "daemon.unready" => format!("{} is not ready", text("node")),
        "daemon.ready" => format!("{} is ready again", text("node")),
        "audit.unwritable" => format!("{} cannot write its audit log, and refuses every action", text("node")),
        "mcp.server.lost" => format!("The MCP server {} is lost", text("server")),
        name => name.to_owned(),
    }
}

/// What is text, a number, or yes or no; one level deep.
fn add_facts(before: &str, payload: &Value, facts: &mut Vec<(String, String)>) {
    for (name, value) in payload.as_object().into_iter().flatten() {
        let path = format!("{before}{name}");
        match value {
            Value::String(text) if !LEFT_OUT.contains(&name.as_str()) => facts.push((path, text.clone())),
            Value::Number(_) | Value::Bool(_) => facts.push((path, value.to_string())),
            Value::Object(_) if before.is_empty() => add_facts(&format!("{path}."), value, facts),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_vocab::{Actor, EventId, OrgId, Timestamp};
    use serde_json::json;

    use super::*;

    fn event(name: &'static str, payload: Value) -> Event {
        Event {
            id: EventId::new(),
            seq: 1,
            org: OrgId::LOCAL,
            name: name.into(),
            time: Timestamp(0),
            actor: Actor::system("test"),
            subject: Some("agent:coder".to_owned()),
            correlation: None,
            causation: None,
            payload,
        }
    }

    #[test]
    fn a_budget_is_told_of_by_its_scope_and_window() {
        let spent = json!({ "tokens": 80, "nanoUsd": 0 });
        let payload =
            json!({ "orgId": "o", "scope": "agent:coder", "window": "day", "usedPermille": 805, "spent": spent });
        let event = event("budget.alert", payload);
        let message = message(&event, severity(&event.name));
        assert_eq!(message.title, "80 % of the budget of agent:coder per day is spent");
        assert_eq!((message.id, message.severity), (event.id.to_string(), Severity::Warning));
        assert!(message.key.ends_with("/budget.alert/agent:coder/day"), "{}", message.key);
        assert!(message.facts.contains(&("spent.tokens".into(), "80".into())), "{:?}", message.facts);
        assert!(!message.facts.iter().any(|(name, _)| name == "orgId"), "{:?}", message.facts);
    }

    #[test]
    fn a_pace_is_told_of_with_the_time_at_which_nothing_is_left() {
        let payload = json!({ "scope": "organisation", "window": "day", "exhaustedAt": "2026-11-28T18:00:00Z" });
        let message = message(&event("budget.pace", payload), severity("budget.pace"));
        let title = "At this pace the budget of organisation per day is exhausted before 2026-11-28T18:00:00Z";
        assert_eq!((message.title.as_str(), message.severity), (title, Severity::Warning));
    }

    #[test]
    fn a_model_that_will_be_gone_is_told_of_with_its_day() {
        let told = |name| message(&event(name, json!({ "model": "a/m", "retiresAt": "2026-12-11" })), severity(name));
        let (soon, gone) = (told("model.retiring"), told("model.retired"));
        assert_eq!((&*soon.title, soon.severity), ("The model a/m will be gone on 2026-12-11", Severity::Warning));
        assert_eq!((&*gone.title, gone.severity), ("The model a/m is gone since 2026-12-11", Severity::Critical));
    }

    #[test]
    fn what_went_wrong_is_the_text_and_what_is_unknown_has_its_name() {
        let failed = message(&event("task.failed", json!({ "taskId": "task_1", "error": "no luck" })), Severity::Info);
        assert_eq!((failed.title.as_str(), failed.text.as_str()), ("task_1 has failed for good", "no luck"));
        let other = message(&event("a.b", json!({})), severity("a.b"));
        assert_eq!((other.title.as_str(), other.severity), ("a.b", Severity::Info));
    }
}
