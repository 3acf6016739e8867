use std::collections::BTreeMap;

use orchestrator_vocab::{NanoUsd, OrgId, Timestamp, Tokens};
use serde::Serialize;

use crate::{Amount, Counter, CounterQuery, Error, Ledger, Limit, PriceBook, Scope, Span, Window, Zone};

/// Of a limit on each of a kind, how many are told of: those that spent most.
const EACH_MAX: usize = 100;
/// In milliseconds.
const HOUR: u128 = 3_600_000;

/// How an organisation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The limit that will be in the way first: of which the largest part is spent or reserved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<LimitStatus>,
    /// Every limit that counts now; of those on each of a kind, the 100 that spent most.
    pub limits: Vec<LimitStatus>,
    /// The day the snapshot of prices was taken, as `2026-11-22`.
    pub prices_of: &'static str,
}

/// How much is spent of a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LimitStatus {
    /// Whose spending it is about: one, also where the limit is on each.
    pub scope: Scope,
    /// The limit.
    pub limit: Limit,
    /// What is spent.
    pub spent: Amount,
    /// What is put aside for requests under way.
    pub reserved: Amount,
    /// What is left of the tokens, if they are limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_tokens: Option<Tokens>,
    /// What is left of the money, in billionths of a US dollar, if it is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_nano_usd: Option<NanoUsd>,
    /// How much is spent or reserved, in thousandths of the limit.
    pub used_permille: u64,
    /// Whether requests that count in it are degraded now: `budget.degrade` says how.
    pub degraded: bool,
    /// When its window began.
    pub started_at: Timestamp,
    /// When the next one begins.
    pub resets_at: Timestamp,
    /// What is spent per hour: of this hour and the one before.
    pub per_hour: Amount,
    /// What will be spent when the next window begins, at that rate.
    pub forecast: Amount,
    /// When it will be exhausted, at that rate, if it is before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhausted_at: Option<Timestamp>,
}

impl Ledger {
    /// How an organisation stands.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn status(&self, org: OrgId) -> Result<Status, Error> {
        let (now, zone) = (self.now(), self.zone());
        let mut limits = Vec::new();
        for limit in self.limits(org).await? {
            limits.extend(self.status_of(org, &limit, &zone, now).await?);
        }
        limits.sort_by(|a, b| {
            (a.scope.kind(), a.limit.window, &a.scope).cmp(&(b.scope.kind(), b.limit.window, &b.scope))
        });
        // Of several, that which will be in the way longest.
        let binding = limits.iter().max_by_key(|status| (status.used_permille, status.resets_at)).cloned();
        Ok(Status { binding, limits, prices_of: PriceBook::snapshot() })
    }

    async fn status_of(
        &self,
        org: OrgId,
        limit: &Limit,
        zone: &Zone,
        now: Timestamp,
    ) -> Result<Vec<LimitStatus>, Error> {
        let window = zone.window(limit.window, now);
        let hour = zone.window(Span::Hour, now);
        let before = zone.window(Span::Hour, Timestamp(hour.start.millis() - 1));
        let mut spent = self.counted(org, limit, window).await?;
        if !limit.scope.is_each() {
            spent.entry(limit.scope.clone()).or_default();
        }
        let lately = [self.counted(org, limit, before).await?, self.counted(org, limit, hour).await?];
        let spans = u128::from(now.millis().abs_diff(before.start.millis())).max(1);
        let soft = self.degrades_from();
        let status = |(scope, counter): (Scope, Counter)| {
            let recent = lately.iter().filter_map(|counters| counters.get(&scope)).map(|counter| counter.spent);
            let recent = recent.fold(Amount::default(), |sum, spent| sum + spent);
            let degraded = soft.is_some_and(|soft| soft.is_reached(limit.used_permille(counter.spent)));
            let status = LimitStatus::of(limit, scope, counter, window, scaled(recent, HOUR, spans), now);
            LimitStatus { degraded, ..status }
        };
        Ok(spent.into_iter().map(status).collect())
    }

    async fn counted(&self, org: OrgId, limit: &Limit, window: Window) -> Result<BTreeMap<Scope, Counter>, Error> {
        let name = (!limit.scope.is_each()).then(|| limit.scope.name().to_owned());
        let (kind, span, start) = (limit.scope.kind(), window.span, window.start);
        let counters = self.store().counters(org, CounterQuery { kind, name, span, start, limit: EACH_MAX }).await?;
        Ok(counters.into_iter().map(|(key, counter)| (key.scope, counter)).collect())
    }
}

impl LimitStatus {
    fn of(limit: &Limit, scope: Scope, counter: Counter, window: Window, per_hour: Amount, now: Timestamp) -> Self {
        let (remaining_tokens, remaining_nano_usd) = limit.remaining(counter.used());
        let ahead = u128::from(window.end.millis().abs_diff(now.millis()));
        let until = |left: Option<u64>, rate: u64| match (left, rate) {
            (Some(left), 1..) => u64::try_from(u128::from(left) * HOUR / u128::from(rate)).ok(),
            _ => None,
        };
        let tokens = until(remaining_tokens.map(|left| left.0), per_hour.tokens.0);
        let money = until(remaining_nano_usd.map(|left| left.0), per_hour.nano_usd.0);
        let first = tokens.into_iter().chain(money).min();
        let exhausted_at =
            first.map(|millis| Timestamp(now.millis().saturating_add(i64::try_from(millis).unwrap_or(i64::MAX))));
        Self {
            scope,
            limit: limit.clone(),
            spent: counter.spent,
            reserved: counter.reserved,
            remaining_tokens,
            remaining_nano_usd,
            used_permille: limit.used_permille(counter.used()),
            degraded: false,
            started_at: window.start,
            resets_at: window.end,
            per_hour,
            forecast: counter.spent + scaled(per_hour, ahead, HOUR),
            exhausted_at: exhausted_at.filter(|at| *at < window.end),
        }
    }
}

fn scaled(amount: Amount, by: u128, of: u128) -> Amount {
    let part = |number: u64| u64::try_from(u128::from(number) * by / of).unwrap_or(u64::MAX);
    Amount::new(part(amount.tokens.0), part(amount.nano_usd.0))
}
