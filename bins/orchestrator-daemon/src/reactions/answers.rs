use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orchestrator_events::Hub;
use orchestrator_security::{Approval, ApprovalError, ApprovalStatus, Approvals, Audit, Decision, Entry};
use orchestrator_sessions::{Answered, Error, Sessions};
use orchestrator_vocab::{Actor, OrgId, SessionId};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How often what nobody answered in time, and what a session still has to be told, is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How many at a time.
const PAGE: usize = 200;

/// What people answer about calls reaches the sessions that wait with them; what nobody answers is denied, and what a session asked
/// for that has ended is taken back. What was answered is marked when the session knows, so nothing is lost by a crash.
pub(crate) struct Answers {
    approvals: Approvals,
    sessions: Sessions,
    audit: Audit,
    ended: Mutex<BTreeSet<(OrgId, SessionId)>>,
    wake: Notify,
}

impl Answers {
    /// Listens from now on; [`run`](Self::run) acts.
    pub(crate) fn listen(hub: &Hub, approvals: Approvals, sessions: Sessions, audit: Audit) -> Arc<Self> {
        let answers = Self { approvals, sessions, audit, ended: Mutex::default(), wake: Notify::new() };
        let answers = Arc::new(answers);
        let told = Arc::downgrade(&answers);
        hub.listen(move |event| {
            let Some(answers) = told.upgrade() else { return };
            match event.name.as_ref() {
                // One that was about to wait when it was answered waits now.
                "approval.decided" | "session.waiting" => answers.wake.notify_one(),
                "session.stopped" => {
                    let session = event.payload["sessionId"].as_str().and_then(|id| id.parse().ok());
                    let mut ended = answers.ended.lock().unwrap_or_else(PoisonError::into_inner);
                    ended.extend(session.map(|session| (event.org, session)));
                    answers.wake.notify_one();
                }
                _ => {}
            }
        });
        answers
    }

    pub(crate) async fn run(&self, stop: CancellationToken) -> Result<(), ApprovalError> {
        while !stop.is_cancelled() {
            self.take_back().await?;
            self.expire().await?;
            for approval in self.approvals.untold(PAGE).await? {
                self.tell(&approval).await?;
            }
            self.approvals.trim(PAGE).await?;
            // Woken or not, what counts is read.
            let _ = timeout(LOOK_AGAIN, async {
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = stop.cancelled() => {}
                }
            })
            .await;
        }
        Ok(())
    }

    async fn take_back(&self) -> Result<(), ApprovalError> {
        let ended = std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner));
        for (org, session) in ended {
            self.approvals.withdraw(org, session).await?;
        }
        Ok(())
    }

    async fn expire(&self) -> Result<(), ApprovalError> {
        for approval in self.approvals.expire(PAGE).await? {
            // It is denied, written down or not.
            if let Err(error) = self.audit.append(entry(&approval)).await {
                tracing::error!(approval = %approval.id, %error, "expired, and not audited");
            }
        }
        Ok(())
    }

    async fn tell(&self, approval: &Approval) -> Result<(), ApprovalError> {
        let (org, session) = (approval.org_id, approval.session_id);
        let knows = match self.sessions.rule(org, session, answered(approval)).await {
            Ok(knows) => knows,
            // There is nobody to tell.
            Err(Error::Ended(_) | Error::NotFound(_) | Error::TakesNoInput { .. }) => true,
            Err(error) => {
                tracing::warn!(approval = %approval.id, %session, error = &error as &dyn std::error::Error, "not told yet");
                false
            }
        };
        if knows { self.approvals.told(org, approval.id).await } else { Ok(()) }
    }
}

fn answered(approval: &Approval) -> Answered {
    let allowed = matches!(approval.state.status(), ApprovalStatus::Approved | ApprovalStatus::Used);
    let (by, reason) = match approval.state.answer() {
        Some(answer) => {
            let word = if allowed { "yes" } else { "no" };
            let note = answer.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            (answer.decided_by.clone(), format!("{} said {word}{note}", answer.decided_by))
        }
        None => (Actor::system("approvals"), format!("nobody confirmed it in time ({})", approval.id)),
    };
    Answered { call: approval.request_id.clone(), approval: approval.id.to_string(), by, allowed, reason }
}

fn entry(approval: &Approval) -> Entry {
    let reason = format!("nobody confirmed it in time ({})", approval.id);
    approval.entry(Actor::system("approvals"), approval.tool.clone(), Decision::Denied, reason)
}
