use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use orchestrator_vocab::{Label, OrgId, SessionId, Tokens};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Ending, Entry, Exit, Halt, Session, Status};

/// A session that this daemon runs.
pub(crate) struct Live {
    /// As it is stored. Whoever changes it holds the lock until it is stored again.
    pub(crate) record: tokio::sync::Mutex<Session>,
    /// What makes it stand still, once it can.
    pub(crate) halt: OnceLock<Arc<dyn Halt>>,
    /// How long it may take to end.
    pub(crate) grace: Duration,
    /// Cancelled when everything is over and stored.
    pub(crate) done: CancellationToken,
    /// How far it is, and how often a person has said something.
    pub(crate) progress: watch::Sender<Option<Value>>,
    pub(crate) inputs: watch::Sender<u64>,
    activity: Mutex<Activity>,
    /// Of everything that was said in it, as far as its journal was read and written here.
    label: Mutex<Label>,
    ending: watch::Sender<Option<Ending>>,
}

/// What changes too often to be stored each time.
#[derive(Debug)]
struct Activity {
    /// Used before this daemon took the session.
    tokens_before: Tokens,
    usage: Usage,
    last_output: Option<String>,
    exit: Option<Exit>,
    sign_of_life: Instant,
}

/// Input and output tokens since the session was started here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    pub(crate) input_tokens: Tokens,
    pub(crate) output_tokens: Tokens,
}

impl Live {
    pub(crate) fn new(session: Session, grace: Duration) -> Self {
        let activity = Activity {
            tokens_before: session.metrics.tokens_used,
            usage: Usage::default(),
            last_output: session.last_output.clone(),
            exit: None,
            sign_of_life: Instant::now(),
        };
        Self {
            record: tokio::sync::Mutex::new(session),
            halt: OnceLock::new(),
            grace,
            done: CancellationToken::new(),
            progress: watch::Sender::new(None),
            inputs: watch::Sender::new(0),
            activity: Mutex::new(activity),
            label: Mutex::new(Label::USER),
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

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending.borrow().clone()
    }

    /// The next ending with less grace than that.
    pub(crate) async fn asked_to_end_within(&self, grace: Duration) -> Ending {
        let is_sooner = |ending: &Option<Ending>| ending.as_ref().is_some_and(|ending| ending.grace < grace);
        let mut endings = self.ending.subscribe();
        let ending = endings.wait_for(is_sooner).await.ok().and_then(|ending| ending.clone());
        match ending {
            Some(ending) => ending,
            None => std::future::pending().await,
        }
    }

    /// What was said belongs to it from now on.
    pub(crate) fn heard<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        let mut label = self.label.lock().unwrap_or_else(PoisonError::into_inner);
        *label = entries.into_iter().filter_map(Entry::label).fold(*label, Label::join);
    }

    pub(crate) fn label(&self) -> Label {
        *self.label.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_usage(&self, input: Tokens, output: Tokens) {
        let mut activity = self.activity();
        activity.usage.input_tokens += input;
        activity.usage.output_tokens += output;
    }

    pub(crate) fn usage(&self) -> Usage {
        self.activity().usage
    }

    pub(crate) fn set_last_output(&self, text: &str) {
        self.activity().last_output = Some(text.chars().take(500).collect());
    }

    pub(crate) fn set_exit(&self, exit: Exit) {
        self.activity().exit = Some(exit);
    }

    pub(crate) fn sign_of_life(&self) {
        self.activity().sign_of_life = Instant::now();
    }

    pub(crate) fn last_sign_of_life(&self) -> Instant {
        self.activity().sign_of_life
    }

    pub(crate) async fn is_paused(&self) -> bool {
        self.record.lock().await.state.status() == Status::Paused
    }

    /// Brings a session up to date with what is not stored yet.
    pub(crate) fn overlay(&self, session: &mut Session) {
        let activity = self.activity();
        let Usage { input_tokens, output_tokens } = activity.usage;
        session.metrics.tokens_used = activity.tokens_before + input_tokens + output_tokens;
        session.last_output.clone_from(&activity.last_output);
        session.exit = activity.exit.or(session.exit);
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Table(Mutex<HashMap<(OrgId, SessionId), Arc<Live>>>);

impl Table {
    pub(crate) fn get(&self, org: OrgId, id: SessionId) -> Option<Arc<Live>> {
        self.entries().get(&(org, id)).cloned()
    }

    pub(crate) fn all(&self) -> Vec<(SessionId, Arc<Live>)> {
        self.entries().iter().map(|((_, id), live)| (*id, live.clone())).collect()
    }

    /// Those of an organisation, or with `None` all.
    pub(crate) fn of(&self, whose: Option<OrgId>) -> Vec<(OrgId, Arc<Live>)> {
        let entries = self.entries();
        let wanted = entries.iter().filter(|((org, _), _)| whose.is_none_or(|whose| whose == *org));
        wanted.map(|((org, _), live)| (*org, live.clone())).collect()
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
