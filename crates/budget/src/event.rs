//! What the log is told.

use orchestrator_events::NewEvent;
use orchestrator_vocab::Actor;
use serde_json::{Value, json};

use crate::books::{Burn, Judge};
use crate::{Counter, CounterKey, Limit, Refusal, Spender, Window};

/// Something that is told once so much of a limit is spent.
pub(crate) fn spent(
    judge: &Judge<'_>,
    name: &'static str,
    limit: &Limit,
    key: &CounterKey,
    counter: &Counter,
    permille: u64,
    window: Window,
) -> NewEvent {
    let payload = json!({
        "orgId": judge.org, "scope": key.scope, "window": key.span, "limit": limit, "spent": counter.spent,
        "reserved": counter.reserved, "usedPermille": permille, "resetsAt": window.end,
    });
    about(judge, name, &key.scope.to_string(), payload)
}

/// At this pace a limit will not last for its window.
pub(crate) fn burning(judge: &Judge<'_>, Burn { key, status }: &Burn) -> NewEvent {
    let payload = json!({
        "orgId": judge.org, "scope": key.scope, "window": key.span, "limit": status.limit, "spent": status.spent,
        "reserved": status.reserved, "usedPermille": status.used_permille, "pace": status.pace,
        "exhaustedAt": status.exhausted_at, "resetsAt": status.resets_at,
    });
    about(judge, "budget.pace", &key.scope.to_string(), payload)
}

/// A limit was in the way for the first time.
pub(crate) fn exhausted(judge: &Judge<'_>, refusal: &Refusal, spender: &Spender) -> NewEvent {
    let mut payload = json!({
        "orgId": judge.org, "scope": refusal.scope, "window": refusal.limit.window, "limit": refusal.limit, "spent": refusal.spent,
        "reserved": refusal.reserved, "wanted": refusal.wanted, "resetsAt": refusal.resets_at,
    });
    if let (Value::Object(facts), Ok(Value::Object(asked))) = (&mut payload, serde_json::to_value(spender)) {
        facts.insert("spender".into(), Value::Object(asked));
    }
    about(judge, "budget.exhausted", &refusal.scope.to_string(), payload)
}

fn about(judge: &Judge<'_>, name: &'static str, scope: &str, payload: Value) -> NewEvent {
    let mut event = NewEvent::new(judge.org, name, judge.now, Actor::system("budget"), payload);
    event.subject = Some(scope.to_owned());
    event
}
