use std::sync::Arc;

use orchestrator_events::{Event, Hub};
use orchestrator_vocab::{OrgId, SessionId};
use orchestrator_workspaces::Workspaces;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A session that has ended leaves its workspace: what is unchanged goes. What is not heard of here is found by the
/// workspaces themselves when they look after what is open.
pub(crate) struct LeaveWorkspaces {
    workspaces: Workspaces,
    ended: tokio::sync::Mutex<mpsc::UnboundedReceiver<(OrgId, SessionId)>>,
}

impl LeaveWorkspaces {
    /// Listens from now on; [`run`](Self::run) acts.
    pub(crate) fn listen(hub: &Hub, workspaces: Workspaces) -> Arc<Self> {
        // Bounded by what it carries: each session ends once.
        let (tell, ended) = mpsc::unbounded_channel();
        hub.listen(move |event| {
            if let Some(session) = session(event) {
                // Nobody listens once the daemon stops.
                let _ = tell.send((event.org, session));
            }
        });
        Arc::new(Self { workspaces, ended: tokio::sync::Mutex::new(ended) })
    }

    pub(crate) async fn run(&self, stop: CancellationToken) -> Result<(), orchestrator_workspaces::Error> {
        let mut ended = self.ended.lock().await;
        let looking_after = self.workspaces.run(stop.clone());
        let told = async {
            while let Some(Some((org, session))) = stop.run_until_cancelled(ended.recv()).await {
                if let Err(error) = self.workspaces.ended(org, session).await {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(%session, error, "the workspace of an ended session is looked at again later");
                }
            }
        };
        tokio::join!(looking_after, told);
        Ok(())
    }
}

fn session(event: &Event) -> Option<SessionId> {
    let is_end = event.name == "session.stopped";
    event.payload.get("sessionId").and_then(Value::as_str).filter(|_| is_end)?.parse().ok()
}
