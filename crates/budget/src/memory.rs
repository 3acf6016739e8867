use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use orchestrator_events::MemoryLog;
use orchestrator_vocab::{AgentId, OrgId, Timestamp};

use crate::books::{Books, Judge};
use crate::{
    Answered, Apply, Counter, CounterKey, CounterQuery, End, Error, Group, Limit, Outcome, Owner, Reservation, Scope,
    ScopeKind, Span, Spending, SpendingId, SpendingQuery, Store, Sum,
};

/// Milliseconds in a quarter of an hour.
const QUARTER: i64 = 900_000;

/// A ledger that lasts as long as the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    log: Arc<MemoryLog>,
    orgs: Mutex<BTreeMap<OrgId, Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    books: Books,
    spendings: BTreeMap<SpendingId, Spending>,
}

impl MemoryStore {
    /// A store that appends its events to `log`.
    pub fn new(log: Arc<MemoryLog>) -> Self {
        Self { log, orgs: Mutex::default() }
    }

    fn orgs(&self) -> MutexGuard<'_, BTreeMap<OrgId, Kept>> {
        self.orgs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, org: OrgId, look: impl FnOnce(&mut Kept) -> R) -> R {
        look(self.orgs().entry(org).or_default())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn apply(&self, apply: Apply) -> Result<Outcome, Error> {
        let Apply { org, command, policy, now } = apply;
        let mut orgs = self.orgs();
        let kept = orgs.entry(org).or_default();
        let outcome = kept.books.apply(&Judge { org, policy: &policy, now }, &command);
        let changes = std::mem::take(&mut kept.books.changes);
        kept.spendings.extend(changes.spendings.into_iter().map(|spending| (spending.id, spending)));
        // Under the lock, so that events are in the order of the changes.
        self.log.append(changes.events);
        Ok(outcome)
    }

    async fn set_limit(&self, org: OrgId, limit: Limit) -> Result<(), Error> {
        self.with(org, |kept| {
            kept.books.limits.retain(|other| !other.replaces(&limit));
            kept.books.limits.push(limit);
        });
        Ok(())
    }

    async fn remove_limit(&self, org: OrgId, scope: Scope, window: Span) -> Result<bool, Error> {
        Ok(self.with(org, |kept| {
            let before = kept.books.limits.len();
            kept.books.limits.retain(|limit| limit.scope != scope || limit.window != window);
            kept.books.limits.len() < before
        }))
    }

    async fn limits(&self, org: OrgId) -> Result<Vec<Limit>, Error> {
        let mut limits = self.with(org, |kept| kept.books.limits.clone());
        limits.sort_by(|a, b| (&a.scope, a.window).cmp(&(&b.scope, b.window)));
        Ok(limits)
    }

    async fn counters(&self, org: OrgId, query: CounterQuery) -> Result<Vec<(CounterKey, Counter)>, Error> {
        let is_wanted = |key: &CounterKey| {
            key.scope.kind() == query.kind
                && query.name.as_ref().is_none_or(|name| key.scope.name() == name)
                && key.span == query.span
                && key.start == query.start
        };
        let mut found: Vec<(CounterKey, Counter)> = self.with(org, |kept| {
            let counters = kept.books.counters.iter().filter(|(key, _)| is_wanted(key));
            counters.map(|(key, counter)| (key.clone(), *counter)).collect()
        });
        found.sort_by_key(|(_, counter)| std::cmp::Reverse(counter.spent.tokens));
        found.truncate(query.limit);
        Ok(found)
    }

    async fn left_behind(&self, owner: &Owner, now: Timestamp, limit: usize) -> Result<Vec<Reservation>, Error> {
        let is_left = |held: &Reservation| {
            (held.owner.node == owner.node && held.owner.epoch < owner.epoch) || held.expires_at < now
        };
        let orgs = self.orgs();
        let held = orgs.values().flat_map(|kept| kept.books.reservations.values());
        Ok(held.filter(|held| is_left(held)).take(limit).cloned().collect())
    }

    async fn renew(&self, owner: &Owner, until: Timestamp) -> Result<(), Error> {
        let mut orgs = self.orgs();
        let held = orgs.values_mut().flat_map(|kept| kept.books.reservations.values_mut());
        held.filter(|held| held.owner == *owner).for_each(|held| held.expires_at = until);
        Ok(())
    }

    async fn spendings(&self, org: OrgId, query: SpendingQuery) -> Result<Vec<Spending>, Error> {
        let is_wanted = |spending: &&Spending| {
            let spender = &spending.spender;
            query.before.is_none_or(|before| spending.id < before)
                && (query.agent.is_none() || spender.agent == query.agent)
                && (query.session.is_none() || spender.session == query.session)
                && (query.task.is_none() || spender.task == query.task)
                && query.model.as_ref().is_none_or(|model| spender.model == *model)
        };
        Ok(self.with(org, |kept| kept.spendings.values().rev().filter(is_wanted).take(query.limit).cloned().collect()))
    }

    async fn sums(
        &self,
        org: OrgId,
        group: Group,
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Sum>, Error> {
        let mut sums: BTreeMap<(String, String), Sum> = BTreeMap::new();
        self.with(org, |kept| {
            for spending in kept.spendings.values().filter(|spending| (from..until).contains(&spending.at)) {
                let (name, provider) = named(group, spending);
                let sum = sums.entry((name.clone(), provider.clone())).or_insert_with(|| Sum::empty(name, provider));
                sum.requests += 1;
                sum.estimated += u64::from(spending.estimated);
                sum.usage += spending.usage;
                sum.amount += spending.amount;
            }
        });
        let mut sums: Vec<Sum> = sums.into_values().collect();
        sums.sort_by(|a, b| b.amount.tokens.cmp(&a.amount.tokens).then_with(|| a.name.cmp(&b.name)));
        sums.truncate(limit);
        Ok(sums)
    }

    async fn answered(
        &self,
        org: OrgId,
        model: &str,
        agent: Option<&AgentId>,
        limit: usize,
    ) -> Result<Vec<Answered>, Error> {
        let is_wanted = |spending: &&Spending| {
            spending.spender.model == model
                && spending.spender.agent.as_ref() == agent
                && !spending.estimated
                && spending.end == End::Completed
        };
        let answered = |spending: &Spending| Answered {
            input_expected: spending.input_expected,
            input: spending.usage.total_input(),
            output: spending.usage.output,
        };
        Ok(self.with(org, |kept| kept.spendings.values().rev().filter(is_wanted).take(limit).map(answered).collect()))
    }

    async fn orgs(&self) -> Result<Vec<OrgId>, Error> {
        let orgs = self.orgs();
        Ok(orgs.iter().filter(|(_, kept)| !kept.books.counters.is_empty()).map(|(org, _)| *org).collect())
    }

    async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut removed = 0;
        for kept in self.orgs().values_mut() {
            let old = kept.spendings.values().filter(|spending| spending.at < before).map(|spending| spending.id);
            let old: Vec<SpendingId> = old.take(limit).collect();
            let counters = kept.books.counters.keys().filter(|key| key.start < before).cloned();
            let counters: Vec<CounterKey> = counters.take(limit).collect();
            removed += (old.len() + counters.len()) as u64;
            kept.spendings.retain(|id, _| !old.contains(id));
            kept.books.counters.retain(|key, _| !counters.contains(key));
        }
        Ok(removed)
    }
}

fn named(group: Group, spending: &Spending) -> (String, String) {
    let spender = &spending.spender;
    let text = |name: Option<String>| (name.unwrap_or_default(), String::new());
    match group {
        Group::Quarter => ((spending.at.millis().div_euclid(QUARTER) * QUARTER).to_string(), String::new()),
        Group::Scope(ScopeKind::Organisation) => text(None),
        Group::Scope(ScopeKind::Team) => text(spender.team.clone()),
        Group::Scope(ScopeKind::Agent) => text(spender.agent.as_ref().map(ToString::to_string)),
        Group::Scope(ScopeKind::Session) => text(spender.session.map(|id| id.to_string())),
        Group::Scope(ScopeKind::Task) => text(spender.task.map(|id| id.to_string())),
        Group::Scope(ScopeKind::Model) => (spender.model.clone(), spender.provider.clone()),
        Group::Scope(ScopeKind::Provider) => text(Some(spender.provider.clone())),
    }
}

impl Sum {
    pub(crate) fn empty(name: String, provider: String) -> Self {
        let (usage, amount) = Default::default();
        Self { name, provider, requests: 0, estimated: 0, usage, amount }
    }
}
