use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{BatchPrice, Error, LongPrice, Price, Rate};

/// The data of this crate; a test reads it as strictly as this does.
const DATA: &str = include_str!("../data/prices.json");

/// The most overrides.
const OVERRIDES_MAX: usize = 1_000;

/// What models cost: what the operator says, else what the crate's snapshot (`data/prices.json`, its source and date
/// inside) knows.
///
/// A model is looked up like this, and the first that is found is its price:
///
/// 1. the operator's, under `provider/model`, then under `model`, then under the longest `beginning*` of either;
/// 2. the vendor's, under the model's name;
/// 3. the vendor's, under the name without what others put around it: a path before it (`models/`, `vendor/`), a region and a vendor
///    (`eu.anthropic.`), a version behind it (`-v1:0`, `@20250929`);
/// 4. the vendor's, under the name without its date (`-20250929`, `-2025-09-29`) or `-latest`.
///
/// A name that merely begins like a known one is another model: `gpt-5-mini` does not cost what `gpt-5` does.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    overrides: BTreeMap<String, Price>,
    ceiling: Option<Rate>,
}

/// Where a price is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum PriceSource {
    /// The operator says so.
    Operator,
    /// The vendor's, as the snapshot has it.
    Snapshot,
    /// Nobody knows it: it is taken for as much as the operator allows for such a model.
    Ceiling,
}

/// A price that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub price: Price,
    /// Where it is from.
    pub source: PriceSource,
    /// The first day on which the model is gone, as `2026-12-11`, if that is known.
    pub retires: Option<&'static str>,
}

/// A vendor's model in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) price: Price,
    pub(crate) is_chat: bool,
    pub(crate) retires: Option<&'static str>,
}

impl PriceBook {
    /// With the operator's own prices, by `provider/model`, `model` or a beginning of either with `*`; and what a model costs
    /// of which nobody knows it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is none, or too many.
    pub fn new(overrides: BTreeMap<String, Price>, ceiling: Option<Rate>) -> Result<Self, Error> {
        if overrides.len() > OVERRIDES_MAX {
            return Err(Error::invalid("prices", format!("expected at most {OVERRIDES_MAX}")));
        }
        for name in overrides.keys() {
            let stem = name.strip_suffix('*').unwrap_or(name);
            if stem.is_empty() || stem.contains('*') || name.len() > 200 {
                let expected = "expected provider/model, model, or a beginning of it with `*` at its end";
                return Err(Error::invalid("prices", format!("{name:?}: {expected}")));
            }
        }
        Ok(Self { overrides, ceiling })
    }

    /// What a model costs, or `None` if nobody says. `provider` is who is asked, as it is configured; `vendor` whose model it is, as the snapshot
    /// names it, or nobody's that it knows.
    pub fn find(&self, provider: &str, vendor: Option<&str>, model: &str) -> Option<Found> {
        let listed = vendor.and_then(|vendor| listed(vendor, model));
        let retires = listed.as_ref().and_then(|listed| listed.retires);
        let found = |price, source| Some(Found { price, source, retires });
        if let Some(price) = self.of_operator(provider, model) {
            return found(price, PriceSource::Operator);
        }
        if let Some(listed) = listed {
            return found(listed.price, PriceSource::Snapshot);
        }
        found(Price::flat(self.ceiling?), PriceSource::Ceiling)
    }

    fn of_operator(&self, provider: &str, model: &str) -> Option<Price> {
        let full = format!("{provider}/{model}");
        if let Some(price) = self.overrides.get(&full).or_else(|| self.overrides.get(model)) {
            return Some(*price);
        }
        let begins =
            |name: &str| name.strip_suffix('*').is_some_and(|stem| full.starts_with(stem) || model.starts_with(stem));
        let longest = self.overrides.iter().filter(|(name, _)| begins(name)).max_by_key(|(name, _)| name.len());
        longest.map(|(_, price)| *price)
    }

    /// The day the snapshot was taken, as `2026-11-22`.
    pub fn snapshot() -> &'static str {
        SNAPSHOT.taken
    }

    /// The vendor's models that are asked in conversations, with their prices, by name. Those that are gone on `today` are left out.
    pub(crate) fn chat_models<'b>(
        vendor: &str,
        today: &'b str,
    ) -> impl Iterator<Item = (&'static str, &'static Price)> + 'b {
        let models = SNAPSHOT.vendors.get(vendor).into_iter().flatten();
        let stays = move |listed: &Listed| listed.is_chat && listed.retires.is_none_or(|day| day > today);
        models.filter(move |(_, listed)| stays(listed)).map(|(name, listed)| (*name, &listed.price))
    }
}

fn listed(vendor: &str, model: &str) -> Option<Listed> {
    let models = SNAPSHOT.vendors.get(vendor)?;
    let bare = bare(vendor, model);
    let known = |name: &str| models.get(name).cloned();
    known(model).or_else(|| known(bare)).or_else(|| known(undated(bare)?))
}

/// The name without what clouds and gateways put around it.
fn bare<'m>(vendor: &str, model: &'m str) -> &'m str {
    let name = model.rsplit_once('/').map_or(model, |(_, name)| name);
    let name = match name.split_once(&format!("{vendor}.")) {
        // `eu.anthropic.claude-…`, `anthropic.claude-…`
        Some((region, rest)) if region.is_empty() || region.ends_with('.') => rest,
        _ => name,
    };
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    let name = match name.rsplit_once("-v") {
        Some((name, version)) if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    };
    name.split_once('@').map_or(name, |(name, _)| name)
}

/// The name without the date behind it, or `latest`.
fn undated(model: &str) -> Option<&str> {
    if let Some(name) = model.strip_suffix("-latest") {
        return Some(name);
    }
    [11, 9].into_iter().find_map(|length| {
        let (name, date) = model.split_at_checked(model.len().checked_sub(length)?)?;
        let digits: Vec<&str> = date.strip_prefix('-')?.split('-').collect();
        let lengths: Vec<usize> = digits.iter().map(|part| part.len()).collect();
        let is_number = digits.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        (is_number && (lengths == [4, 2, 2] || lengths == [8])).then_some(name)
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File<'a> {
    snapshot: &'a str,
    #[serde(rename = "unit")]
    _unit: &'a str,
    #[serde(rename = "source")]
    _source: &'a str,
    #[serde(borrow)]
    models: Vec<Row<'a>>,
}

/// Prices are in billionths of a dollar per token.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row<'a> {
    model: &'a str,
    vendor: &'a str,
    mode: Mode,
    input: u64,
    #[serde(default)]
    output: u64,
    cache_read: Option<u64>,
    #[serde(rename = "cacheWrite5m")]
    cache_write_5m: Option<u64>,
    #[serde(rename = "cacheWrite1h")]
    cache_write_1h: Option<u64>,
    long: Option<LongRow>,
    batch: Option<BatchRow>,
    retires: Option<&'a str>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Chat,
    Responses,
    Embedding,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LongRow {
    above: u64,
    input: u64,
    output: u64,
    cache_read: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BatchRow {
    input: u64,
    #[serde(default)]
    output: u64,
}

struct Snapshot {
    taken: &'static str,
    vendors: BTreeMap<&'static str, BTreeMap<&'static str, Listed>>,
}

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let file: File<'static> = serde_json::from_str(DATA).expect("a test reads the same text");
    let mut vendors: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for row in file.models {
        let is_chat = row.mode != Mode::Embedding;
        let listed = Listed { price: price(&row), is_chat, retires: row.retires };
        vendors.entry(row.vendor).or_default().insert(row.model, listed);
    }
    Snapshot { taken: file.snapshot, vendors }
});

fn price(row: &Row<'_>) -> Price {
    let rate = Rate::nanos_per_token;
    Price {
        input: rate(row.input),
        output: rate(row.output),
        cache_read: row.cache_read.map(rate),
        cache_write_5m: row.cache_write_5m.map(rate),
        cache_write_1h: row.cache_write_1h.map(rate),
        long: row.long.as_ref().map(|long| LongPrice {
            above: long.above,
            input: rate(long.input),
            output: rate(long.output),
            cache_read: long.cache_read.map(rate),
        }),
        batch: row.batch.as_ref().map(|batch| BatchPrice { input: rate(batch.input), output: rate(batch.output) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(vendor: &str, model: &str, nanos_input: Option<u64>) {
        let found = PriceBook::default().find("p", Some(vendor), model);
        assert_eq!(found.map(|found| found.price.input), nanos_input.map(Rate::nanos_per_token), "{model}");
    }

    #[test]
    fn the_snapshot_is_read() {
        let file: File<'_> = serde_json::from_str(DATA).unwrap();
        assert_eq!(file.models.len(), SNAPSHOT.vendors.values().map(BTreeMap::len).sum::<usize>());
        let is_day = |text: &str| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
        assert!(is_day(PriceBook::snapshot()));
        assert!(file.models.iter().filter_map(|row| row.retires).all(is_day));
    }

    #[test]
    fn a_name_is_found_as_it_is_with_its_date_and_as_clouds_write_it() {
        check("openai", "gpt-4.1", Some(2_000));
        check("anthropic", "claude-haiku-4-5-20251001", Some(1_000));
        check("anthropic", "claude-haiku-4-5-20990101", Some(1_000));
        check("anthropic", "claude-haiku-4-5@20251001", Some(1_000));
        check("anthropic", "eu.anthropic.claude-haiku-4-5-20251001-v1:0", Some(1_000));
        check("openai", "gpt-5.4-2027-01-01", Some(2_500));
        check("openai", "router/openai/gpt-4.1", Some(2_000));
        check("google", "models/gemini-2.5-pro", Some(1_250));
    }

    #[test]
    fn a_name_that_begins_alike_is_another_model() {
        for model in ["gpt-4.1-fine", "gpt-4.1-", "claude-haiku-4-5-2025", "ft:gpt-4.1:me::x", "", "-latest"] {
            check("openai", model, None);
            check("anthropic", model, None);
        }
    }

    #[test]
    fn the_operator_has_the_first_word_and_the_ceiling_the_last() {
        let flat = |nanos| Price::flat(Rate::nanos_per_token(nanos));
        let overrides = [("p/gpt-4.1", 1), ("gpt-4.1", 2), ("local/*", 3), ("local/big*", 4)];
        let overrides = overrides.into_iter().map(|(name, nanos)| (name.to_owned(), flat(nanos))).collect();
        let book = PriceBook::new(overrides, Some(Rate::nanos_per_token(9))).unwrap();
        let of = |provider, model| {
            let found = book.find(provider, Some("openai"), model).unwrap();
            (found.price.input.0.0 / 1_000_000, found.source)
        };
        assert_eq!(of("p", "gpt-4.1"), (1, PriceSource::Operator));
        assert_eq!(of("q", "gpt-4.1"), (2, PriceSource::Operator));
        assert_eq!(of("local", "small"), (3, PriceSource::Operator));
        assert_eq!(of("local", "big-1"), (4, PriceSource::Operator));
        assert_eq!(of("q", "gpt-4.1-mini"), (400, PriceSource::Snapshot));
        assert_eq!(of("q", "what"), (9, PriceSource::Ceiling));
    }

    #[test]
    fn a_beginning_needs_a_beginning() {
        for name in ["*", "", "a*b", "a**"] {
            assert!(PriceBook::new([(name.to_owned(), Price::default())].into(), None).is_err(), "{name}");
        }
    }
}
