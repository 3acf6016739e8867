//! What a daemon says of itself: that it is not ready, and that it is again.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::{Event, NewEvent, SqlLog};
use orchestrator_gateway::Readiness as _;
use orchestrator_sql::Database;
use orchestrator_vocab::{Actor, Clock, EventId, OrgId};
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Notifications;
use crate::adapters::Loops;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A part that is started again is not worth a word; one that stays away is.
const LOOKS: u32 = 3;
/// How long the log gets to take what is to be told; it may be what is not ready.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// Looks whether the daemon is ready, and writes down when that changes.
#[derive(Clone)]
pub(crate) struct ReadinessWatch {
    pub(crate) loops: Loops,
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) node: String,
    pub(crate) notifications: Notifications,
}

/// What was said last.
#[derive(Debug, Default)]
struct Said {
    /// How often in a row it was not ready.
    unready: u32,
    is_unready: bool,
    is_unwritable: bool,
}

/// An event's name, and why.
type News = (&'static str, Option<String>);

impl ReadinessWatch {
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), std::io::Error> {
        let mut said = Said::default();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            for news in said.look(self.loops.unready(), self.loops.audit.problem()) {
                self.say(news).await;
            }
        }
        Ok(())
    }

    async fn say(&self, (name, reason): News) {
        let payload = json!({ "orgId": OrgId::LOCAL, "node": self.node, "reason": reason });
        let event = NewEvent {
            subject: Some(self.node.clone()),
            ..NewEvent::new(OrgId::LOCAL, name, self.clock.now(), Actor::system("daemon"), payload)
        };
        let written = SqlLog::tell(&self.database, event.clone());
        if !matches!(timeout(WRITE_WITHIN, written).await, Ok(Ok(()))) {
            tracing::warn!(event = name, "what the daemon says of itself cannot be written into the log");
            self.notifications.tell_unwritten(&unwritten(event));
        }
    }
}

/// As it would stand in the log, without a number.
fn unwritten(event: NewEvent) -> Event {
    Event {
        id: EventId::new(),
        seq: 0,
        org: event.org,
        name: event.name,
        time: event.time,
        actor: event.actor,
        subject: event.subject,
        correlation: None,
        causation: None,
        payload: event.payload,
    }
}

impl Said {
    /// What is worth saying, after one more look.
    fn look(&mut self, unready: Option<String>, unwritable: Option<String>) -> Vec<News> {
        let mut news: Vec<News> = Vec::new();
        let was_unwritable = std::mem::replace(&mut self.is_unwritable, unwritable.is_some());
        if !was_unwritable && unwritable.is_some() {
            news.push(("audit.unwritable", unwritable));
        }
        self.unready = if unready.is_some() { self.unready.saturating_add(1) } else { 0 };
        if self.unready >= LOOKS && !self.is_unready {
            self.is_unready = true;
            news.push(("daemon.unready", unready));
        } else if unready.is_none() && self.is_unready {
            self.is_unready = false;
            news.push(("daemon.ready", None));
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_once_and_so_is_its_end() {
        let mut said = Said::default();
        let mut look = |unready: bool, unwritable: bool| -> Vec<&str> {
            let text = |is: bool| is.then(|| "because".to_owned());
            said.look(text(unready), text(unwritable)).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(look(true, false), Vec::<&str>::new());
        assert_eq!(look(false, false), Vec::<&str>::new(), "a moment is not worth a word");
        assert_eq!(look(true, true), ["audit.unwritable"]);
        assert_eq!(look(true, true), Vec::<&str>::new());
        assert_eq!(look(true, true), ["daemon.unready"]);
        assert_eq!(look(true, false), Vec::<&str>::new());
        assert_eq!(look(false, false), ["daemon.ready"]);
        assert_eq!(look(false, false), Vec::<&str>::new());
    }
}
