use std::fmt;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use orchestrator_vocab::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name of a time zone, in bytes.
const ZONE_BYTES_MAX: usize = 64;
/// In milliseconds.
const HOUR: i64 = 3_600_000;

/// For how long spending is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// An hour of the clock on the wall. Where clocks are put back, the two hours with one name are two.
    Hour,
    /// From midnight; 23 or 25 hours where clocks change.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
}

/// One hour, day, week or month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Which of them.
    pub span: Span,
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

/// Where days begin: a time zone by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// The text is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an IANA name such as Europe/Berlin")]
pub struct InvalidZone;

impl Span {
    /// All of them, from short to long.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// One word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

impl Zone {
    /// Greenwich without summer time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// By its name.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn named(name: &str) -> Result<Self, InvalidZone> {
        let known = (name.len() <= ZONE_BYTES_MAX).then(|| TimeZone::get(name).ok());
        known.flatten().map(Self).ok_or(InvalidZone)
    }

    /// The window of a length that a moment is in.
    pub fn window(&self, span: Span, at: Timestamp) -> Window {
        self.around(span, at).unwrap_or(Window { span, start: at, end: Timestamp(i64::MAX) })
    }

    /// The windows of every length that a moment is in, from short to long.
    pub fn windows(&self, at: Timestamp) -> [Window; 4] {
        Span::ALL.map(|span| self.window(span, at))
    }

    /// `None` beyond the years that the calendar knows.
    fn around(&self, span: Span, at: Timestamp) -> Option<Window> {
        let zoned = jiff::Timestamp::from_millisecond(at.millis()).ok()?.to_zoned(self.0.clone());
        let midnight = zoned.start_of_day().ok()?;
        let (start, end) = match span {
            Span::Hour => {
                let offset = i64::from(zoned.offset().seconds()) * 1_000;
                let start = (at.millis() + offset).div_euclid(HOUR) * HOUR - offset;
                return Some(Window { span, start: Timestamp(start), end: Timestamp(start + HOUR) });
            }
            Span::Day => (midnight.clone(), later(&midnight, 1.day())?),
            Span::Week => {
                let days = i64::from(midnight.weekday().since(Weekday::Monday));
                let monday = later(&midnight, (-days).days())?;
                (monday.clone(), later(&monday, 7.days())?)
            }
            Span::Month => {
                let first = midnight.first_of_month().ok()?.start_of_day().ok()?;
                (first.clone(), later(&first, 1.month())?)
            }
        };
        Some(Window { span, start: moment(&start), end: moment(&end) })
    }

    /// The day, as `2026-01-31`.
    pub fn day(&self, at: Timestamp) -> String {
        let known = jiff::Timestamp::from_millisecond(at.millis());
        known.map(|time| time.to_zoned(self.0.clone()).date().to_string()).unwrap_or_default()
    }
}

/// That many days or months on, when the day begins there.
fn later(from: &Zoned, span: jiff::Span) -> Option<Zoned> {
    from.date().checked_add(span).ok()?.to_zoned(from.time_zone().clone()).ok()?.start_of_day().ok()
}

fn moment(time: &Zoned) -> Timestamp {
    Timestamp(time.timestamp().as_millisecond())
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::named(&name).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(zone: &str, span: Span, at: &str, start: &str, end: &str) {
        let window = Zone::named(zone).unwrap().window(span, at.parse().unwrap());
        let expected = Window { span, start: start.parse().unwrap(), end: end.parse().unwrap() };
        assert_eq!(window, expected, "{zone} {span} {at}: {} to {}", window.start, window.end);
    }

    #[test]
    fn windows_begin_where_the_zone_says() {
        check("UTC", Span::Hour, "2026-01-31T12:34:56Z", "2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z");
        check("UTC", Span::Day, "2026-01-31T12:34:56Z", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z");
        check("UTC", Span::Week, "2026-02-01T23:59:59Z", "2026-01-26T00:00:00Z", "2026-02-02T00:00:00Z");
        check("UTC", Span::Month, "2024-02-29T00:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
        check("Asia/Kolkata", Span::Hour, "2026-01-31T12:34:56Z", "2026-01-31T12:30:00Z", "2026-01-31T13:30:00Z");
        check("America/New_York", Span::Day, "2026-01-31T03:00:00Z", "2026-01-30T05:00:00Z", "2026-01-31T05:00:00Z");
    }

    #[test]
    fn days_are_short_and_long_where_clocks_change() {
        check("Europe/Berlin", Span::Day, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        check("Europe/Berlin", Span::Day, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        // Half past two twice.
        check("Europe/Berlin", Span::Hour, "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z");
        check("Europe/Berlin", Span::Hour, "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z");
        // No midnight: the day begins at one.
        check("America/Sao_Paulo", Span::Day, "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z");
    }

    #[test]
    fn a_zone_has_a_name() {
        assert_eq!(serde_json::to_string(&Zone::named("Europe/Berlin").unwrap()).unwrap(), r#""Europe/Berlin""#);
        assert!(Zone::named("Mars/Olympus").is_err() && Zone::named("").is_err());
    }

    proptest! {
        #[test]
        fn windows_leave_no_gap(
            millis in 0_i64..4_102_444_800_000,
            span in proptest::sample::select(Span::ALL.to_vec()),
            zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia"]),
        ) {
            let zone = Zone::named(zone).unwrap();
            let window = zone.window(span, Timestamp(millis));
            prop_assert!(window.start <= Timestamp(millis) && Timestamp(millis) < window.end);
            // Where clocks move by half an hour, hours overlap once a year.
            if span == Span::Hour {
                prop_assert_eq!(window.end.millis() - window.start.millis(), HOUR);
            } else {
                prop_assert_eq!(zone.window(span, window.start), window);
                prop_assert_eq!(zone.window(span, Timestamp(window.end.millis() - 1)), window);
                prop_assert_eq!(zone.window(span, window.end).start, window.end);
            }
        }
    }
}
