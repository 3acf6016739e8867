//! What the log is told: never what is remembered or about whom, only which memory. The log outlives what is erased.

use orchestrator_events::NewEvent;
use orchestrator_vocab::{Actor, OrgId, SessionId, Timestamp};
use serde_json::{Value, json};

use crate::{Bounds, Memory, Tier, Used};

/// How many ids stand in one event.
const IDS_MAX: usize = 50;

pub(crate) fn stored(org: OrgId, memories: &[Memory], actor: &Actor, now: Timestamp) -> NewEvent {
    let ids: Vec<_> = memories.iter().take(IDS_MAX).map(|memory| memory.id).collect();
    let of = |tier| memories.iter().filter(|memory| memory.tier == tier).count();
    let quarantined = memories.iter().filter(|memory| memory.state == crate::State::Quarantined).count();
    let payload = json!({
        "orgId": org, "memoryIds": ids, "count": memories.len(), "scratchpad": of(Tier::Scratchpad),
        "episodic": of(Tier::Episodic), "semantic": of(Tier::Semantic), "quarantined": quarantined,
        "sessionId": memories.first().and_then(|memory| memory.session),
    });
    event(org, "memory.stored", now, actor.clone(), payload)
}

pub(crate) fn about(memory: &Memory, name: &'static str, now: Timestamp, actor: &Actor, more: Value) -> NewEvent {
    let mut payload = json!({
        "orgId": memory.org, "memoryId": memory.id, "tier": memory.tier, "type": memory.kind,
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut payload, more) {
        all.extend(more);
    }
    let mut event = event(memory.org, name, now, actor.clone(), payload);
    event.subject = Some(memory.id.to_string());
    event
}

/// What is to be told if a tier now holds more than before: once at the share that is alerted, once when it is full.
pub(crate) fn filling(
    org: OrgId,
    (tier, session): (Tier, Option<SessionId>),
    before: Used,
    after: Used,
    bounds: &Bounds,
) -> Option<NewEvent> {
    let limit = bounds.bytes_max[tier as usize];
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
    let alert = (limit as f64 * bounds.alert) as u64;
    let is_crossed = |at: u64| before.bytes < at && after.bytes >= at;
    (is_crossed(alert) && limit > 0).then(|| used(org, "memory.filling", (tier, session), after, bounds))
}

/// Something was refused because there is no room.
pub(crate) fn full(org: OrgId, place: (Tier, Option<SessionId>), used_now: Used, bounds: &Bounds) -> NewEvent {
    used(org, "memory.full", place, used_now, bounds)
}

fn used(
    org: OrgId,
    name: &'static str,
    (tier, session): (Tier, Option<SessionId>),
    used: Used,
    bounds: &Bounds,
) -> NewEvent {
    let payload = json!({
        "orgId": org, "tier": tier, "sessionId": session, "bytes": used.bytes,
        "bytesMax": bounds.bytes_max[tier as usize], "count": used.count,
    });
    event(org, name, bounds.now, Actor::system("memory"), payload)
}

pub(crate) fn event(org: OrgId, name: &'static str, now: Timestamp, actor: Actor, payload: Value) -> NewEvent {
    NewEvent::new(org, name, now, actor, payload)
}
