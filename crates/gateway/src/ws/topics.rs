use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;
use futures::stream;
use orchestrator_events::{self as events, Delivery, Filter, Subscription};
use orchestrator_rpc::Error;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::source::Source;
use super::subscriptions::{Handed, next};

/// The most patterns of one subscription, as many as one filter may have.
const PATTERNS_MAX: usize = 64;

/// From this version on, patterns were added or taken away.
const ADDED_TO: u64 = 2;

/// The patterns of a subscription, which may change while it is open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    parts: Vec<Part>,
    /// Raised with each change.
    version: u64,
}

/// One pattern, wanted of what has a number above its `since`.
#[derive(Debug, Clone)]
struct Part {
    part: events::Part,
    filter: Filter,
}

impl Topics {
    /// Patterns that were asked for before.
    pub(crate) fn restored(parts: Vec<events::Part>) -> Self {
        let parts = parts.into_iter().filter_map(|part| Some(Part { filter: part.filter().ok()?, part })).collect();
        // Each may have been added at another time: the subscription alone is not exact.
        let state = State { parts, version: ADDED_TO };
        Self(Arc::new(Inner { state: Mutex::new(state), changed: Notify::new() }))
    }

    /// Adds patterns; those that are there already stay as they are.
    pub(crate) fn add(&self, events: &[String], fields: &Map<String, Value>, since: u64) -> Result<(), Error> {
        let invalid = |error: &dyn std::fmt::Display| Error::invalid_field("events", error);
        // As a whole, for their number.
        Filter::parse(events).map_err(|error| invalid(&error))?;
        let mut state = self.state();
        let mut parts = state.parts.clone();
        for pattern in events {
            if parts.iter().any(|known| known.part.pattern == *pattern) {
                continue;
            }
            let part = events::Part { pattern: pattern.clone(), fields: fields.clone(), since };
            let filter = part.filter().map_err(|error| invalid(&error))?;
            parts.push(Part { part, filter });
        }
        if parts.len() > PATTERNS_MAX {
            return Err(invalid(&format_args!("a subscription has at most {PATTERNS_MAX} patterns")));
        }
        state.parts = parts;
        self.change(state);
        Ok(())
    }

    /// Takes patterns away, all of them or none. Whether any are left.
    pub(crate) fn remove(&self, events: &[String]) -> Result<bool, Error> {
        let mut state = self.state();
        let known = |event: &String| state.parts.iter().any(|known| known.part.pattern == *event);
        if let Some(unknown) = events.iter().find(|event| !known(event)) {
            return Err(Error::not_found(format!("not subscribed to `{unknown}`")).with_field("events"));
        }
        state.parts.retain(|known| !events.contains(&known.part.pattern));
        let left = !state.parts.is_empty();
        self.change(state);
        Ok(left)
    }

    pub(crate) fn patterns(&self) -> Vec<String> {
        self.state().parts.iter().map(|known| known.part.pattern.clone()).collect()
    }

    /// The same as a window remembers them.
    pub(crate) fn parts(&self) -> Vec<events::Part> {
        self.state().parts.iter().map(|known| known.part.clone()).collect()
    }

    /// Whether something was added or taken away since it was opened.
    pub(crate) fn has_changed(&self) -> bool {
        self.state().version >= ADDED_TO
    }

    /// Everything any pattern wants.
    pub(crate) fn filter(&self) -> Option<Filter> {
        self.state().parts.iter().map(|part| part.filter.clone()).reduce(Filter::or)
    }

    /// What the patterns want from now on, of what `subscription` has and of those that take its place.
    pub(crate) fn stream(self, source: Source, subscription: Subscription) -> impl Stream<Item = Handed> + Send {
        let version = self.state().version;
        let at = subscription.cursor();
        let following = Following { topics: self, source, subscription, at, version };
        stream::unfold(following, |mut following| async move { Some((following.next().await, following)) })
    }

    fn change(&self, mut state: MutexGuard<'_, State>) {
        state.version += 1;
        drop(state);
        self.0.changed.notify_one();
    }

    fn wants(&self, delivery: &Delivery) -> bool {
        let state = self.state();
        let mut parts = state.parts.iter();
        match delivery {
            Delivery::Gap(_) => true,
            Delivery::Event(event) => {
                parts.any(|known| known.part.since < event.seq && known.filter.matches(&event.name, &event.payload))
            }
            Delivery::Transient(piece) => parts.any(|known| known.filter.matches(&piece.name, &piece.payload)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Following {
    topics: Topics,
    source: Source,
    subscription: Subscription,
    /// The last number that was delivered.
    at: u64,
    version: u64,
}

impl Following {
    async fn next(&mut self) -> Handed {
        loop {
            self.catch_up();
            let topics = self.topics.clone();
            let handed = tokio::select! {
                biased;
                () = topics.0.changed.notified() => continue,
                handed = next(&mut self.subscription) => handed,
            };
            match &handed.delivery {
                Delivery::Event(event) => self.at = event.seq,
                Delivery::Gap(gap) => self.at = gap.to.unwrap_or(self.at),
                Delivery::Transient(_) => {}
            }
            // As long as nothing was changed, the subscription itself is exact.
            if self.version < ADDED_TO || self.topics.wants(&handed.delivery) {
                return handed;
            }
            handed.passed_over();
        }
    }

    /// Subscribes anew if the patterns have changed: to what comes after the last event that was delivered, so that none
    /// is missed; what is too old for a new pattern is passed over.
    fn catch_up(&mut self) {
        let version = self.topics.state().version;
        if version != self.version
            && let Some(filter) = self.topics.filter()
        {
            self.subscription = self.source.renew(filter, self.at);
            self.version = version;
        }
    }
}
