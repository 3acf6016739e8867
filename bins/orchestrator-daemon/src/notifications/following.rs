use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::{Error, Event};
use orchestrator_vocab::OrgId;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::pending::{Front, Pending};
use super::{Notifications, wording};

/// Events that are read at once.
const PAGE: usize = 256;
/// How often the log is looked at although nobody said that it changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the hold on a destination is renewed.
const HOLD_EVERY: Duration = Duration::from_secs(5);
/// How often it is noted how far was read where nobody had to be told.
const NOTE_EVERY: Duration = Duration::from_secs(30);

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Reads the log for one destination.
pub(super) struct Follower {
    name: String,
    all: Notifications,
    pending: Pending,
    held_at: Option<Instant>,
    noted_at: Instant,
    /// The generation of the log whose heads were asked for, and when.
    seen: Option<(u64, Instant)>,
}

impl Follower {
    pub(super) fn new(name: &str, all: Notifications) -> Self {
        Self {
            name: name.to_owned(),
            all,
            pending: Pending::default(),
            held_at: None,
            noted_at: Instant::now(),
            seen: None,
        }
    }

    /// Hands on what is to be told until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        let mut changed = self.all.hub.log().changed();
        while !stop.is_cancelled() {
            let generation = *changed.borrow_and_update();
            if let Err(error) = self.round(generation, &stop).await {
                // The database may be away for a while: what was read is read again.
                let error: &dyn std::error::Error = &*error;
                tracing::warn!(destination = self.name, error, "the log cannot be followed");
                (self.held_at, self.seen) = (None, None);
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = news(&mut changed) => {}
                () = self.outcome() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        self.leave().await;
        Ok(())
    }

    async fn round(&mut self, generation: u64, stop: &CancellationToken) -> Result<(), Problem> {
        if !self.hold().await? {
            return Ok(());
        }
        let has_news = self.settle();
        for (org, head) in self.heads(generation).await? {
            if !self.read(org, head, stop).await? {
                // The rest is read when there is room for it.
                self.seen = None;
                break;
            }
        }
        if self.settle() || has_news || self.noted_at.elapsed() >= NOTE_EVERY {
            self.note().await?;
        }
        Ok(())
    }

    /// The organisations that may have something new; all of them now and then.
    async fn heads(&mut self, generation: u64) -> Result<Vec<(OrgId, u64)>, Error> {
        let log = self.all.hub.log().clone();
        if let Some((seen, asked_at)) = self.seen.filter(|(_, asked_at)| asked_at.elapsed() < LOOK_EVERY)
            && let Some(heads) = log.heads_since(seen)
        {
            self.seen = Some((generation, asked_at));
            return Ok(heads);
        }
        self.seen = Some((generation, Instant::now()));
        log.heads().await
    }

    /// Whether this daemon is the one that tells it.
    async fn hold(&mut self) -> Result<bool, Problem> {
        if self.held_at.is_some_and(|at| at.elapsed() < HOLD_EVERY) {
            return Ok(true);
        }
        let was_held = self.held_at.take().is_some();
        let heads = if was_held { Vec::new() } else { self.all.hub.log().heads().await? };
        let begun = Instant::now();
        if !self.all.positions.hold(&self.name, &heads).await? {
            return Ok(false);
        }
        if !was_held {
            self.pending = Pending::from(self.all.positions.of(&self.name).await?);
            self.seen = None;
        }
        self.held_at = Some(begun);
        Ok(true)
    }

    /// Hands on what is new in an organisation; false: as much waits as may.
    async fn read(&mut self, org: OrgId, head: u64, stop: &CancellationToken) -> Result<bool, Error> {
        while self.pending.read(org) < head && !stop.is_cancelled() {
            let events = self.all.hub.log().follow(org, self.pending.read(org), PAGE).await?;
            if events.is_empty() {
                break;
            }
            for event in events {
                if !self.hand_on(&event) {
                    return Ok(false);
                }
                self.pending.looked_at(org, event.seq);
            }
        }
        Ok(true)
    }

    fn hand_on(&mut self, event: &Arc<Event>) -> bool {
        let Some(severity) = self.all.routes.of(event).get(self.name.as_str()).copied() else { return true };
        match self.all.notifier.send(&self.name, wording::message(event, severity)) {
            Ok(receipt) => {
                self.pending.handed(event.org, event.seq, receipt);
                true
            }
            Err(_) => false,
        }
    }

    /// Whether something that was handed on has arrived or was given up.
    fn settle(&mut self) -> bool {
        let mut has_news = false;
        loop {
            match self.pending.front() {
                Front::Done => has_news = true,
                Front::Nothing | Front::Open => return has_news,
                Front::Dropped => {
                    // What was not tried is read again.
                    self.held_at = None;
                    return has_news;
                }
            }
        }
    }

    async fn note(&mut self) -> Result<(), orchestrator_sql::Error> {
        let to = self.pending.to_note();
        if !to.is_empty() {
            self.all.positions.advance(&self.name, to.clone()).await?;
            self.pending.noted(to);
        }
        self.noted_at = Instant::now();
        Ok(())
    }

    /// Until it is known what became of what was handed on first.
    async fn outcome(&mut self) {
        match self.pending.front_receipt() {
            Some(receipt) => receipt.settled().await,
            None => std::future::pending().await,
        }
    }

    async fn leave(&mut self) {
        self.settle();
        let left = async {
            self.note().await?;
            self.all.positions.let_go(&self.name).await
        };
        if let Ok(Err(error)) = timeout(LOOK_EVERY, left).await {
            tracing::debug!(destination = self.name, %error, "another daemon tells it a little later");
        }
    }
}

async fn news(changed: &mut tokio::sync::watch::Receiver<u64>) {
    if changed.changed().await.is_err() {
        std::future::pending().await
    }
}
