use std::time::Duration;

use orchestrator_vocab::Actor;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::Runner;
use crate::{Ending, event};

/// How much longer than its grace a runtime may take before it is dropped.
const ENDING_TIME_MAX: Duration = Duration::from_secs(10);

impl Runner {
    /// Returns what to say when a journaled session has given no sign of life for too long. Pauses do not count.
    pub(super) async fn until_stalled(&self) -> String {
        if !self.runtime.is_journaled() {
            return std::future::pending().await;
        }
        let patience = self.shared.parts.config.stall();
        loop {
            let due = self.live.last_sign_of_life() + patience;
            if Instant::now() < due {
                sleep_until(due).await;
            } else if self.live.is_paused().await {
                self.live.sign_of_life();
            } else {
                break;
            }
        }
        let millis = patience.as_millis();
        self.tell("session.stalled", json!({ "stallMs": millis })).await;
        format!("it gave no sign of life for stallMs ({millis} ms)")
    }

    /// Returns when it was asked to end and its grace, and some more, have passed.
    pub(super) async fn until_overdue(&self) -> Ending {
        let mut ending = self.live.asked_to_end_within(Duration::MAX).await;
        loop {
            // A grace may be as long as a day, and cut short at any time.
            let due = Instant::now().checked_add(ending.grace.saturating_add(ENDING_TIME_MAX));
            let overdue = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = overdue => return ending,
                sooner = self.live.asked_to_end_within(ending.grace) => ending = sooner,
            }
        }
    }

    /// Tells the log something about the session that changes nothing in it. Not telling it must not hold up anything.
    async fn tell(&self, name: &'static str, facts: serde_json::Value) {
        let record = self.live.record.lock().await;
        let (now, session) = (self.shared.parts.clock.now(), record.clone());
        let event = event::about(&record, name, now, &Actor::system("sessions"), facts);
        let told = self.shared.parts.store.update(session, vec![event]).await;
        if let Err(error) = told {
            tracing::warn!(session = %self.session.id, %error, name, "an event could not be stored");
        }
    }
}
