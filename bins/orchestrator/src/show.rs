//! JSON for people.

use std::time::Duration;

use orchestrator_vocab::{Clock as _, SystemClock, Timestamp};
use serde_json::Value;

/// A field that is text, or nothing.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Any value, as short as it is still understood.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Like [`plain`], but lists as words with commas.
pub(crate) fn words(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) if fields.is_empty() => String::new(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        other => plain(other),
    }
}

/// At most so many characters of the first line.
pub(crate) fn short(text: &str, chars_max: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    let is_cut = line.chars().count() > chars_max || line.len() < text.trim_end().len();
    let mut short: String = line.chars().take(chars_max).collect();
    if is_cut {
        short.push('…');
    }
    short
}

/// A result or progress: text as it is, anything else as JSON that can be read.
pub(crate) fn pretty(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim_end().to_owned(),
        other => format!("{other:#}"),
    }
}

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// How long ago, in one unit: `42s`, `3m`, `5h`, `2d`.
pub(crate) fn ago(value: &Value) -> String {
    let time: Option<Timestamp> = value.as_str().and_then(|text| text.parse().ok());
    // What was always there has no age.
    time.filter(|time| time.millis() > 0).map(|time| span(now().since(time))).unwrap_or_default()
}

/// How far away: `in 5m`, or `5m ago`.
pub(crate) fn away(value: &Value) -> String {
    let time: Option<Timestamp> = value.as_str().and_then(|text| text.parse().ok());
    match time {
        // Rounded: what is an hour away is so a moment later too.
        Some(time) if time > now() => format!("in {}", span(time.since(now()) + Duration::from_millis(500))),
        Some(time) => format!("{} ago", span(now().since(time))),
        None => String::new(),
    }
}

pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{}ms", span.as_millis()),
        1..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Milliseconds as the daemon counts them.
pub(crate) fn millis(value: &Value) -> String {
    value.as_u64().map(|millis| span(Duration::from_millis(millis))).unwrap_or_default()
}

/// A configured span, exactly: `90s`, `2h`, `1500ms`.
pub(crate) fn exactly(value: &Value) -> String {
    let millis = value.as_u64().unwrap_or_default();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let (size, unit) =
        units.into_iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size)).unwrap_or((1, "ms"));
    format!("{}{unit}", millis / size)
}

/// `1 task`, `2 tasks`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spans_have_one_unit() {
        let check = |seconds: u64, text: &str| assert_eq!(span(Duration::from_secs(seconds)), text);
        check(119, "119s");
        check(120, "2m");
        check(7_200, "2h");
        check(200_000, "2d");
        assert_eq!(span(Duration::from_millis(250)), "250ms");
    }

    #[test]
    fn configured_spans_are_exact() {
        let check = |millis: u64, text: &str| assert_eq!(exactly(&json!(millis)), text);
        check(3_600_000, "1h");
        check(90_000, "90s");
        check(1_500, "1500ms");
        check(0, "0ms");
    }

    #[test]
    fn long_texts_are_cut_where_they_may_be() {
        assert_eq!(short("äöü", 3), "äöü");
        assert_eq!(short("äöüß", 3), "äöü…");
        assert_eq!(short("one\ntwo", 10), "one…");
    }

    #[test]
    fn values_are_shown_without_their_syntax() {
        assert_eq!(words(&json!(["a", "b"])), "a, b");
        assert_eq!(words(&json!(true)), "yes");
        assert_eq!(words(&json!({})), "");
        assert_eq!(plain(&json!(null)), "");
    }
}
