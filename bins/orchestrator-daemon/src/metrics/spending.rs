use std::collections::BTreeMap;

use orchestrator_budget::{Ledger, Scope, Span};
use orchestrator_telemetry::Metrics;

/// Organisations that are counted one by one; sums leave out those beyond.
const ORGS_MAX: usize = 200;

/// Tokens and money of all organisations together, in the windows in which they are limited.
#[derive(Default)]
struct Sum {
    spent: [u64; 2],
    reserved: [u64; 2],
    remaining: [u64; 2],
    forecast: [u64; 2],
    /// Limits, of whomever, that are spent too fast to last.
    burning: u64,
}

/// Sets what is spent, reserved, left and to be expected.
pub(super) async fn measure(ledger: &Ledger, metrics: &Metrics) -> anyhow::Result<()> {
    let mut sums: BTreeMap<Span, Sum> = BTreeMap::new();
    for org in ledger.orgs().await?.into_iter().take(ORGS_MAX) {
        let limits = ledger.status(org).await?.limits;
        for limit in &limits {
            sums.entry(limit.limit.window).or_default().burning += u64::from(limit.pace.burning);
        }
        for limit in limits.into_iter().filter(|limit| limit.scope == Scope::ORGANISATION) {
            let sum = sums.entry(limit.limit.window).or_default();
            let remaining = [limit.remaining_tokens.map(|left| left.0), limit.remaining_nano_usd.map(|left| left.0)];
            for (all, amount) in [
                (&mut sum.spent, limit.spent),
                (&mut sum.reserved, limit.reserved),
                (&mut sum.forecast, limit.forecast),
            ] {
                *all = [all[0].saturating_add(amount.tokens.0), all[1].saturating_add(amount.nano_usd.0)];
            }
            sum.remaining = [0, 1].map(|unit| sum.remaining[unit].saturating_add(remaining[unit].unwrap_or_default()));
        }
    }
    for (window, sum) in sums {
        let gauges = [
            ("budget_spent_tokens", sum.spent[0]),
            ("budget_spent_nano_usd", sum.spent[1]),
            ("budget_reserved_tokens", sum.reserved[0]),
            ("budget_remaining_tokens", sum.remaining[0]),
            ("budget_forecast_tokens", sum.forecast[0]),
            ("budget_forecast_nano_usd", sum.forecast[1]),
            ("budget_burning_limits", sum.burning),
        ];
        for (name, value) in gauges {
            metrics.gauge(name, &[("window", window.as_str().into())]).set(value as f64);
        }
    }
    Ok(())
}
