//! Rows, as they are read and written.

use orchestrator_transcript::Usage;
use orchestrator_vocab::{Id, NanoUsd, Timestamp, Tokens};
use sea_orm::QueryResult;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::statement::{Holds, signed};
use crate::{Amount, Counter, CounterKey, Error, Reservation, Scope, ScopeKind, Span, Spender, Spending, SpendingId};

const TEXT: Holds = Holds::Text;
const NUMBER: Holds = Holds::Number;

pub(super) const COUNTER: [(&str, Holds); 11] = [
    ("counter", TEXT),
    ("kind", TEXT),
    ("name", TEXT),
    ("span", TEXT),
    ("start", NUMBER),
    ("spent_tokens", NUMBER),
    ("spent_nano_usd", NUMBER),
    ("reserved_tokens", NUMBER),
    ("reserved_nano_usd", NUMBER),
    ("alerted", NUMBER),
    ("exhausted", NUMBER),
];

/// What a counter holds, in the order in which it is read.
pub(super) const COUNTED: [&str; 6] =
    ["spent_tokens", "spent_nano_usd", "reserved_tokens", "reserved_nano_usd", "alerted", "exhausted"];

pub(super) const RESERVATION: [(&str, Holds); 5] =
    [("id", TEXT), ("node", TEXT), ("epoch", NUMBER), ("expires_at", NUMBER), ("body", TEXT)];

pub(super) const SPENDING: [(&str, Holds); 21] = [
    ("id", TEXT),
    ("at", NUMBER),
    ("settled_at", NUMBER),
    ("team", TEXT),
    ("agent", TEXT),
    ("session", TEXT),
    ("task", TEXT),
    ("model", TEXT),
    ("provider", TEXT),
    ("input", NUMBER),
    ("cache_read", NUMBER),
    ("cache_write_5m", NUMBER),
    ("cache_write_1h", NUMBER),
    ("output", NUMBER),
    ("reasoning", NUMBER),
    ("tokens", NUMBER),
    ("nano_usd", NUMBER),
    ("input_expected", NUMBER),
    ("ended", TEXT),
    ("estimated", NUMBER),
    ("price", TEXT),
];

/// What was told of a counter has a bit each in `alerted`.
const ALERTED: u64 = 1;
const DEGRADED: u64 = 2;
const BURNING: u64 = 4;

fn told(counter: &Counter) -> i64 {
    let bit = |is_told: bool, bit: u64| if is_told { bit } else { 0 };
    signed(bit(counter.alerted, ALERTED) | bit(counter.degraded, DEGRADED) | bit(counter.burning, BURNING))
}

/// One text for all of a key, so that many are found at once.
pub(super) fn text(key: &CounterKey) -> String {
    format!("{}@{}/{}", key.scope, key.span, key.start.millis())
}

pub(super) fn id(id: SpendingId) -> String {
    id.uuid().simple().to_string()
}

pub(super) fn of_counter(key: &CounterKey, counter: &Counter) -> Json {
    json!([
        text(key),
        key.scope.kind().as_str(),
        key.scope.name(),
        key.span.as_str(),
        key.start.millis(),
        signed(counter.spent.tokens.0),
        signed(counter.spent.nano_usd.0),
        signed(counter.reserved.tokens.0),
        signed(counter.reserved.nano_usd.0),
        told(counter),
        i64::from(counter.exhausted),
    ])
}

pub(super) fn of_reservation(held: &Reservation) -> Json {
    let body = serde_json::to_string(held).expect("a reservation is plain data");
    json!([id(held.id), held.owner.node, signed(held.owner.epoch), held.expires_at.millis(), body])
}

pub(super) fn of_spending(spending: &Spending) -> Json {
    let (spender, usage) = (&spending.spender, spending.usage);
    let or_empty = |name: Option<String>| name.unwrap_or_default();
    json!([
        id(spending.id),
        spending.at.millis(),
        spending.settled_at.millis(),
        or_empty(spender.team.clone()),
        or_empty(spender.agent.as_ref().map(ToString::to_string)),
        or_empty(spender.session.map(|id| id.to_string())),
        or_empty(spender.task.map(|id| id.to_string())),
        spender.model,
        spender.provider,
        signed(usage.input),
        signed(usage.cache_read),
        signed(usage.cache_write_5m),
        signed(usage.cache_write_1h),
        signed(usage.output),
        signed(usage.reasoning),
        signed(spending.amount.tokens.0),
        signed(spending.amount.nano_usd.0),
        signed(spending.input_expected),
        word(&spending.end),
        i64::from(spending.estimated),
        word(&spending.price),
    ])
}

/// The columns `kind`, `name`, `span`, `start`, and [`COUNTED`].
pub(super) fn counter(row: &QueryResult) -> Result<(CounterKey, Counter), Error> {
    let kind: ScopeKind = parsed(row.try_get("", "kind")?)?;
    let name: String = row.try_get("", "name")?;
    let span: Span = parsed(row.try_get("", "span")?)?;
    let key = CounterKey {
        scope: Scope::new(kind, name).map_err(Error::store)?,
        span,
        start: Timestamp(row.try_get("", "start")?),
    };
    Ok((key, counted(row, 4)?))
}

/// The columns [`COUNTED`], which begin at a place.
pub(super) fn counted(row: &QueryResult, from: usize) -> Result<Counter, Error> {
    let number = |place: usize| row.try_get_by_index::<i64>(from + place).map(i64::unsigned_abs);
    let amount = |place| -> Result<_, Error> {
        Ok(Amount { tokens: Tokens(number(place)?), nano_usd: NanoUsd(number(place + 1)?) })
    };
    let told = number(4)?;
    Ok(Counter {
        spent: amount(0)?,
        reserved: amount(2)?,
        alerted: told & ALERTED != 0,
        degraded: told & DEGRADED != 0,
        burning: told & BURNING != 0,
        exhausted: number(5)? != 0,
    })
}

/// When it expires is told by its column, which is renewed.
pub(super) fn reservation(row: &QueryResult) -> Result<Reservation, Error> {
    let body: String = row.try_get("", "body")?;
    let held: Reservation = serde_json::from_str(&body).map_err(Error::store)?;
    Ok(Reservation { expires_at: Timestamp(row.try_get("", "expires_at")?), ..held })
}

pub(super) fn spending(row: &QueryResult) -> Result<Spending, Error> {
    let id: String = row.try_get("", "id")?;
    let text = |column: &str| -> Result<Option<String>, Error> {
        let text: String = row.try_get("", column)?;
        Ok((!text.is_empty()).then_some(text))
    };
    Ok(Spending {
        id: format!("spending_{id}").parse::<Id<_>>().map_err(Error::store)?,
        at: Timestamp(row.try_get("", "at")?),
        settled_at: Timestamp(row.try_get("", "settled_at")?),
        spender: Spender {
            team: text("team")?,
            agent: text("agent")?.map(|name| name.parse()).transpose().map_err(Error::store)?,
            session: text("session")?.map(|id| id.parse()).transpose().map_err(Error::store)?,
            task: text("task")?.map(|id| id.parse()).transpose().map_err(Error::store)?,
            model: row.try_get("", "model")?,
            provider: row.try_get("", "provider")?,
        },
        usage: usage(row)?,
        amount: amount(row, "tokens", "nano_usd")?,
        input_expected: number(row, "input_expected")?,
        end: parsed(row.try_get("", "ended")?)?,
        estimated: number(row, "estimated")? != 0,
        price: parsed(row.try_get("", "price")?)?,
    })
}

pub(super) fn usage(row: &QueryResult) -> Result<Usage, Error> {
    Ok(Usage {
        input: number(row, "input")?,
        cache_read: number(row, "cache_read")?,
        cache_write_5m: number(row, "cache_write_5m")?,
        cache_write_1h: number(row, "cache_write_1h")?,
        output: number(row, "output")?,
        reasoning: number(row, "reasoning")?,
    })
}

pub(super) fn amount(row: &QueryResult, tokens: &str, nano_usd: &str) -> Result<Amount, Error> {
    Ok(Amount { tokens: Tokens(number(row, tokens)?), nano_usd: NanoUsd(number(row, nano_usd)?) })
}

pub(super) fn number(row: &QueryResult, column: &str) -> Result<u64, Error> {
    let number: i64 = row.try_get("", column)?;
    Ok(number.unsigned_abs())
}

fn parsed<T: DeserializeOwned>(word: String) -> Result<T, Error> {
    serde_json::from_value(Json::String(word)).map_err(Error::store)
}

/// An enum without data, as it is in JSON.
fn word(value: &impl serde::Serialize) -> Json {
    serde_json::to_value(value).expect("a word is plain data")
}
