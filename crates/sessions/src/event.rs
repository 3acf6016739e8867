//! What the log is told, and what live listeners are.

use orchestrator_events::{NewEvent, Transient};
use orchestrator_vocab::{Actor, Timestamp};
use serde_json::{Value, json};

use crate::{Session, Status};

pub(crate) fn created(session: &Session) -> NewEvent {
    let mut payload = json!(session.info(session.started_at));
    payload["sessionId"] = json!(session.id);
    payload["orgId"] = json!(session.org);
    event(session, "session.created", session.started_at, session.created_by.clone(), payload)
}

/// `session.status`; then `session.waiting` if a person is needed, or `session.stopped` if that was the end.
pub(crate) fn changed(session: &Session, previous: Status, now: Timestamp, actor: &Actor) -> Vec<NewEvent> {
    let mut facts = whose(session);
    facts["status"] = json!(session.state.status());
    facts["previousStatus"] = json!(previous);
    if let Some(reason) = session.state.reason() {
        facts["reason"] = json!(reason);
    }
    let mut events = vec![event(session, "session.status", now, actor.clone(), facts.clone())];
    if session.state.is_waiting() {
        events.push(event(session, "session.waiting", now, actor.clone(), facts.clone()));
    }
    if session.state.is_ended() {
        facts["metrics"] = json!(session.info(now).metrics);
        facts["startedAt"] = json!(session.started_at);
        facts["endedAt"] = json!(session.ended_at);
        facts["exit"] = json!(session.exit);
        events.push(event(session, "session.stopped", now, actor.clone(), facts));
    }
    events
}

/// Something that changes nothing in the session.
pub(crate) fn about(session: &Session, name: &'static str, now: Timestamp, actor: &Actor, facts: Value) -> NewEvent {
    let mut payload = whose(session);
    if let (Value::Object(all), Value::Object(facts)) = (&mut payload, facts) {
        all.extend(facts);
    }
    event(session, name, now, actor.clone(), payload)
}

fn whose(session: &Session) -> Value {
    json!({
        "sessionId": session.id,
        "orgId": session.org,
        "taskId": session.task,
        "agentId": session.agent,
        "runtime": session.runtime,
    })
}

fn event(session: &Session, name: &'static str, now: Timestamp, actor: Actor, payload: Value) -> NewEvent {
    let mut event = NewEvent::new(session.org, name, now, actor, payload);
    event.subject = Some(session.id.to_string());
    event.correlation = session.correlation.clone();
    event
}

/// A live-only event of the session's output. For clients that know prompts, the task is the prompt.
pub(crate) fn stream(session: &Session, name: &'static str, facts: Value) -> Transient {
    let mut payload = json!({ "sessionId": session.id, "taskId": session.task, "promptId": session.task });
    if let (Value::Object(all), Value::Object(facts)) = (&mut payload, facts) {
        all.extend(facts);
    }
    Transient { org: session.org, name: name.into(), payload }
}
