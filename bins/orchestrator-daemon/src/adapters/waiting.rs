//! Those who wait for an answer without leaving.

use std::time::Duration;

use orchestrator_events::Hub;
use orchestrator_security::{ApprovalId, ApprovalStatus, Approvals};
use orchestrator_vocab::OrgId;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long an answer that was given at another daemon may go unnoticed, if its event is lost.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Wakes whoever waits when something was answered. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Waiting {
    approvals: Approvals,
    answered: watch::Receiver<()>,
}

impl Waiting {
    pub(crate) fn listen(hub: &Hub, approvals: Approvals) -> Self {
        let (tell, answered) = watch::channel(());
        hub.listen(move |event| {
            if event.name == "approval.decided" {
                tell.send_replace(());
            }
        });
        Self { approvals, answered }
    }

    /// Also returns if it cannot be read: whoever waited asks again, and is told why.
    pub(crate) async fn until_answered(&self, org: OrgId, id: ApprovalId) {
        let mut answered = self.answered.clone();
        loop {
            answered.mark_unchanged();
            match self.approvals.get(org, id).await {
                Ok(approval) if approval.state.status() == ApprovalStatus::Pending => {}
                Ok(_) | Err(_) => return,
            }
            // Told or not, what counts is read.
            let _ = timeout(LOOK_AGAIN, answered.changed()).await;
        }
    }
}
