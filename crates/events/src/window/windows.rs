use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_vocab::{Clock, OrgId, Timestamp};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::config::{InvalidWindowsConfig, WindowsConfig};
use super::held::Held;
use super::store::{Bounds, Definition, Record, WindowId, WindowStore};
use super::token::Tokens;
use super::trim::{Standing, Trim};
use super::{Restored, Window};
use crate::hub::Start;
use crate::ledger::Ledger;
use crate::{Error, Filter, Gap, Hub, Order, Part, Query};

/// How many events are looked at at once, and in all, to find what a window has to give up.
const PAGE: usize = 512;
const LOOKED_AT_MAX: usize = 100_000;
/// How often forgotten windows are looked for, and how many go at once.
const CLEAN_EVERY: Duration = Duration::from_secs(600);
const CLEANED_AT_ONCE: usize = 1_000;

/// Windows of subscribers that may go away and come back. Cheap to clone; all clones are one.
///
/// A window is a position, not a copy: what it holds is read from the log when its subscriber is there again.
#[derive(Clone)]
pub struct Windows(Arc<Shared>);

pub(super) struct Shared {
    pub(super) hub: Hub,
    pub(super) store: Arc<dyn WindowStore>,
    pub(super) clock: Arc<dyn Clock>,
    config: WindowsConfig,
    tokens: Tokens,
    held: Mutex<HashMap<WindowId, Arc<Held>>>,
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Windows").field("held", &self.0.held().len()).finish_non_exhaustive()
    }
}

impl Windows {
    /// Windows over a hub, kept in a store, with tokens signed by a key that is derived from `secret`.
    ///
    /// # Errors
    /// A bound is out of its range.
    pub fn new(
        hub: Hub,
        store: Arc<dyn WindowStore>,
        secret: &[u8],
        clock: Arc<dyn Clock>,
        config: WindowsConfig,
    ) -> Result<Self, InvalidWindowsConfig> {
        config.validate()?;
        let tokens = Tokens::new(secret);
        Ok(Self(Arc::new(Shared { hub, store, clock, config, tokens, held: Mutex::default() })))
    }

    /// A new window for a subscriber that just arrived. It is stored with its first subscription.
    pub fn open(&self, org: OrgId, subject: &str) -> Window {
        self.0.hold(Held::fresh(org, subject))
    }

    /// The window of a subscriber that comes back, with its subscriptions in the order they were made.
    ///
    /// `None` for every token that does not count: one that nobody made, one of another organisation or subject, one whose
    /// window was too long without its subscriber. Whoever has the window now, here or at another daemon, loses it.
    ///
    /// # Errors
    /// The store or the log failed; the token is as good as before.
    pub async fn resume(
        &self,
        org: OrgId,
        subject: &str,
        token: &str,
    ) -> Result<Option<(Window, Vec<Restored>)>, Error> {
        let shared = &self.0;
        let Some(id) = shared.tokens.check(token, org, subject) else { return Ok(None) };
        let now = shared.clock.now();
        let holder = shared.held().remove(&id);
        if let Some(holder) = holder {
            holder.lost.cancel();
            shared.store.save(holder.last(now).into_iter().collect()).await?;
        }
        let since = now - shared.config.age_max();
        let Some(record) = shared.store.take(org, subject, id, since, now).await? else { return Ok(None) };
        let gaps = self.gaps(&record, since).await?;
        let restored = record.standings().into_iter().zip(gaps);
        let restored: Vec<_> = restored
            .filter_map(|((definition, position), gap)| self.restore(&record, definition, position, gap))
            .collect();
        let entries =
            restored.iter().map(|(definition, restored)| (definition.clone(), restored.subscription.progress()));
        let held = Held::taken(record, entries.collect());
        Ok(Some((shared.hold(held), restored.into_iter().map(|(_, restored)| restored).collect())))
    }

    fn restore(
        &self,
        record: &Record,
        definition: Definition,
        position: u64,
        gap: Option<Gap>,
    ) -> Option<(Definition, Restored)> {
        let filter = Part::filter_of(&definition.parts).ok()?;
        let ledger = self.0.ledger(definition.requires_ack);
        let start = Start { gap, ledger, ..Start::after(position) };
        let subscription = self.0.hub.attach(record.org, filter, start);
        let restored = Restored { id: definition.id.clone(), parts: definition.parts.clone(), subscription };
        Some((definition, restored))
    }

    /// What of the missed events is more than a window keeps, by subscription.
    async fn gaps(&self, record: &Record, not_before: Timestamp) -> Result<Vec<Option<Gap>>, Error> {
        let standings = record.standings();
        let Some(lowest) = standings.iter().map(|(_, position)| *position).min() else { return Ok(Vec::new()) };
        let log = self.0.hub.log();
        let missed = log.head(record.org).await?.saturating_sub(lowest);
        let oldest = log.read(record.org, lowest, 1).await?;
        let is_old = oldest.first().is_some_and(|event| event.time < not_before);
        let events_max = self.0.config.events_max;
        if !is_old && missed <= events_max as u64 {
            return Ok(vec![None; standings.len()]);
        }
        let standings = standings.into_iter().map(|(definition, position)| Standing {
            position,
            filter: Arc::new(Part::filter_of(&definition.parts).unwrap_or_else(|_| Filter::everything())),
        });
        let mut trim = Trim::new(standings.collect(), events_max, not_before);
        let (mut before, mut looked_at) = (None, 0);
        while looked_at < LOOKED_AT_MAX {
            let query = Query { after: Some(lowest), before, order: Order::NewestFirst, limit: PAGE, subject: None };
            let page = log.query(record.org, query).await?;
            page.iter().for_each(|event| trim.look_at(event));
            looked_at += page.len();
            before = page.last().map(|event| event.seq);
            if page.len() < PAGE {
                break;
            }
        }
        Ok(trim.gaps())
    }

    /// Writes positions as they change, notices windows that another daemon has taken, and removes forgotten ones, until
    /// `stop`.
    ///
    /// # Errors
    /// The store failed; run it again.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        let mut ticks = tokio::time::interval(self.0.config.save_every());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut clean_at = Instant::now();
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.save().await?;
            self.find_lost().await?;
            if clean_at <= Instant::now() {
                self.clean().await?;
                clean_at = Instant::now() + CLEAN_EVERY;
            }
        }
        self.save().await
    }

    async fn save(&self) -> Result<(), Error> {
        let now = self.0.clock.now();
        let held: Vec<_> = self.0.held().values().cloned().collect();
        for held in &held {
            if let Some(version) = held.ahead_of_store() {
                self.0.store(held, version).await?;
            }
        }
        let (moved, bookmarks): (Vec<_>, Vec<_>) =
            held.iter().filter_map(|held| Some((held, held.moved(now)?))).unzip();
        let saved = self.0.store.save(bookmarks).await;
        if saved.is_err() {
            moved.into_iter().for_each(|held| held.not_saved());
        }
        saved
    }

    async fn find_lost(&self) -> Result<(), Error> {
        let held: Vec<_> = self.0.held().values().filter(|held| held.is_stored()).cloned().collect();
        if held.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = held.iter().map(|held| held.id).collect();
        let generations: HashMap<_, _> = self.0.store.generations(&ids).await?.into_iter().collect();
        for held in held {
            match generations.get(&held.id) {
                Some(generation) if *generation != held.generation() => held.lost.cancel(),
                Some(_) => {}
                None => held.gone(),
            }
        }
        Ok(())
    }

    async fn clean(&self) -> Result<(), Error> {
        let before = self.0.clock.now() - self.0.config.age_max();
        while self.0.store.remove_unseen(before, CLEANED_AT_ONCE).await? == CLEANED_AT_ONCE as u64 {}
        Ok(())
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, HashMap<WindowId, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(self: &Arc<Self>, held: Held) -> Window {
        let held = Arc::new(held);
        let mut all = self.held();
        match all.get(&held.id) {
            // Two came back with one token at once; the store has decided.
            Some(other) if other.generation() > held.generation() => held.lost.cancel(),
            _ => {
                if let Some(other) = all.insert(held.id, held.clone()) {
                    other.lost.cancel();
                }
            }
        }
        drop(all);
        Window::new(self.clone(), held)
    }

    /// Makes this version of the subscriptions durable. Those that wait for the same writing share it.
    pub(super) async fn store(&self, held: &Held, version: u64) -> Result<(), Error> {
        let _turn = held.writing.lock().await;
        let Some((record, version)) = held.unstored(version, self.clock.now()) else { return Ok(()) };
        if self.store.put(record.clone(), self.bounds()).await? {
            held.stored(&record, version);
        } else {
            held.lost.cancel();
        }
        Ok(())
    }

    pub(super) fn release(&self, held: &Arc<Held>) {
        let mut all = self.held();
        if all.get(&held.id).is_some_and(|other| Arc::ptr_eq(other, held)) {
            all.remove(&held.id);
        }
    }

    pub(super) fn ledger(&self, requires_ack: bool) -> Option<Ledger> {
        requires_ack.then(|| Ledger::new(self.config.redeliver_after(), self.config.events_max))
    }

    fn bounds(&self) -> Bounds {
        Bounds { per_subject: self.config.per_subject_max, per_org: self.config.per_org_max }
    }

    pub(super) fn token(&self, held: &Held) -> String {
        self.tokens.issue(held.id, held.org, &held.subject)
    }
}
