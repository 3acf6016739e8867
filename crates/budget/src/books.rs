//! The arithmetic of the ledger: what a command does to an organisation's counters and reservations. No I/O: a store loads
//! what a command touches, lets this run, and keeps what it changed.

use std::collections::{BTreeMap, BTreeSet};

use orchestrator_events::NewEvent;
use orchestrator_transcript::Usage;
use orchestrator_vocab::{OrgId, Timestamp};

use crate::{
    Amount, Counter, CounterKey, Error, Limit, LimitStatus, Policy, Refusal, Reservation, Settlement, Share, Spending,
    SpendingId, Window, event,
};

/// Something to be done to the ledger of one organisation, all of it or nothing.
#[expect(clippy::large_enum_variant, reason = "most are of the large kind, and each is moved once or twice")]
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Puts aside what a request may cost, in every scope and window, if every limit allows it. The same id again changes nothing.
    Reserve(Reservation),
    /// Raises a reservation to this, if every limit allows it.
    TopUp {
        /// Which.
        id: SpendingId,
        /// What the answer is expected to use now.
        expected: Usage,
        /// What is to be put aside.
        amount: Amount,
    },
    /// Takes what was put aside back, and what was used out of it: always possible, also beyond a limit.
    Settle {
        /// Which.
        id: SpendingId,
        /// What it came to.
        settlement: Settlement,
    },
    /// Takes what was put aside back. Nothing was used.
    Release {
        /// Which.
        id: SpendingId,
    },
    /// Notes whether a limit is spent too fast to last, and tells of it once when it begins.
    Note(Box<Burn>),
}

/// How fast a limit is spent.
#[derive(Debug, Clone, PartialEq)]
pub struct Burn {
    /// Where its spending is added up.
    pub key: CounterKey,
    /// How it stands.
    pub status: LimitStatus,
}

/// What a command came to.
#[expect(clippy::large_enum_variant, reason = "most are of the large kind, and each is moved once or twice")]
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It is settled, and this is kept.
    Settled(Spending),
    /// A limit is in the way.
    Refused(Box<Refusal>),
    /// There is no such reservation.
    Gone,
}

/// What a command is judged by.
#[derive(Debug, Clone)]
pub(crate) struct Judge<'p> {
    pub(crate) org: OrgId,
    pub(crate) policy: &'p Policy,
    pub(crate) now: Timestamp,
}

/// What is known of one organisation, all of it or what some commands touch.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) counters: BTreeMap<CounterKey, Counter>,
    pub(crate) reservations: BTreeMap<SpendingId, Reservation>,
    /// Limits that were set by an operation.
    pub(crate) limits: Vec<Limit>,
    pub(crate) changes: Changes,
}

/// What has to be written.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) counters: BTreeSet<CounterKey>,
    pub(crate) reservations: BTreeSet<SpendingId>,
    pub(crate) spendings: Vec<Spending>,
    pub(crate) events: Vec<NewEvent>,
}

impl Command {
    /// The reservation it is about, if it is about one.
    pub fn id(&self) -> Option<SpendingId> {
        match self {
            Self::Reserve(reservation) => Some(reservation.id),
            Self::TopUp { id, .. } | Self::Settle { id, .. } | Self::Release { id } => Some(*id),
            Self::Note(_) => None,
        }
    }
}

impl Outcome {
    pub(crate) fn into_result(self) -> Result<Option<Spending>, Error> {
        match self {
            Self::Done => Ok(None),
            Self::Settled(spending) => Ok(Some(spending)),
            Self::Refused(refusal) => Err(Error::Exhausted(refusal)),
            Self::Gone => Err(Error::NoReservation),
        }
    }
}

impl Books {
    pub(crate) fn apply(&mut self, judge: &Judge<'_>, command: &Command) -> Outcome {
        match command {
            Command::Reserve(reservation) => self.reserve(judge, reservation),
            Command::TopUp { id, expected, amount } => self.top_up(judge, *id, *expected, *amount),
            Command::Settle { id, settlement } => match self.take(*id) {
                Some(reservation) => self.settle(judge, reservation, settlement),
                None => Outcome::Gone,
            },
            Command::Release { id } => match self.take(*id) {
                Some(_) => Outcome::Done,
                None => Outcome::Gone,
            },
            Command::Note(burn) => self.note(judge, burn),
        }
    }

    fn note(&mut self, judge: &Judge<'_>, burn: &Burn) -> Outcome {
        let is_burning = burn.status.pace.burning;
        let counter = self.counters.entry(burn.key.clone()).or_default();
        if counter.burning != is_burning {
            counter.burning = is_burning;
            self.changes.counters.insert(burn.key.clone());
            self.changes.events.extend(is_burning.then(|| event::burning(judge, burn)));
        }
        Outcome::Done
    }

    fn reserve(&mut self, judge: &Judge<'_>, reservation: &Reservation) -> Outcome {
        if self.reservations.contains_key(&reservation.id) {
            return Outcome::Done;
        }
        let keys = reservation.keys();
        if let Some(refusal) = self.refusal(judge, &keys, reservation.amount) {
            return self.refuse(judge, refusal, reservation);
        }
        self.put_aside(&keys, reservation.amount);
        self.changes.reservations.insert(reservation.id);
        self.reservations.insert(reservation.id, reservation.clone());
        Outcome::Done
    }

    fn top_up(&mut self, judge: &Judge<'_>, id: SpendingId, expected: Usage, amount: Amount) -> Outcome {
        let Some(reservation) = self.reservations.get(&id) else { return Outcome::Gone };
        let more = amount.without(reservation.amount);
        let keys = reservation.keys();
        if let Some(refusal) = self.refusal(judge, &keys, more) {
            let reservation = reservation.clone();
            return self.refuse(judge, refusal, &reservation);
        }
        self.put_aside(&keys, more);
        if let Some(reservation) = self.reservations.get_mut(&id) {
            reservation.amount += more;
            reservation.expected = expected;
            self.changes.reservations.insert(id);
        }
        Outcome::Done
    }

    fn put_aside(&mut self, keys: &[(CounterKey, Window)], amount: Amount) {
        for (key, _) in keys {
            let counter = self.counters.entry(key.clone()).or_default();
            counter.reserved += amount;
            counter.exhausted = false;
            self.changes.counters.insert(key.clone());
        }
    }

    /// Takes a reservation out of every counter.
    fn take(&mut self, id: SpendingId) -> Option<Reservation> {
        let reservation = self.reservations.remove(&id)?;
        self.changes.reservations.insert(id);
        for (key, _) in reservation.keys() {
            let counter = self.counters.entry(key.clone()).or_default();
            counter.reserved = counter.reserved.without(reservation.amount);
            self.changes.counters.insert(key);
        }
        Some(reservation)
    }

    fn settle(&mut self, judge: &Judge<'_>, reservation: Reservation, settlement: &Settlement) -> Outcome {
        for (key, window) in reservation.keys() {
            self.counters.entry(key.clone()).or_default().spent += settlement.amount;
            self.warn(judge, &key, window);
        }
        let spending = reservation.settled(settlement);
        self.changes.spendings.push(spending.clone());
        Outcome::Settled(spending)
    }

    /// Of the limits that are in the way, that which is so longest; of those, the narrowest.
    fn refusal(
        &self,
        judge: &Judge<'_>,
        keys: &[(CounterKey, Window)],
        wanted: Amount,
    ) -> Option<(Refusal, CounterKey)> {
        let mut found: Option<(Refusal, CounterKey)> = None;
        for limit in judge.policy.in_force(judge.org, &self.limits, judge.now) {
            for (key, window) in
                keys.iter().filter(|(key, _)| key.span == limit.window && limit.scope.covers(&key.scope))
            {
                let counter = self.counters.get(key).copied().unwrap_or_default();
                if limit.allows(counter.used() + wanted) {
                    continue;
                }
                let refusal = Refusal {
                    limit: limit.clone(),
                    scope: key.scope.clone(),
                    spent: counter.spent,
                    reserved: counter.reserved,
                    wanted,
                    resets_at: window.end,
                };
                // What never fits is in the way for ever.
                let rank = |refusal: &Refusal| (!refusal.is_temporary(), refusal.resets_at, refusal.scope.kind());
                if found.as_ref().is_none_or(|(other, _)| rank(other) < rank(&refusal)) {
                    found = Some((refusal, key.clone()));
                }
            }
        }
        found
    }

    /// Told once, until something is let through again.
    fn refuse(&mut self, judge: &Judge<'_>, (refusal, key): (Refusal, CounterKey), asked: &Reservation) -> Outcome {
        let counter = self.counters.entry(key.clone()).or_default();
        if !counter.exhausted {
            counter.exhausted = true;
            self.changes.counters.insert(key);
            self.changes.events.push(event::exhausted(judge, &refusal, &asked.spender));
        }
        Outcome::Refused(Box::new(refusal))
    }

    /// Told once, until much less is spent of the limit: because it was raised, since what is spent stays so.
    fn warn(&mut self, judge: &Judge<'_>, key: &CounterKey, window: Window) {
        let Some(counter) = self.counters.get_mut(key) else { return };
        let covering = judge
            .policy
            .in_force(judge.org, &self.limits, judge.now)
            .filter(|limit| limit.window == key.span && limit.scope.covers(&key.scope));
        let Some((permille, limit)) =
            covering.map(|limit| (limit.used_permille(counter.spent), limit)).max_by_key(|(permille, _)| *permille)
        else {
            return;
        };
        let is_told = |from: Option<Share>, was: bool| match from {
            Some(share) => share.is_reached(permille) || (was && !share.is_left(permille)),
            None => was,
        };
        let before = *counter;
        counter.alerted = is_told(judge.policy.alert_at, before.alerted);
        counter.degraded = is_told(judge.policy.degrade_at, before.degraded);
        let news = [
            ("budget.alert", counter.alerted && !before.alerted),
            ("budget.degraded", counter.degraded && !before.degraded),
        ];
        for (name, _) in news.into_iter().filter(|(_, is_new)| *is_new) {
            self.changes.events.push(event::spent(judge, name, limit, key, counter, permille, window));
        }
    }
}
