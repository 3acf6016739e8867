use std::fmt;

use orchestrator_transcript::Usage;
use orchestrator_vocab::NanoUsd;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is paid for at one rate.
const PER: u128 = 1_000_000;

/// What a million tokens cost. As text and in JSON it is US dollars, as the vendors' price lists have it: `"0.0375"`.
///
/// A number is read too: its shortest decimal form is taken, which is what somebody wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rate(pub NanoUsd);

/// What the tokens of a model cost.
///
/// Whatever is not said costs as much as what it is a kind of: cached input as input, an hour in the cache as five minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// Of input that is not cached.
    pub input: Rate,
    /// Of output, thoughts included.
    #[serde(default)]
    pub output: Rate,
    /// Of input read from the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Rate>,
    /// Of input written to the cache for five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "cacheWrite5m")]
    pub cache_write_5m: Option<Rate>,
    /// Of input written to the cache for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "cacheWrite1h")]
    pub cache_write_1h: Option<Rate>,
    /// Of requests that are long, all of their tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongPrice>,
    /// Of requests that are answered within a day, in a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchPrice>,
}

/// The price of requests with more than so many tokens of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LongPrice {
    /// Above so many tokens of input, cached ones included.
    pub above: u64,
    /// Of input.
    pub input: Rate,
    /// Of output.
    pub output: Rate,
    /// Of input read from the cache; without it, as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Rate>,
}

/// The price of requests that may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchPrice {
    /// Of input.
    pub input: Rate,
    /// Of output.
    #[serde(default)]
    pub output: Rate,
}

impl Rate {
    /// So many billionths of a dollar per token.
    pub const fn nanos_per_token(nanos: u64) -> Self {
        Self(NanoUsd(nanos.saturating_mul(1_000_000)))
    }
}

impl Price {
    /// The same for every token, whatever it is.
    pub fn flat(rate: Rate) -> Self {
        Self { input: rate, output: rate, ..Self::default() }
    }

    /// What one request cost. The sum is exact; a part of a billionth of a dollar that is left is rounded up, once.
    pub fn cost(&self, usage: Usage) -> NanoUsd {
        let long = self.long.filter(|long| usage.total_input() > long.above);
        let (input, output) = long.map_or((self.input, self.output), |long| (long.input, long.output));
        let read = long.map_or(self.cache_read, |long| long.cache_read).unwrap_or(input);
        // Writing into the cache costs what it costs, or what long input does if that is more.
        let least = if long.is_some() { input } else { Rate::default() };
        let write_5m = self.cache_write_5m.unwrap_or(input).max(least);
        let write_1h = self.cache_write_1h.unwrap_or(write_5m).max(least);
        sum([
            (usage.input, input),
            (usage.cache_read, read),
            (usage.cache_write_5m, write_5m),
            (usage.cache_write_1h, write_1h),
            (usage.output, output),
        ])
    }

    /// What it would have cost in a batch, if the vendor has such a price.
    pub fn in_batch(&self, usage: Usage) -> Option<NanoUsd> {
        let batch = self.batch?;
        Some(sum([(usage.total_input(), batch.input), (usage.output, batch.output)]))
    }
}

fn sum<const N: usize>(parts: [(u64, Rate); N]) -> NanoUsd {
    let product = |(tokens, rate): (u64, Rate)| u128::from(tokens) * u128::from(rate.0.0);
    let all = parts.into_iter().map(product).fold(0, u128::saturating_add);
    NanoUsd(u64::try_from(all.div_ceil(PER)).unwrap_or(u64::MAX))
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected US dollars per million tokens, such as \"0.25\"")]
enum Written {
    Text(String),
    Whole(u64),
    Number(f64),
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Whole(dollars) => dollars.to_string(),
            Written::Number(dollars) => dollars.to_string(),
        };
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "rpc")]
impl schemars::JsonSchema for Rate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,9})?$",
            "description": "US dollars per million tokens" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn rate(nanos: u64) -> Rate {
        Rate::nanos_per_token(nanos)
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let price = Price {
            input: rate(100),
            output: rate(500),
            cache_read: Some(rate(10)),
            cache_write_5m: Some(rate(125)),
            ..Price::default()
        };
        let usage = Usage { input: 1, cache_read: 2, cache_write_5m: 3, cache_write_1h: 4, output: 5, reasoning: 5 };
        assert_eq!(price.cost(usage), NanoUsd(100 + 20 + 375 + 500 + 2_500));
    }

    #[test]
    fn a_long_request_is_dear_as_a_whole() {
        let long = LongPrice { above: 10, input: rate(200), output: rate(700), cache_read: None };
        let price = Price {
            input: rate(100),
            output: rate(500),
            cache_read: Some(rate(10)),
            long: Some(long),
            ..Price::default()
        };
        let of = |input, cache_read| price.cost(Usage { input, cache_read, output: 1, ..Usage::default() }).0;
        assert_eq!((of(5, 5), of(5, 6)), (500 + 50 + 500, 5 * 200 + 6 * 200 + 700));
    }

    #[test]
    fn a_rest_is_rounded_up_once() {
        let price = Price::flat(serde_json::from_str("0.0375").unwrap());
        let of = |input, output| price.cost(Usage { input, output, ..Usage::default() }).0;
        assert_eq!((of(1, 0), of(1, 1), of(2, 1)), (38, 75, 113));
    }

    #[test]
    fn a_rate_is_what_somebody_wrote() {
        for (json, nanos) in [(r#""0.1""#, 100), ("0.1", 100), ("3", 3_000), ("15.5", 15_500)] {
            assert_eq!(serde_json::from_str::<Rate>(json).unwrap(), rate(nanos), "{json}");
        }
        for json in ["-1", r#""a lot""#, "1e-12", "null"] {
            assert!(serde_json::from_str::<Rate>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::to_string(&rate(250)).unwrap(), r#""0.25""#);
    }

    proptest! {
        #[test]
        fn costs_grow_with_use_and_never_overflow(input: u64, output: u64, more in 0_u64..1_000, nanos in 0_u64..100_000_000) {
            let price = Price { input: Rate(NanoUsd(nanos)), output: Rate(NanoUsd(nanos / 2)), ..Price::default() };
            let before = price.cost(Usage { input, output, ..Usage::default() });
            let after = price.cost(Usage { input: input.saturating_add(more), output, ..Usage::default() });
            prop_assert!(after >= before);
        }

        #[test]
        fn parts_cost_at_most_a_billionth_more_than_the_whole(a in 0_u64..1_000_000_000, b in 0_u64..1_000_000_000, nanos in 0_u64..100_000_000) {
            let price = Price::flat(Rate(NanoUsd(nanos)));
            let of = |input| price.cost(Usage { input, ..Usage::default() }).0;
            prop_assert!((of(a + b)..=of(a + b) + 1).contains(&(of(a) + of(b))));
        }
    }
}
