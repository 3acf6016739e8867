use std::collections::VecDeque;

use orchestrator_vocab::Timestamp;

use super::{Plan, Schedule, Timetable};

/// What a schedule asks for at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// Instants that came too late: all of them are one recorded skip.
    pub missed: Option<Missed>,
    /// Instants to deal with now, in order: each is a task, or a recorded skip if tasks overlap.
    pub fire: Vec<Timestamp>,
    /// Where to go on; none if the plan has come to its end.
    pub next: Option<Timestamp>,
}

/// A run of instants that came too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// The first of them.
    pub from: Timestamp,
    /// The first instant, or moment, after them.
    pub until: Timestamp,
}

/// How far back the search for the newest instants starts, in milliseconds; it doubles until there are enough.
const FIRST_LOOK_BACK_MS: u64 = 60_000;

impl Schedule {
    /// What is due at `now`. Does not look at [`paused`](Schedule::paused).
    ///
    /// Of the instants since [`next_instant`](Schedule::next_instant) that are at most the catch-up window late, the newest
    /// [`catch_up_max`](Schedule::catch_up_max) are to be dealt with; all before them are missed. A one-off is never too late.
    pub fn due(&self, now: Timestamp) -> Due {
        let nothing = Due { next: self.next_instant, ..Due::default() };
        let (Some(first), Ok(timetable)) = (self.next_instant, Timetable::of(&self.plan)) else { return nothing };
        if self.due_at(first) > now {
            return nothing;
        }
        if matches!(self.plan, Plan::At(_)) {
            return Due { missed: None, fire: vec![first], next: None };
        }
        let next = self.first_not_due(&timetable, first, now);
        let end = next.unwrap_or(Timestamp(now.millis().saturating_add(1)));
        let fire = self.newest(&timetable, first, now, end);
        let until = fire.first().copied().unwrap_or(end);
        let missed = (first < until).then_some(Missed { from: first, until });
        Due { missed, fire, next }
    }

    /// All before it are due. Whatever is older than the longest jitter is due for certain.
    fn first_not_due(&self, timetable: &Timetable, first: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let doubtful = back(now, self.jitter_ms).max(first);
        timetable.from(doubtful).find(|instant| self.due_at(*instant) > now)
    }

    /// The newest instants before `end` that are neither dealt with nor too late, in order.
    fn newest(&self, timetable: &Timetable, first: Timestamp, now: Timestamp, end: Timestamp) -> Vec<Timestamp> {
        let most = self.catch_up_max as usize;
        let floor = back(now, self.catch_up_window_ms.saturating_add(self.jitter_ms)).max(first);
        let mut look_back_ms = FIRST_LOOK_BACK_MS.saturating_add(self.jitter_ms);
        loop {
            let start = back(now, look_back_ms).max(floor);
            let mut newest = VecDeque::with_capacity(most);
            for instant in timetable.from(start).take_while(|instant| *instant < end) {
                if newest.len() == most {
                    newest.pop_front();
                }
                newest.push_back(instant);
            }
            if newest.len() == most || start == floor {
                return newest.into();
            }
            look_back_ms = look_back_ms.saturating_mul(2);
        }
    }
}

fn back(now: Timestamp, span_ms: u64) -> Timestamp {
    Timestamp(now.millis().saturating_sub(i64::try_from(span_ms).unwrap_or(i64::MAX)))
}
