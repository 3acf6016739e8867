use jiff::tz::TimeZone;
use orchestrator_vocab::Timestamp;

use super::{Cron, Every, Plan};
use crate::Error;

/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 256;
/// The longest name of a time zone, in bytes.
const TIME_ZONE_BYTES_MAX: usize = 64;
/// The shortest and the longest interval: a second and a leap year.
const INTERVAL_MS: std::ops::RangeInclusive<u64> = 1_000..=366 * 24 * 3_600_000;

/// A plan that was checked and can be asked.
#[derive(Debug, Clone)]
pub(crate) enum Timetable {
    Cron(Box<croner::Cron>, TimeZone),
    Every { interval_ms: i64, anchor: Timestamp },
    At(Timestamp),
}

impl Timetable {
    /// Checks a plan; the error names the field of the plan.
    pub(crate) fn of(plan: &Plan) -> Result<Self, Error> {
        match plan {
            Plan::Cron(cron) => Self::cron(cron),
            Plan::Every(every) => Self::every(every),
            Plan::At(at) => Ok(Self::At(*at)),
        }
    }

    fn cron(cron: &Cron) -> Result<Self, Error> {
        if cron.pattern.len() > PATTERN_BYTES_MAX {
            let problem = format!("expected at most {PATTERN_BYTES_MAX} bytes, got {}", cron.pattern.len());
            return Err(Error::invalid("cron.pattern", problem));
        }
        let pattern: croner::Cron = cron.pattern.parse().map_err(|error: croner::errors::CronError| {
            Error::invalid("cron.pattern", error.to_string().trim_end_matches('.'))
        })?;
        let known = (cron.time_zone.len() <= TIME_ZONE_BYTES_MAX).then(|| TimeZone::get(&cron.time_zone).ok());
        let Some(zone) = known.flatten() else {
            return Err(Error::invalid("cron.timeZone", "expected an IANA name such as Europe/Berlin"));
        };
        Ok(Self::Cron(Box::new(pattern), zone))
    }

    fn every(every: &Every) -> Result<Self, Error> {
        if !INTERVAL_MS.contains(&every.interval_ms) {
            let (least, most) = (INTERVAL_MS.start(), INTERVAL_MS.end());
            let problem = format!("expected {least} to {most}, got {}", every.interval_ms);
            return Err(Error::invalid("every.intervalMs", problem));
        }
        let interval_ms = i64::try_from(every.interval_ms).expect("the interval was checked to be below a leap year");
        Ok(Self::Every { interval_ms, anchor: every.anchor.unwrap_or_default() })
    }

    /// The first instant after `time`; none if there is none any more.
    pub(crate) fn after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(at) => (*at > time).then_some(*at),
            Self::Every { anchor, .. } if time < *anchor => Some(*anchor),
            Self::Every { interval_ms, anchor } => {
                let passed = time.millis().checked_sub(anchor.millis())? / interval_ms;
                let next = passed.checked_add(1)?.checked_mul(*interval_ms)?;
                anchor.millis().checked_add(next).map(Timestamp)
            }
            Self::Cron(pattern, zone) => {
                // Patterns know whole seconds only, so cutting the rest off loses no instant.
                let second = jiff::Timestamp::from_second(time.millis().div_euclid(1_000)).ok()?;
                let next = pattern.find_next_occurrence(&second.to_zoned(zone.clone()), false).ok()?;
                Some(Timestamp(next.timestamp().as_millisecond()))
            }
        }
    }

    /// The instants from `start` on, `start` included.
    pub(crate) fn from(&self, start: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.after(Timestamp(start.millis().saturating_sub(1))), |last| self.after(*last))
    }
}
