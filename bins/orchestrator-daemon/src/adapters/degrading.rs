//! What is done while much of a limit is spent: cheaper models, fewer requests.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_auth::{Limit, Limiter};
use orchestrator_budget::{Ledger, Spender, Strain};
use orchestrator_models::layers::Account;
use orchestrator_models::{ErrorKind, Instead, ProviderError, Target, Thrift};
use orchestrator_telemetry::Metrics;
use orchestrator_vocab::OrgId;

/// The time of `throttlePerMinute`.
const MINUTE: Duration = Duration::from_secs(60);
/// Limits that are told apart; beyond them, some share what may begin.
const LIMITS_MAX: usize = 4_096;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Degrading {
    ledger: Ledger,
    metrics: Metrics,
    begun: Arc<Limiter<(OrgId, String)>>,
}

impl Degrading {
    pub(crate) fn new(ledger: Ledger, metrics: Metrics) -> Self {
        Self { ledger, metrics, begun: Arc::new(Limiter::configured(None)) }
    }

    /// For the router.
    pub(crate) fn thrift(&self) -> Thrift {
        let own = self.clone();
        Arc::new(move |account, target| {
            let own = own.clone();
            Box::pin(async move { own.instead(&account, &target).await })
        })
    }

    async fn instead(&self, account: &Account, target: &Target) -> Option<Instead> {
        let degrade = self.ledger.degrade();
        let model = degrade.models.get(&target.to_string())?.clone();
        let strain = self.strain(account.org, &spender(account, &target.provider, &target.model)).await?;
        Some(Instead { model, limit: strain.to_string(), used_permille: strain.used_permille })
    }

    /// Lets a request begin, or says when it may.
    ///
    /// # Errors
    /// While so many began in the last minute that count in the limit of which most is spent.
    pub(super) async fn admit(&self, org: OrgId, spender: &Spender) -> Result<(), ProviderError> {
        let Some(most) = self.ledger.degrade().throttle_per_minute else { return Ok(()) };
        let Some(strain) = self.strain(org, spender).await else { return Ok(()) };
        // What began before counts also when the number is changed.
        if self.begun.max() != Some(most) {
            self.begun.reconfigure(Some(Limit { max: most, window: MINUTE, keys_max: LIMITS_MAX }));
        }
        let decision = self.begun.check(&(org, strain.to_string()), 1);
        if decision.allowed {
            return Ok(());
        }
        self.metrics.counter("budget_degraded_requests_total", &[("how", "throttled".into())]).add(1);
        let share = strain.used_permille / 10;
        let told = format!("{share} % of {strain} is spent: {most} requests may begin in a minute");
        let mut busy = ProviderError::new(ErrorKind::Busy, told);
        busy.hints.retry_after = Some(decision.retry_after);
        Err(busy)
    }

    /// A ledger that cannot be read degrades nothing: whether there is money is asked again before the request is sent.
    async fn strain(&self, org: OrgId, spender: &Spender) -> Option<Strain> {
        self.ledger.strain(org, spender).await.unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "nobody knows whether much of a limit is spent");
            None
        })
    }
}

/// What a request is put down to.
pub(super) fn spender(account: &Account, provider: &str, model: &str) -> Spender {
    let who = account.attribution.clone();
    Spender { agent: who.agent, session: who.session, task: who.task, ..Spender::of(provider, model) }
}
