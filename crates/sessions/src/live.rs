use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use orchestrator_process::Handle;
use orchestrator_vocab::{Actor, OrgId, SessionId, Tokens};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Session;

/// A session that this daemon runs.
#[derive(Debug)]
pub(crate) struct Live {
    /// As it is stored. Whoever changes it holds the lock until it is stored again.
    pub(crate) record: tokio::sync::Mutex<Session>,
    /// The program, once it runs.
    pub(crate) handle: OnceLock<Handle>,
    /// How long the program may take to end.
    pub(crate) grace: Duration,
    /// Cancelled when everything is over and stored.
    pub(crate) done: CancellationToken,
    activity: Mutex<Activity>,
    ending: watch::Sender<Option<Ending>>,
}

/// What changes too often to be stored each time.
#[derive(Debug, Default)]
struct Activity {
    tokens: Tokens,
    last_output: Option<String>,
}

/// That a session is to end, and why.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) reason: String,
    pub(crate) actor: Actor,
    pub(crate) grace: Duration,
}

impl Live {
    pub(crate) fn new(session: Session, grace: Duration) -> Self {
        Self {
            record: tokio::sync::Mutex::new(session),
            handle: OnceLock::new(),
            grace,
            done: CancellationToken::new(),
            activity: Mutex::default(),
            ending: watch::Sender::new(None),
        }
    }

    /// Asks for the end. The first reason counts, and the shortest grace.
    pub(crate) fn end(&self, asked: Ending) {
        self.ending.send_modify(|ending| match ending {
            Some(earlier) => earlier.grace = earlier.grace.min(asked.grace),
            None => *ending = Some(asked),
        });
    }

    pub(crate) fn ending(&self) -> watch::Receiver<Option<Ending>> {
        self.ending.subscribe()
    }

    pub(crate) fn add_tokens(&self, tokens: Tokens) {
        self.activity().tokens += tokens;
    }

    pub(crate) fn set_last_output(&self, text: &str) {
        self.activity().last_output = Some(text.chars().take(500).collect());
    }

    /// Brings a session up to date with what is not stored yet.
    pub(crate) fn overlay(&self, session: &mut Session) {
        let activity = self.activity();
        session.metrics.tokens_used = activity.tokens;
        session.last_output.clone_from(&activity.last_output);
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Table(Mutex<HashMap<(OrgId, SessionId), Arc<Live>>>);

impl Table {
    pub(crate) fn get(&self, org: OrgId, id: SessionId) -> Option<Arc<Live>> {
        self.entries().get(&(org, id)).cloned()
    }

    pub(crate) fn all(&self) -> Vec<(SessionId, Arc<Live>)> {
        self.entries().iter().map(|((_, id), live)| (*id, live.clone())).collect()
    }

    pub(crate) fn add(&self, org: OrgId, id: SessionId, live: Arc<Live>) {
        self.entries().insert((org, id), live);
    }

    pub(crate) fn remove(&self, org: OrgId, id: SessionId) {
        self.entries().remove(&(org, id));
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<(OrgId, SessionId), Arc<Live>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
