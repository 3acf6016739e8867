use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_vocab::{Clock, Timestamp};
use tokio::sync::watch;

use crate::{Health, State};

/// Whether Redis is used at this moment, and what has happened since the start.
pub(crate) struct Circuit {
    clock: Arc<dyn Clock>,
    is_up: AtomicBool,
    story: Mutex<Story>,
    states: watch::Sender<State>,
    pub(crate) counts: Counts,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) events_sent: AtomicU64,
    pub(crate) events_received: AtomicU64,
    pub(crate) events_not_sent: AtomicU64,
    pub(crate) pieces_sent: AtomicU64,
    pub(crate) pieces_received: AtomicU64,
    pub(crate) pieces_dropped: AtomicU64,
}

struct Story {
    state: State,
    since: Timestamp,
    outages: u64,
    last_error: Option<String>,
}

pub(crate) fn add(count: &AtomicU64, more: usize) {
    count.fetch_add(more as u64, Ordering::Relaxed);
}

impl Circuit {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let story = Story { state: State::Connecting, since: clock.now(), outages: 0, last_error: None };
        let states = watch::Sender::new(State::Connecting);
        Self { clock, is_up: AtomicBool::new(false), story: Mutex::new(story), states, counts: Counts::default() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// Whether that ends an outage.
    pub(crate) fn close(&self) -> bool {
        let mut story = self.story();
        let was_down = story.state == State::Down;
        story.state = State::Up;
        story.since = self.clock.now();
        drop(story);
        self.is_up.store(true, Ordering::Release);
        self.states.send_replace(State::Up);
        tracing::info!("Redis is reachable: events reach other daemons through it");
        was_down
    }

    /// Logged once per outage, however often it is tried again in between.
    pub(crate) fn open(&self, error: &(dyn std::error::Error + 'static)) {
        self.is_up.store(false, Ordering::Release);
        let text = chain(error);
        let mut story = self.story();
        let is_new = story.state != State::Down;
        if is_new {
            story.state = State::Down;
            story.since = self.clock.now();
            story.outages += 1;
        }
        story.last_error = Some(text.clone());
        drop(story);
        if is_new {
            self.states.send_replace(State::Down);
            tracing::warn!(error = %text, "Redis is not reachable: events reach other daemons through the database");
        }
    }

    /// It was told to stop: not an outage.
    pub(crate) fn end(&self) {
        self.is_up.store(false, Ordering::Release);
    }

    pub(crate) fn states(&self) -> watch::Receiver<State> {
        self.states.subscribe()
    }

    pub(crate) fn health(&self) -> Health {
        let story = self.story();
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Health {
            state: story.state,
            since: story.since,
            outages: story.outages,
            last_error: story.last_error.clone(),
            events_sent: get(&self.counts.events_sent),
            events_received: get(&self.counts.events_received),
            events_not_sent: get(&self.counts.events_not_sent),
            pieces_sent: get(&self.counts.pieces_sent),
            pieces_received: get(&self.counts.pieces_received),
            pieces_dropped: get(&self.counts.pieces_dropped),
        }
    }

    fn story(&self) -> std::sync::MutexGuard<'_, Story> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
