use std::collections::BTreeMap;
use std::sync::LazyLock;

use orchestrator_transcript::Usage;
use serde::{Deserialize, Serialize};

/// What is known of a model. What is not known is no obstacle.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Facts {
    /// The most tokens of input.
    pub context_window: Option<u64>,
    /// The most tokens of output.
    pub output_max: Option<u64>,
    /// Whether it can call tools.
    pub tools: Option<bool>,
    /// Whether it can see pictures.
    pub vision: Option<bool>,
    /// Whether it can think before it answers.
    pub thinking: Option<bool>,
    /// What it costs.
    pub price: Option<Price>,
    /// The first day on which it is gone, as `2026-12-11`.
    pub retires: Option<String>,
}

/// What a token costs, in billionths of a US dollar (a dollar per million tokens is 1,000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// Of input that is not cached.
    pub input: u64,
    /// Of output, reasoning included.
    pub output: u64,
    /// Read from the cache; without it, as `input`.
    #[serde(default)]
    pub cache_read: Option<u64>,
    /// Written to the cache for five minutes; without it, as `input`.
    #[serde(default, rename = "cacheWrite5m")]
    pub cache_write_5m: Option<u64>,
    /// Written to the cache for an hour; without it, as for five minutes.
    #[serde(default, rename = "cacheWrite1h")]
    pub cache_write_1h: Option<u64>,
    /// What long requests cost, all of their tokens.
    #[serde(default)]
    pub long: Option<LongPrice>,
}

/// The price of requests with more than so many tokens of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LongPrice {
    /// Above so many tokens of input, cached ones included.
    pub tokens: u64,
    /// Of input.
    pub input: u64,
    /// Of output.
    pub output: u64,
    /// Read from the cache; without it, as `input`.
    #[serde(default)]
    pub cache_read: Option<u64>,
}

impl Price {
    /// What this use costs, in billionths of a US dollar. Saturates.
    pub fn cost(&self, usage: Usage) -> u64 {
        let long = self.long.filter(|long| usage.total_input() > long.tokens);
        let (input, output) = long.map_or((self.input, self.output), |long| (long.input, long.output));
        let read = long.map_or(self.cache_read, |long| long.cache_read).unwrap_or(input);
        // Writing into the cache costs what it costs, or what long input does if that is more.
        let write_5m = self.cache_write_5m.unwrap_or(input).max(if long.is_some() { input } else { 0 });
        let write_1h = self.cache_write_1h.unwrap_or(write_5m).max(if long.is_some() { input } else { 0 });
        [
            (usage.input, input),
            (usage.cache_read, read),
            (usage.cache_write_5m, write_5m),
            (usage.cache_write_1h, write_1h),
            (usage.output, output),
        ]
        .into_iter()
        .fold(0, |sum: u64, (tokens, price)| sum.saturating_add(tokens.saturating_mul(price)))
    }
}

impl Facts {
    /// What the snapshot in this crate (`data/models.json`, its source and date inside) knows of a vendor's model.
    pub fn known(vendor: &str, model: &str) -> Option<&'static Self> {
        SNAPSHOT.get(vendor)?.get(model)
    }

    /// These facts, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            context_window: self.context_window.or(other.context_window),
            output_max: self.output_max.or(other.output_max),
            tools: self.tools.or(other.tools),
            vision: self.vision.or(other.vision),
            thinking: self.thinking.or(other.thinking),
            price: self.price.or(other.price),
            retires: self.retires.or_else(|| other.retires.clone()),
        }
    }
}

#[derive(Deserialize)]
struct Row<'a> {
    model: &'a str,
    vendor: &'a str,
    #[serde(flatten)]
    facts: Flattened,
}

/// The same as [`Facts`], without refusing what belongs to the row.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Flattened {
    context_window: Option<u64>,
    output_max: Option<u64>,
    tools: Option<bool>,
    vision: Option<bool>,
    thinking: Option<bool>,
    price: Option<Price>,
    retires: Option<String>,
}

#[derive(Deserialize)]
struct Snapshot<'a> {
    #[serde(borrow)]
    models: Vec<Row<'a>>,
}

type ByVendor = BTreeMap<&'static str, BTreeMap<&'static str, Facts>>;

static SNAPSHOT: LazyLock<ByVendor> = LazyLock::new(|| {
    let snapshot: Snapshot<'static> =
        serde_json::from_str(include_str!("../data/models.json")).expect("a test reads the same text");
    let mut vendors = ByVendor::new();
    for row in snapshot.models {
        let Flattened { context_window, output_max, tools, vision, thinking, price, retires } = row.facts;
        let facts = Facts { context_window, output_max, tools, vision, thinking, price, retires };
        vendors.entry(row.vendor).or_default().insert(row.model, facts);
    }
    vendors
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snapshot_is_read() {
        let facts = Facts::known("openai", "gpt-5-mini").unwrap();
        assert_eq!((facts.context_window, facts.tools), (Some(272_000), Some(true)));
        assert!(Facts::known("anthropic", "claude-opus-5-5").unwrap().price.is_some());
        assert_eq!(Facts::known("openai", "no-such-model"), None);
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let price =
            Price { input: 100, output: 500, cache_read: Some(10), cache_write_5m: Some(125), ..Price::default() };
        let usage = Usage { input: 1, cache_read: 2, cache_write_5m: 3, cache_write_1h: 4, output: 5, reasoning: 5 };
        assert_eq!(price.cost(usage), 100 + 20 + 375 + 500 + 2_500);
    }

    #[test]
    fn a_long_request_is_dear_as_a_whole() {
        let long = LongPrice { tokens: 10, input: 200, output: 700, cache_read: None };
        let price = Price { input: 100, output: 500, cache_read: Some(10), long: Some(long), ..Price::default() };
        let of = |input, cache_read| price.cost(Usage { input, cache_read, output: 1, ..Usage::default() });
        assert_eq!((of(5, 5), of(5, 6)), (500 + 50 + 500, 5 * 200 + 6 * 200 + 700));
    }

    #[test]
    fn what_the_operator_says_wins() {
        let own = Facts { tools: Some(false), ..Facts::default() };
        let known = Facts { tools: Some(true), vision: Some(true), ..Facts::default() };
        assert_eq!(own.or(&known), Facts { tools: Some(false), vision: Some(true), ..Facts::default() });
    }
}
