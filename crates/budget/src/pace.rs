//! Whether spending goes on so fast that a limit will not last for its window. Pure.

use serde::Serialize;

use crate::{Amount, Limit};

/// In milliseconds. What is shorter tells nothing of how it goes on.
const HOUR: u64 = 3_600_000;
/// Above so much of the limit, in thousandths, a pace is too fast; from there it is so down to [`LEFT`].
const REACHED: u64 = 1_000;
const LEFT: u64 = 900;

/// How fast it is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Pace {
    /// What is spent per hour lately: in this hour and the one before.
    pub short_per_hour: Amount,
    /// And for longer: since its window began, or since yesterday if that is later.
    pub long_per_hour: Amount,
    /// How much of the limit will be spent when the next window begins, in thousandths, at the slower of both.
    pub forecast_permille: u64,
    /// Whether the limit will be exhausted before then, at both.
    pub burning: bool,
}

/// What was spent in a time that lasted until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lately {
    pub(crate) spent: Amount,
    pub(crate) millis: u64,
}

impl Lately {
    pub(crate) fn per_hour(self) -> Amount {
        self.spent.scaled(HOUR, self.millis.max(HOUR))
    }

    /// What is spent in as many milliseconds at this pace.
    fn within(self, millis: u64) -> Amount {
        self.spent.scaled(millis, self.millis.max(HOUR))
    }
}

impl Pace {
    /// Of a limit of which `spent` is spent, and whose window lasts for `ahead` milliseconds more. `was`: whether it was burning.
    ///
    /// Both paces must be too fast: one bad hour does not exhaust a month, and what was spent in the morning is no matter when
    /// nothing is spent any more. A limit that is exhausted has nothing left to burn.
    pub(crate) fn of(limit: &Limit, spent: Amount, ahead: u64, [short, long]: [Lately; 2], was: bool) -> Self {
        let forecast = |lately: Lately| limit.used_permille(spent + lately.within(ahead));
        let forecast_permille = forecast(short).min(forecast(long));
        let most = if was { LEFT } else { REACHED };
        Self {
            short_per_hour: short.per_hour(),
            long_per_hour: long.per_hour(),
            forecast_permille,
            burning: forecast_permille > most && limit.used_permille(spent) < REACHED,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(tokens: u64) -> Limit {
        serde_json::from_value(serde_json::json!({ "scope": "organisation", "window": "day", "tokens": tokens }))
            .unwrap()
    }

    fn lately(tokens: u64, hours: u64) -> Lately {
        Lately { spent: Amount::new(tokens, 0), millis: hours * HOUR }
    }

    #[track_caller]
    fn check(spent: u64, short: Lately, long: Lately, was: bool, expected: bool) {
        let pace = Pace::of(&limit(1_000), Amount::new(spent, 0), 10 * HOUR, [short, long], was);
        assert_eq!(pace.burning, expected, "{pace:?}");
    }

    #[test]
    fn both_paces_must_be_too_fast() {
        // Ten hours are left, and 500 of 1,000.
        check(500, lately(102, 2), lately(510, 10), false, true);
        check(500, lately(98, 2), lately(510, 10), false, false);
        check(500, lately(102, 2), lately(490, 10), false, false);
        check(500, lately(0, 2), lately(500, 1), false, false);
    }

    #[test]
    fn it_burns_until_it_is_clearly_slower() {
        check(500, lately(82, 2), lately(510, 10), true, true);
        check(500, lately(80, 2), lately(510, 10), true, false);
        check(1_000, lately(900, 2), lately(1_000, 10), true, false);
    }

    #[test]
    fn a_moment_is_taken_for_an_hour() {
        let moment = Lately { spent: Amount::new(30, 0), millis: 1 };
        check(30, moment, moment, false, false);
        assert_eq!(moment.per_hour(), Amount::new(30, 0));
    }

    proptest! {
        /// Nothing burns that is not spent, whatever was spent before.
        #[test]
        fn who_spends_nothing_lately_burns_nothing(spent in 0_u64..1_000, long in 0_u64..100_000, ahead in 0_u64..1_000 * HOUR, was in any::<bool>()) {
            prop_assume!(!was || spent <= LEFT);
            let pace = Pace::of(&limit(1_000), Amount::new(spent, 0), ahead, [lately(0, 2), lately(long, 24)], was);
            prop_assert!(!pace.burning);
        }

        /// Who spends faster burns if who spends slower does; and who burned goes on at any pace at which one begins.
        #[test]
        fn faster_is_never_safer(
            spent in 0_u64..1_000, short in 0_u64..10_000, long in 0_u64..10_000, more in 0_u64..10_000,
            ahead in 0_u64..1_000 * HOUR, was in any::<bool>(),
        ) {
            let of = |short, long, was| Pace::of(&limit(1_000), Amount::new(spent, 0), ahead, [lately(short, 2), lately(long, 24)], was);
            let (slow, fast) = (of(short, long, was), of(short + more, long + more, was));
            prop_assert!(!slow.burning || fast.burning);
            prop_assert!(!of(short, long, false).burning || of(short, long, true).burning);
        }

        /// A pace that leaves something when the window ends is not too fast, however it is measured.
        #[test]
        fn what_lasts_does_not_burn(rate in 0_u64..40, hours in 1_u64..24) {
            // Steadily `rate` an hour, of 1,000 a day.
            let (spent, ahead) = (rate * hours, (24 - hours) * HOUR);
            let pace = Pace::of(&limit(1_000), Amount::new(spent, 0), ahead, [lately(rate, 1), lately(spent, hours)], false);
            prop_assert!(!pace.burning || rate * 24 > 1_000, "{:?}", pace);
            prop_assert_eq!(pace.forecast_permille, rate * 24);
        }
    }
}
