use std::sync::Arc;

use orchestrator_vocab::OrgId;

use super::Ledger;
use crate::{CounterQuery, Degrade, Error, Share, Spender, Strain};

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
                let name = Some(scope.name().to_owned());
                let (kind, span, start) = (scope.kind(), window.span, window.start);
                let found = self.0.store.counters(org, CounterQuery { kind, name, span, start, limit: 1 }).await?;
                let used_permille = found.first().map_or(0, |(_, counter)| limit.used_permille(counter.spent));
                if rules.soft.is_reached(used_permille)
                    && worst.as_ref().is_none_or(|worst| worst.used_permille < used_permille)
                {
                    let (scope, limit) = (scope.clone(), limit.clone());
                    worst = Some(Strain { scope, limit, used_permille, resets_at: window.end });
                }
            }
        }
        Ok(worst)
    }

    /// From which share of a limit on requests are degraded, if they ever are.
    pub(crate) fn degrades_from(&self) -> Option<Share> {
        self.rules().policy.degrade_at
    }
}
