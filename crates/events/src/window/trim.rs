use std::sync::Arc;

use orchestrator_vocab::Timestamp;

use crate::{Event, Filter, Gap, GapReason};

/// Where one subscription of a window stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) position: u64,
    pub(crate) filter: Arc<Filter>,
}

/// Finds what a window has to give up: looks at what was not delivered, the newest first, keeps as many events as it may,
/// and counts the rest. An event that several subscriptions want counts once towards the bound.
#[derive(Debug)]
pub(crate) struct Trim {
    standings: Vec<Standing>,
    missing: Vec<u64>,
    events_max: usize,
    not_before: Timestamp,
    kept: usize,
    /// The newest event that is given up.
    cut: Option<u64>,
    /// The oldest number looked at.
    seen: Option<u64>,
}

impl Trim {
    pub(crate) fn new(standings: Vec<Standing>, events_max: usize, not_before: Timestamp) -> Self {
        let missing = vec![0; standings.len()];
        Self { standings, missing, events_max, not_before, kept: 0, cut: None, seen: None }
    }

    /// Looks at the next older event.
    pub(crate) fn look_at(&mut self, event: &Event) {
        self.seen = Some(event.seq);
        let wants =
            |standing: &Standing| standing.position < event.seq && standing.filter.matches(&event.name, &event.payload);
        if self.cut.is_none() {
            let is_wanted = self.standings.iter().any(wants);
            let is_kept = event.time >= self.not_before && (!is_wanted || self.kept < self.events_max);
            if is_kept {
                self.kept += usize::from(is_wanted);
                return;
            }
            self.cut = Some(event.seq);
        }
        for (standing, missing) in self.standings.iter().zip(&mut self.missing) {
            *missing += u64::from(wants(standing));
        }
    }

    /// What each subscription misses. Numbers that were not looked at, because the log no longer has them or because there
    /// were too many, count as missing whether they were wanted or not.
    pub(crate) fn gaps(self) -> Vec<Option<Gap>> {
        let (Some(cut), Some(seen)) = (self.cut, self.seen) else { return vec![None; self.standings.len()] };
        let gap = |(standing, missing): (&Standing, u64)| {
            let unseen = seen.saturating_sub(standing.position + 1);
            let count = missing + unseen;
            let gap = Gap { from: Some(standing.position + 1), to: Some(cut), count, reason: GapReason::Window };
            (standing.position < cut && count > 0).then_some(gap)
        };
        self.standings.iter().zip(self.missing).map(gap).collect()
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_vocab::{Actor, OrgId};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::NewEvent;

    fn event(seq: u64, name: &'static str, time: i64) -> Event {
        NewEvent::new(OrgId::LOCAL, name, Timestamp(time), Actor::system("test"), json!({})).numbered(seq)
    }

    fn standing(position: u64, pattern: &str) -> Standing {
        Standing { position, filter: Arc::new(Filter::parse([pattern]).unwrap()) }
    }

    #[test]
    fn twelve_hundred_missed_are_a_gap_of_two_hundred() {
        let mut trim = Trim::new(vec![standing(100, "**")], 1_000, Timestamp(0));
        (101..=1_300).rev().for_each(|seq| trim.look_at(&event(seq, "a", 1)));
        let gap = Gap { from: Some(101), to: Some(300), count: 200, reason: GapReason::Window };
        assert_eq!(trim.gaps(), [Some(gap)]);
    }

    #[test]
    fn what_is_too_old_is_given_up() {
        let mut trim = Trim::new(vec![standing(0, "**")], 1_000, Timestamp(3));
        (1..=5).rev().for_each(|seq| trim.look_at(&event(seq, "a", seq.cast_signed())));
        let gap = Gap { from: Some(1), to: Some(2), count: 2, reason: GapReason::Window };
        assert_eq!(trim.gaps(), [Some(gap)]);
    }

    #[test]
    fn numbers_the_log_no_longer_has_are_counted() {
        let mut trim = Trim::new(vec![standing(0, "**")], 2, Timestamp(0));
        (8..=10).rev().for_each(|seq| trim.look_at(&event(seq, "a", 1)));
        let gap = Gap { from: Some(1), to: Some(8), count: 8, reason: GapReason::Window };
        assert_eq!(trim.gaps(), [Some(gap)]);
    }

    proptest! {
        /// Kept and missing together are everything that was wanted, and the newest are kept.
        #[test]
        fn the_newest_are_kept_and_the_rest_is_counted(
            names in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..60),
            positions in prop::collection::vec((0u64..60, prop::sample::select(vec!["a", "b", "**"])), 1..4),
            events_max in 1usize..30,
        ) {
            let events: Vec<Event> =
                names.iter().zip(1..).map(|(name, seq)| event(seq, name, 1)).collect();
            let standings: Vec<Standing> = positions.iter().map(|(at, pattern)| standing(*at, pattern)).collect();
            let mut trim = Trim::new(standings.clone(), events_max, Timestamp(0));
            let lowest = standings.iter().map(|standing| standing.position).min().unwrap_or(0);
            events.iter().rev().filter(|event| event.seq > lowest).for_each(|event| trim.look_at(event));
            let gaps = trim.gaps();
            let wants = |standing: &Standing, event: &Event| {
                event.seq > standing.position && standing.filter.matches(&event.name, &event.payload)
            };
            let after: Vec<u64> = standings.iter().zip(&gaps)
                .map(|(standing, gap)| gap.and_then(|gap| gap.to).unwrap_or(standing.position)).collect();
            let delivered: Vec<u64> = events.iter().filter(|event| {
                standings.iter().zip(&after).any(|(standing, after)| event.seq > *after && wants(standing, event))
            }).map(|event| event.seq).collect();
            let mut wanted: Vec<u64> = events.iter()
                .filter(|event| standings.iter().any(|standing| wants(standing, event)))
                .map(|event| event.seq).collect();
            let newest = wanted.split_off(wanted.len().saturating_sub(events_max));
            prop_assert_eq!(delivered, newest);
            for ((standing, gap), after) in standings.iter().zip(&gaps).zip(&after) {
                let missed = events.iter().filter(|event| event.seq <= *after && wants(standing, event)).count();
                prop_assert_eq!(gap.map_or(0, |gap| gap.count), missed as u64);
                if let Some(gap) = gap {
                    prop_assert_eq!(gap.from, Some(standing.position + 1));
                }
            }
        }
    }
}
