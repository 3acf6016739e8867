use orchestrator_vocab::NanoUsd;
use serde::Serialize;

use crate::{Ledger, Price, PriceBook, Sum};

/// The most savings that are told of.
const SAVINGS_MAX: usize = 20;

/// What the same requests would have cost otherwise. An estimate: another model would have answered otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Saving {
    /// The model that was asked, as `provider/model`.
    pub model: String,
    /// What would be done otherwise.
    pub how: How,
    /// The model that would be asked, if another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
    /// What is assumed.
    pub assuming: &'static str,
    /// What it cost, in billionths of a US dollar.
    pub cost_nano_usd: NanoUsd,
    /// What it would have cost.
    pub would_cost_nano_usd: NanoUsd,
    /// The difference.
    pub saves_nano_usd: NanoUsd,
}

/// What would be done otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum How {
    /// The vendor's next model that costs at most half would be asked.
    CheaperModel,
    /// What is read twice would be read from the cache.
    Caching,
    /// Answers would come within a day.
    Batch,
}

/// Of the models that were asked; `today` tells which others there are.
pub(crate) fn savings(ledger: &Ledger, sums: &[Sum], today: &str) -> Vec<Saving> {
    let of = |sum: &Sum| {
        let vendor = ledger.vendor_of(&sum.provider);
        let Some(price) = ledger.price_of(&sum.provider, vendor, &sum.name) else { return Vec::new() };
        let ways = [cheaper(sum, vendor, &price, today), cached(sum, &price), batched(sum, &price)];
        ways.into_iter().flatten().collect()
    };
    let mut found: Vec<Saving> = sums.iter().flat_map(of).filter(|saving| saving.saves_nano_usd.0 > 0).collect();
    found.sort_by(|a, b| {
        b.saves_nano_usd.cmp(&a.saves_nano_usd).then_with(|| (&a.model, a.how).cmp(&(&b.model, b.how)))
    });
    found.truncate(SAVINGS_MAX);
    found
}

/// Sums of many requests are no long request.
fn short(price: &Price) -> Price {
    Price { long: None, ..*price }
}

fn cheaper(sum: &Sum, vendor: &str, price: &Price, today: &str) -> Option<Saving> {
    let now = short(price).cost(sum.usage);
    let others = PriceBook::chat_models(vendor, today).map(|(name, price)| (name, short(price).cost(sum.usage)));
    let half =
        others.filter(|(_, cost)| cost.0 <= now.0 / 2).max_by_key(|(name, cost)| (*cost, std::cmp::Reverse(*name)))?;
    let assuming = "as many tokens, without what long requests cost more";
    Some(Saving { instead: Some(half.0.to_owned()), ..saving(sum, How::CheaperModel, half.1, assuming) })
}

fn cached(sum: &Sum, price: &Price) -> Option<Saving> {
    price.cache_read?;
    let again = sum.usage.input / 2;
    let usage = orchestrator_transcript::Usage {
        input: sum.usage.input - again,
        cache_read: sum.usage.cache_read.saturating_add(again),
        ..sum.usage
    };
    Some(saving(
        sum,
        How::Caching,
        short(price).cost(usage),
        "half of the input that was not cached had been read before",
    ))
}

fn batched(sum: &Sum, price: &Price) -> Option<Saving> {
    Some(saving(sum, How::Batch, price.in_batch(sum.usage)?, "nobody waits for the answers"))
}

fn saving(sum: &Sum, how: How, would: NanoUsd, assuming: &'static str) -> Saving {
    let cost = sum.amount.nano_usd;
    Saving {
        model: format!("{}/{}", sum.provider, sum.name),
        how,
        instead: None,
        assuming,
        cost_nano_usd: cost,
        would_cost_nano_usd: would,
        saves_nano_usd: NanoUsd(cost.0.saturating_sub(would.0)),
    }
}
