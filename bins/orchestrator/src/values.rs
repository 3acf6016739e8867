//! Values on the command line.

use std::io::Read as _;
use std::time::Duration;

use orchestrator_vocab::Timestamp;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::show::now;

/// `500ms`, `30s`, `5m`, `2h`, `7d`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let expected = || "expected a time such as 30s, 5m, 12h or 7d".to_owned();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(expected()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(expected)
}

/// RFC 3339, or `+` and a span from now.
pub(crate) fn when(text: &str) -> Result<Timestamp, String> {
    match text.strip_prefix('+') {
        Some(later) => Ok(now() + span(later)?),
        None => text.parse().map_err(|error| format!("{error}, or a time from now such as +10m")),
    }
}

/// Like [`when`], or `none` to take it away.
pub(crate) fn when_or_none(text: &str) -> Result<Value, String> {
    if text == "none" { Ok(Value::Null) } else { when(text).map(|time| json!(time)) }
}

/// A status as the daemon spells it; `in-progress` is understood too.
pub(crate) fn word(text: &str) -> Result<String, String> {
    Ok(text.replace('-', "_").to_lowercase())
}

/// An id, perhaps with a policy: `task_…` or `task_…:continue`.
pub(crate) fn dependency(text: &str) -> Result<Value, String> {
    match text.split_once(':') {
        None => Ok(json!(text)),
        Some((id, policy @ ("cancel" | "continue" | "wait"))) => Ok(json!({ "taskId": id, "onFailure": policy })),
        Some(_) => Err("after the colon comes what to do if it fails: cancel, continue or wait".into()),
    }
}

/// Text: as it is, `@file`, or `-` for standard input.
pub(crate) fn read_text(argument: &str) -> Result<String, Failure> {
    if argument == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        return Ok(text);
    }
    match argument.strip_prefix('@') {
        Some(file) => {
            std::fs::read_to_string(file).map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))
        }
        None => Ok(argument.to_owned()),
    }
}

/// JSON: as it is, `@file`, or `-` for standard input.
pub(crate) fn read_json(argument: &str) -> Result<Value, Failure> {
    let text = read_text(argument)?;
    serde_json::from_str(&text).map_err(|error| Failure::usage(format!("that is not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        assert_eq!(span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(span("12h"), Ok(Duration::from_secs(43_200)));
        for text in ["", "5", "h", "5w", "-5m", "99999999999999999999d", "9999999999999999d"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_absolute_or_from_now() {
        assert_eq!(when("2026-01-31T12:00:00Z").unwrap().millis(), 1_769_860_800_000);
        assert!(when("+1h").unwrap() > now());
        assert!(when("tomorrow").is_err());
        assert_eq!(when_or_none("none"), Ok(Value::Null));
    }

    #[test]
    fn a_dependency_may_carry_its_policy() {
        assert_eq!(dependency("task_1"), Ok(json!("task_1")));
        assert_eq!(dependency("task_1:wait"), Ok(json!({"taskId": "task_1", "onFailure": "wait"})));
        assert!(dependency("task_1:explode").is_err());
    }
}
