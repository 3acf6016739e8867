use std::time::Duration;

use chrono::DateTime;
use orchestrator_vocab::Timestamp;

/// The longest wait a provider can ask for; more is taken for a mistake, and cut: an hour.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

/// What a provider says in its headers about trying again. Both vendors use the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryHints {
    /// `x-should-retry`: whether to try again at all.
    pub should_retry: Option<bool>,
    /// `retry-after-ms`, else `retry-after` in seconds or as a date: when.
    pub retry_after: Option<Duration>,
}

impl RetryHints {
    /// Reads them from headers. `header` gives the value of a header by its lowercase name; what it cannot mean is ignored.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>, now: Timestamp) -> Self {
        let should_retry = match header("x-should-retry") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        let millis = header("retry-after-ms").and_then(|value| seconds(value, 1_000.0));
        let retry_after = millis.or_else(|| header("retry-after").and_then(|value| after(value, now)));
        Self { should_retry, retry_after }
    }
}

fn after(value: &str, now: Timestamp) -> Option<Duration> {
    seconds(value, 1.0).or_else(|| {
        let date = DateTime::parse_from_rfc2822(value.trim()).ok()?.timestamp_millis();
        let millis = u64::try_from(date.saturating_sub(now.millis())).unwrap_or_default();
        Some(Duration::from_millis(millis).min(WAIT_MAX))
    })
}

fn seconds(value: &str, per_second: f64) -> Option<Duration> {
    let number: f64 = value.trim().parse().ok()?;
    let seconds = number / per_second;
    (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(WAIT_MAX.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&str, &str)], should_retry: Option<bool>, millis: Option<u64>) {
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        let header = |name: &str| headers.iter().find(|(given, _)| *given == name).map(|(_, value)| *value);
        let expected = RetryHints { should_retry, retry_after: millis.map(Duration::from_millis) };
        assert_eq!(RetryHints::read(header, now), expected, "{headers:?}");
    }

    #[test]
    fn headers_say_whether_and_when() {
        check(&[], None, None);
        check(&[("x-should-retry", "false")], Some(false), None);
        check(&[("x-should-retry", "perhaps"), ("retry-after", "2")], None, Some(2_000));
        check(&[("retry-after-ms", "1500"), ("retry-after", "9")], None, Some(1_500));
        check(&[("retry-after", "0.25")], None, Some(250));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], None, Some(7_000));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")], None, Some(0));
        check(&[("retry-after", "1e9")], None, Some(3_600_000));
        for wrong in ["-1", "NaN", "soon", ""] {
            check(&[("retry-after", wrong)], None, None);
        }
    }
}
