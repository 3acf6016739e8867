use std::collections::VecDeque;
use std::sync::Arc;

use orchestrator_vocab::OrgId;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::hub::Place;
use crate::queue::{Next, Queue};
use crate::{Error, Event, Filter, Log, Transient};

/// How many events are read from the log at once while catching up.
const PAGE: usize = 256;

/// Why something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GapReason {
    /// Live-only pieces came faster than they were read.
    SlowReader,
    /// The events were removed from the log before they were read.
    Trimmed,
    /// They are more, or older, than a window keeps for a subscriber that is away.
    Window,
    /// Live-only pieces of other processes may be missing, because what carries them was down. The count is of those that
    /// are known to be; 0 if nobody knows.
    Relay,
}

/// Says what a subscriber did not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The first missing number, for stored events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The last missing number, for stored events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// How many are missing, before the filter is applied.
    pub count: u64,
    /// Why.
    pub reason: GapReason,
}

/// What a subscriber gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// A stored event; numbers only ever rise.
    Event(Arc<Event>),
    /// Something live only.
    Transient(Arc<Transient>),
    /// Something is missing here.
    Gap(Gap),
}

/// One subscriber's side of a [`Hub`](crate::Hub). Dropping it ends the subscription.
pub struct Subscription {
    org: OrgId,
    filter: Arc<Filter>,
    log: Arc<dyn Log>,
    queue: Arc<Queue>,
    cursor: u64,
    page: VecDeque<Delivery>,
    /// To be sent again, because nobody has acknowledged it in time.
    again: VecDeque<Delivery>,
    /// Its place among the hub's subscribers, until it is dropped.
    _place: Place,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("org", &self.org).field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl Subscription {
    pub(crate) fn new(filter: Arc<Filter>, log: Arc<dyn Log>, queue: Arc<Queue>, cursor: u64, place: Place) -> Self {
        let (page, again) = (VecDeque::new(), VecDeque::new());
        Self { org: place.org(), filter, log, queue, cursor, page, again, _place: place }
    }

    /// Says first of all that this is missing.
    pub(crate) fn after_gap(mut self, gap: Gap) -> Self {
        self.page.push_back(Delivery::Gap(gap));
        self
    }

    /// The next thing, waiting for it if need be. Cancel-safe: dropping the future loses nothing.
    ///
    /// An error means that the log could not be read; calling again tries again from the same place.
    pub async fn next(&mut self) -> Result<Delivery, Error> {
        loop {
            if let Some(delivery) = self.pop_again() {
                return Ok(delivery);
            }
            let (due, due_at) = self.queue.due();
            if !due.is_empty() {
                self.read_again(due).await?;
                continue;
            }
            if !self.page.is_empty() && !self.queue.is_full() {
                return Ok(self.pop_page());
            }
            match self.queue.next(self.cursor) {
                Next::Deliver(delivery) => {
                    if let Delivery::Event(event) = &delivery {
                        self.cursor = event.seq;
                    }
                    return Ok(delivery);
                }
                Next::ReadLog => self.read_page().await?,
                Next::Wait => self.wait(due_at).await,
            }
        }
    }

    async fn wait(&self, due_at: Option<Instant>) {
        let filled = self.queue.filled.notified();
        match due_at {
            None => filled.await,
            Some(at) => {
                let _ = timeout_at(at, filled).await;
            }
        }
    }

    fn pop_page(&mut self) -> Delivery {
        let delivery = self.page.pop_front().expect("the caller has looked");
        self.queue.handed(&delivery, !self.page.is_empty());
        delivery
    }

    /// What is due and was not acknowledged since.
    fn pop_again(&mut self) -> Option<Delivery> {
        loop {
            let delivery = self.again.pop_front()?;
            match &delivery {
                Delivery::Event(event) if !self.queue.awaits(event.seq) => {}
                _ => {
                    self.queue.handed(&delivery, !self.page.is_empty());
                    return Some(delivery);
                }
            }
        }
    }

    /// Reads the first of these numbers, and those near it, from the log once more.
    async fn read_again(&mut self, due: Vec<u64>) -> Result<(), Error> {
        let Some(first) = due.first() else { return Ok(()) };
        let events = self.log.read(self.org, first - 1, PAGE).await?;
        let last = if events.len() < PAGE { u64::MAX } else { events.last().map_or(u64::MAX, |event| event.seq) };
        for seq in due.into_iter().take_while(|seq| *seq <= last) {
            match events.binary_search_by_key(&seq, |event| event.seq) {
                Ok(at) => self.again.push_back(Delivery::Event(events[at].clone())),
                Err(_) => {
                    self.queue.forget(seq);
                    let gap = Gap { from: Some(seq), to: Some(seq), count: 1, reason: GapReason::Trimmed };
                    self.again.push_back(Delivery::Gap(gap));
                }
            }
        }
        Ok(())
    }

    /// Whether each event has to be acknowledged, and is sent again until it is.
    pub fn requires_acknowledgement(&self) -> bool {
        self.queue.requires_acknowledgement()
    }

    /// Where its progress is noted, for the writer at the other end and for the subscriber's window.
    pub fn progress(&self) -> Progress {
        Progress(self.queue.clone())
    }

    /// What it asks for.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The last number that was delivered or passed over: where to resume after.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    async fn read_page(&mut self) -> Result<(), Error> {
        let events = self.log.read(self.org, self.cursor, PAGE).await?;
        if events.is_empty() {
            // Either all was read, or what was announced has been trimmed away since.
            let announced = self.queue.announced();
            if !self.queue.caught_up(self.cursor, false)
                && announced > self.cursor
                && self.log.read(self.org, self.cursor, 1).await?.is_empty()
            {
                self.pass_over(announced);
                self.queue.caught_up(self.cursor, true);
            }
            return Ok(());
        }
        for event in events {
            if event.seq > self.cursor + 1 {
                self.pass_over(event.seq - 1);
            }
            self.cursor = event.seq;
            if self.filter.matches(&event.name, &event.payload) {
                self.page.push_back(Delivery::Event(event));
            }
        }
        self.queue.caught_up(self.cursor, !self.page.is_empty());
        Ok(())
    }

    fn pass_over(&mut self, to: u64) {
        let gap =
            Gap { from: Some(self.cursor + 1), to: Some(to), count: to - self.cursor, reason: GapReason::Trimmed };
        self.page.push_back(Delivery::Gap(gap));
        self.cursor = to;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// How far a subscriber is. A cheap handle that may outlive the [`Subscription`].
#[derive(Debug, Clone)]
pub struct Progress(pub(crate) Arc<Queue>);

impl Progress {
    /// Notes that everything up to this number was written to the subscriber: what it is not asked to acknowledge counts
    /// as delivered from here on.
    pub fn written(&self, seq: u64) {
        self.0.written(seq);
    }

    /// The subscriber is not told of this event after all, so it need not be acknowledged.
    pub fn withdraw(&self, seq: u64) {
        self.0.forget(seq);
    }
}
