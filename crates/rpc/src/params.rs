use schemars::JsonSchema;
use serde::de::{DeserializeOwned, DeserializeSeed};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use serde_path_to_error::{Path, Segment, Track};

use crate::Error;
use crate::strict::Strict;

/// How deep parameters may nest. A message may be 64 deep; the parameters sit inside a message inside a batch.
pub const PARAMS_DEPTH_MAX: usize = 62;

/// What a message quotes of the caller's own words, in bytes.
const QUOTED_BYTES_MAX: usize = 300;

/// The parameters of an operation that takes none: absent, `null` or `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// Parses parameters strictly; absent and `null` count as `{}`.
///
/// Beyond what `T` refuses (it should be `deny_unknown_fields`), refuses keys written twice anywhere, nesting
/// deeper than [`PARAMS_DEPTH_MAX`], lists in place of the object, and numbers beyond a double. In free-form
/// parts (`serde_json::Value`) whole numbers keep all digits within 64 bits; larger ones become the nearest
/// double, as in JavaScript: send those as strings. Where an integer is expected, `7.0` is one.
///
/// # Errors
/// [`Code::InvalidParams`](crate::Code::InvalidParams), naming the field by its path.
pub fn parse_params<T: DeserializeOwned>(params: Option<&RawValue>) -> Result<T, Error> {
    let text = match params.map(RawValue::get) {
        None | Some("null") => "{}",
        Some(text) if text.starts_with('{') => text,
        Some(text) if text.starts_with('[') => {
            return Err(Error::invalid_params("parameters are given by name, as an object, not as a list"));
        }
        Some(_) => return Err(Error::invalid_params("parameters are an object")),
    };
    // The paths of errors are only tracked in a second attempt: tracking copies every key.
    let strict = Strict { depth: PARAMS_DEPTH_MAX };
    if strict.deserialize(&mut serde_json::Deserializer::from_str(text)).is_err() {
        return Err(explain(text, |tracked| strict.deserialize(tracked)));
    }
    serde_json::from_str(text).or_else(|_| {
        let whole = with_whole_numbers(text).and_then(|text| serde_json::from_str(&text).ok());
        whole.ok_or_else(|| explain(text, |tracked| T::deserialize(tracked).map(drop)))
    })
}

/// The text with `7.0` and `7e0` written as `7`, or `None` if nothing changes. JSON Schema counts them as integers, and
/// some clients write all numbers as doubles; serde tells them apart.
fn with_whole_numbers(text: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    make_whole(&mut value).then(|| value.to_string())
}

/// Up to here every whole double is exactly one integer.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

fn make_whole(value: &mut Value) -> bool {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() <= WHOLE_MAX => {
                *value = Value::from(double as i64);
                true
            }
            _ => false,
        },
        // Not `any`, which stops at the first.
        Value::Array(items) => items.iter_mut().fold(false, |changed, item| make_whole(item) | changed),
        Value::Object(members) => members.values_mut().fold(false, |changed, item| make_whole(item) | changed),
        _ => false,
    }
}

/// Parses bytes that are one JSON value and nothing after it, for example a REST body.
///
/// # Errors
/// [`Code::Parse`](crate::Code::Parse).
pub fn parse_json(bytes: &[u8]) -> Result<Box<RawValue>, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::parse("not UTF-8"))?;
    serde_json::from_str(text).map_err(|error| Error::parse(format!("not JSON: {error}")))
}

type Tracked<'a, 'b> =
    serde_path_to_error::Deserializer<'a, 'b, &'a mut serde_json::Deserializer<serde_json::de::StrRead<'a>>>;

fn explain(text: &str, attempt: impl FnOnce(Tracked<'_, '_>) -> Result<(), serde_json::Error>) -> Error {
    let mut json = serde_json::Deserializer::from_str(text);
    let mut track = Track::new();
    let Err(error) = attempt(serde_path_to_error::Deserializer::new(&mut json, &mut track)) else {
        return Error::invalid_params("the parameters changed while they were read");
    };
    let path = track.path();
    let reason = without_position(&error);
    if let Some(name) = quoted_name(&reason, "missing field `") {
        return at(join(&path, name), "missing");
    }
    if let Some(name) = quoted_name(&reason, "duplicate field `") {
        return at(join(&path, name), "given twice");
    }
    match (last_key(&path), reason.strip_prefix("unknown field `")) {
        (Some(key), Some(rest)) if rest.starts_with(key) => {
            let known = rest[key.len()..].trim_start_matches('`');
            at(path.to_string(), &format!("unknown field{known}"))
        }
        _ => at(path.to_string(), &reason),
    }
}

fn at(field: String, reason: &str) -> Error {
    let reason = shortened(reason);
    match field.as_str() {
        "." | "" => Error::invalid_params(reason),
        field => Error::invalid_field(shortened(field), reason),
    }
}

/// serde_json appends ` at line 1 column 7`, which is of no use to a program that sent one line.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).unwrap_or(&text).to_owned()
}

fn quoted_name<'a>(reason: &'a str, prefix: &str) -> Option<&'a str> {
    reason.strip_prefix(prefix)?.strip_suffix('`')
}

/// The place of `name` in the object at `path`, whether or not the path already ends with it.
fn join(path: &Path, name: &str) -> String {
    if path.iter().next().is_none() {
        return name.to_owned();
    }
    if last_key(path) == Some(name) {
        return path.to_string();
    }
    format!("{path}.{name}")
}

fn last_key(path: &Path) -> Option<&str> {
    match path.iter().next_back() {
        Some(Segment::Map { key }) => Some(key),
        _ => None,
    }
}

pub(crate) fn shortened(text: &str) -> String {
    if text.len() <= QUOTED_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(QUOTED_BYTES_MAX);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests;
