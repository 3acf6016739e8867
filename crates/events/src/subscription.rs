use std::collections::VecDeque;
use std::sync::Arc;

use orchestrator_vocab::OrgId;
use serde::Serialize;

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
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("org", &self.org).field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl Subscription {
    pub(crate) fn new(org: OrgId, filter: Arc<Filter>, log: Arc<dyn Log>, queue: Arc<Queue>, cursor: u64) -> Self {
        Self { org, filter, log, queue, cursor, page: VecDeque::new() }
    }

    /// The next thing, waiting for it if need be. Cancel-safe: dropping the future loses nothing.
    ///
    /// An error means that the log could not be read; calling again tries again from the same place.
    pub async fn next(&mut self) -> Result<Delivery, Error> {
        loop {
            if let Some(delivery) = self.page.pop_front() {
                return Ok(delivery);
            }
            match self.queue.next(self.cursor) {
                Next::Deliver(delivery) => {
                    if let Delivery::Event(event) = &delivery {
                        self.cursor = event.seq;
                    }
                    return Ok(delivery);
                }
                Next::ReadLog => self.read_page().await?,
                Next::Wait => self.queue.filled.notified().await,
            }
        }
    }

    /// The last number that was delivered or passed over: where to resume after.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    async fn read_page(&mut self) -> Result<(), Error> {
        let events = self.log.read(self.org, self.cursor, PAGE).await?;
        if events.is_empty() {
            // Either all was read, or what was offered has been trimmed away since.
            let offered = self.queue.offered();
            if !self.queue.caught_up(self.cursor)
                && offered > self.cursor
                && self.log.read(self.org, self.cursor, 1).await?.is_empty()
            {
                self.pass_over(offered);
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
        self.queue.caught_up(self.cursor);
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
