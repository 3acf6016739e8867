//! What the log is told.

use orchestrator_events::NewEvent;
use serde_json::json;

use super::{Order, Release};

pub(super) fn stopped(order: &Order) -> NewEvent {
    let payload = json!({ "orgId": order.org, "reason": order.reason, "by": order.by, "since": order.since });
    NewEvent::new(order.org, "emergency.stopped", order.since, order.by.clone(), payload)
}

pub(super) fn released(order: &Order, release: &Release) -> NewEvent {
    let payload = json!({
        "orgId": order.org, "reason": release.reason, "by": release.by, "since": order.since, "stoppedFor": order.reason,
    });
    NewEvent::new(release.org, "emergency.released", release.at, release.by.clone(), payload)
}
