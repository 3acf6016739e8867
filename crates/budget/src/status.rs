use std::collections::BTreeMap;

use orchestrator_vocab::{NanoUsd, OrgId, Timestamp, Tokens};
use serde::Serialize;

use crate::pace::Lately;
use crate::{Amount, Counter, CounterQuery, Error, Ledger, Limit, Pace, PriceBook, Scope, Span, Window, Zone};

/// Of a limit on each of a kind, how many are told of: those that spent most.
const EACH_MAX: usize = 100;
/// In milliseconds.
const HOUR: u64 = 3_600_000;

type Spent = BTreeMap<Scope, Amount>;

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
    /// Whether it is spent too fast to last.
    pub pace: Pace,
    /// Whether it was told that it is.
    #[serde(skip)]
    pub(crate) told_burning: bool,
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
        let mut spent = self.counted(org, limit, window).await?;
        if !limit.scope.is_each() {
            spent.entry(limit.scope.clone()).or_default();
        }
        let [short, long] = [
            self.spent_lately(org, limit, two(zone, Span::Hour, now)).await?,
            self.spent_lately(org, limit, long(zone, limit.window, now)).await?,
        ];
        let soft = self.degrades_from();
        let ahead = window.end.millis().abs_diff(now.millis());
        let status = |(scope, counter): (Scope, Counter)| {
            let lately = [&short, &long].map(|lately| Lately {
                spent: lately.1.get(&scope).copied().unwrap_or_default(),
                millis: now.millis().abs_diff(lately.0.millis()),
            });
            LimitStatus {
                degraded: soft.is_some_and(|soft| soft.is_reached(limit.used_permille(counter.spent))),
                pace: Pace::of(limit, counter.spent, ahead, lately, counter.burning),
                ..LimitStatus::of(limit, scope, counter, window, lately[0], now)
            }
        };
        Ok(spent.into_iter().map(status).collect())
    }

    /// What was spent in these windows, and since when that is.
    async fn spent_lately(&self, org: OrgId, limit: &Limit, windows: Vec<Window>) -> Result<(Timestamp, Spent), Error> {
        let mut spent = Spent::new();
        for window in &windows {
            for (scope, counter) in self.counted(org, limit, *window).await? {
                *spent.entry(scope).or_default() += counter.spent;
            }
        }
        Ok((windows.iter().map(|window| window.start).min().unwrap_or_default(), spent))
    }

    async fn counted(&self, org: OrgId, limit: &Limit, window: Window) -> Result<BTreeMap<Scope, Counter>, Error> {
        let name = (!limit.scope.is_each()).then(|| limit.scope.name().to_owned());
        let (kind, span, start) = (limit.scope.kind(), window.span, window.start);
        let counters = self.store().counters(org, CounterQuery { kind, name, span, start, limit: EACH_MAX }).await?;
        Ok(counters.into_iter().map(|(key, counter)| (key.scope, counter)).collect())
    }
}

/// This window and the one before.
fn two(zone: &Zone, span: Span, now: Timestamp) -> Vec<Window> {
    let window = zone.window(span, now);
    vec![zone.window(span, Timestamp(window.start.millis() - 1)), window]
}

/// Since the window began, or since yesterday if that is later.
fn long(zone: &Zone, span: Span, now: Timestamp) -> Vec<Window> {
    match span {
        Span::Hour | Span::Day => vec![zone.window(span, now)],
        Span::Week | Span::Month => two(zone, Span::Day, now),
    }
}

impl LimitStatus {
    fn of(limit: &Limit, scope: Scope, counter: Counter, window: Window, short: Lately, now: Timestamp) -> Self {
        let (remaining_tokens, remaining_nano_usd) = limit.remaining(counter.used());
        let per_hour = short.per_hour();
        let ahead = window.end.millis().abs_diff(now.millis());
        let until = |left: Option<u64>, rate: u64| match (left, rate) {
            (Some(left), 1..) => u64::try_from(u128::from(left) * u128::from(HOUR) / u128::from(rate)).ok(),
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
            forecast: counter.spent + per_hour.scaled(ahead, HOUR),
            exhausted_at: exhausted_at.filter(|at| *at < window.end),
            pace: Pace::default(),
            told_burning: counter.burning,
        }
    }
}
