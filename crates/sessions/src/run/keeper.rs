use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Runner;
use crate::{Answer, WorkError};

impl Runner {
    /// Renews the lease and passes progress on, until the task is lost. While the backlog cannot be reached the agent
    /// works on: whether its result still counts is decided by the fence.
    pub(super) async fn keep_lease(&self) {
        let mut reports = self.live.progress.subscribe();
        let config = &self.shared.parts.config;
        let mut due = Instant::now() + config.heartbeat();
        let mut next_report = Instant::now();
        let mut unsent = None;
        loop {
            tokio::select! {
                () = sleep_until(due) => {}
                () = news(&mut reports, next_report) => {}
            }
            if reports.has_changed().unwrap_or(false) {
                unsent = reports.borrow_and_update().clone();
            }
            let answer = self.work().heartbeat(&self.lease, unsent.clone()).await;
            next_report = Instant::now() + config.progress();
            due = Instant::now() + config.heartbeat();
            match answer {
                Ok(Answer::Accepted) => unsent = None,
                Ok(Answer::Lost) => return,
                Err(WorkError::Unavailable(error)) => {
                    tracing::warn!(session = %self.session.id, %error, "a heartbeat did not reach the backlog");
                    due = Instant::now() + config.heartbeat().min(config.retry_max()) / 5;
                }
                Err(WorkError::Refused(why)) => {
                    tracing::warn!(session = %self.session.id, %why, "the backlog refused a report of progress");
                    // Without what it did not like, the lease can be renewed at once.
                    due = if unsent.take().is_some() { Instant::now() } else { due };
                }
            }
        }
    }
}

/// Until there is something to report, and it is time to. It stays unread meanwhile: a heartbeat may take it along.
async fn news(reports: &mut watch::Receiver<Option<Value>>, not_before: Instant) {
    if reports.changed().await.is_err() {
        // It has ended; what it did not report is in its result.
        std::future::pending::<()>().await;
    }
    reports.mark_changed();
    sleep_until(not_before).await;
}
