use std::sync::Arc;

use orchestrator_vocab::OrgId;

use super::Ledger;
use crate::{Counter, CounterKey, CounterQuery, Degrade, Error, Share, Spender, Strain};

impl Ledger {
    /// What is done while much of a limit is spent.
    pub fn degrade(&self) -> Arc<Degrade> {
        self.rules().degrade.clone()
    }

    /// Of the limits that a spender's requests count in, that of which the largest share is spent, if that share is what is warned
    /// of. What is reserved is not spent.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn strain(&self, org: OrgId, spender: &Spender) -> Result<Option<Strain>, Error> {
        let (rules, now) = (self.rules(), self.now());
        let scopes = spender.scopes();
        let mut worst: Option<Strain> = None;
        for limit in self.limits(org).await? {
            let window = rules.zone.window(limit.window, now);
            for scope in scopes.iter().filter(|scope| limit.scope.covers(scope)) {
                let key = CounterKey { scope: scope.clone(), span: window.span, start: window.start };
                let used_permille = limit.used_permille(self.counter(org, &key).await?.spent);
                if rules.soft.is_reached(used_permille)
                    && worst.as_ref().is_none_or(|worst| worst.used_permille < used_permille)
                {
                    let (scope, limit) = (key.scope, limit.clone());
                    worst = Some(Strain { scope, limit, used_permille, resets_at: window.end });
                }
            }
        }
        Ok(worst)
    }

    /// What was added up there.
    pub(super) async fn counter(&self, org: OrgId, key: &CounterKey) -> Result<Counter, Error> {
        let name = Some(key.scope.name().to_owned());
        let query = CounterQuery { kind: key.scope.kind(), name, span: key.span, start: key.start, limit: 1 };
        let found = self.0.store.counters(org, query).await?;
        Ok(found.first().map(|(_, counter)| *counter).unwrap_or_default())
    }

    /// From which share of a limit on requests are degraded, if they ever are.
    pub(crate) fn degrades_from(&self) -> Option<Share> {
        self.rules().policy.degrade_at
    }
}
