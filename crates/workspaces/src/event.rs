use orchestrator_events::NewEvent;
use orchestrator_vocab::{Actor, Timestamp};
use serde_json::json;

use crate::Workspace;

/// `workspace.created`, `workspace.merged` or `workspace.discarded`; the session is what it is about.
pub(crate) fn of(workspace: &Workspace, name: &'static str, now: Timestamp, actor: Actor) -> NewEvent {
    let payload = json!({
        "sessionId": workspace.session,
        "orgId": workspace.org,
        "status": workspace.status,
        "mode": workspace.mode,
        "source": workspace.source,
        "branch": workspace.branch,
        "base": workspace.base,
        "commit": workspace.commit,
        "node": workspace.node,
    });
    let mut event = NewEvent::new(workspace.org, name, now, actor, payload);
    event.subject = Some(workspace.session.to_string());
    event
}
