use orchestrator_vocab::OrgId;

use super::Ledger;
use crate::{Error, Limit, Price, Scope, Span, Spending, SpendingQuery};

impl Ledger {
    /// Sets a limit until it expires, if it does. It takes the place of a configured one with the same scope and window.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field, [`Error::Store`].
    pub async fn set_limit(&self, org: OrgId, limit: Limit) -> Result<(), Error> {
        limit.validate()?;
        if limit.expires_at.is_some_and(|end| end <= self.now()) {
            return Err(Error::invalid("expiresAt", "expected a time in the future"));
        }
        self.0.store.set_limit(org, limit).await
    }

    /// Removes a limit that was set; one that is configured counts again. Whether there was one.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn remove_limit(&self, org: OrgId, scope: Scope, window: Span) -> Result<bool, Error> {
        self.0.store.remove_limit(org, scope, window).await
    }

    /// The limits that count now.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn limits(&self, org: OrgId) -> Result<Vec<Limit>, Error> {
        let set = self.0.store.limits(org).await?;
        Ok(self.rules().policy.in_force(org, &set, self.now()).cloned().collect())
    }

    /// Spendings, the newest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn spendings(&self, org: OrgId, query: SpendingQuery) -> Result<Vec<Spending>, Error> {
        self.0.store.spendings(org, query).await
    }

    /// What a model costs, as far as anybody says.
    pub(crate) fn price_of(&self, provider: &str, vendor: &str, model: &str) -> Option<Price> {
        self.rules().book.find(provider, Some(vendor), model).map(|found| found.price)
    }

    /// Every organisation that has spent something.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn orgs(&self) -> Result<Vec<OrgId>, Error> {
        self.0.store.orgs().await
    }
}
