use std::collections::VecDeque;
use std::time::Duration;

use orchestrator_vocab::EventId;
use tokio::time::Instant;

/// What was sent to one subscriber and is not acknowledged: numbers, not events. It knows no clock and sends nothing.
#[derive(Debug)]
pub(crate) struct Ledger {
    redeliver_after: Duration,
    in_flight_max: usize,
    /// Numbers rise.
    sent: VecDeque<Sent>,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    seq: u64,
    id: EventId,
    at: Instant,
}

impl Ledger {
    pub(crate) fn new(redeliver_after: Duration, in_flight_max: usize) -> Self {
        Self { redeliver_after, in_flight_max, sent: VecDeque::new() }
    }

    /// Notes that an event is sent, for the first time or again.
    pub(crate) fn sent(&mut self, seq: u64, id: EventId, now: Instant) {
        match self.sent.binary_search_by_key(&seq, |sent| sent.seq) {
            Ok(at) => self.sent[at].at = now,
            Err(at) => self.sent.insert(at, Sent { seq, id, at: now }),
        }
    }

    /// Everything up to and with this number has arrived.
    pub(crate) fn acknowledge(&mut self, seq: u64) {
        while self.sent.front().is_some_and(|sent| sent.seq <= seq) {
            self.sent.pop_front();
        }
    }

    /// Everything up to and with the last of these has arrived. The ids of others mean nothing here.
    pub(crate) fn acknowledge_ids(&mut self, ids: &[EventId]) {
        let last = self.sent.iter().rev().find(|sent| ids.contains(&sent.id)).map(|sent| sent.seq);
        if let Some(last) = last {
            self.acknowledge(last);
        }
    }

    /// An event that cannot be sent again, because the log no longer has it.
    pub(crate) fn forget(&mut self, seq: u64) {
        self.sent.retain(|sent| sent.seq != seq);
    }

    pub(crate) fn awaits(&self, seq: u64) -> bool {
        self.sent.binary_search_by_key(&seq, |sent| sent.seq).is_ok()
    }

    /// The number before the first that is not acknowledged: where everything is read again from.
    pub(crate) fn before_first(&self) -> Option<u64> {
        self.sent.front().map(|sent| sent.seq - 1)
    }

    /// The numbers that have waited long enough to be sent again, in order.
    pub(crate) fn due(&self, now: Instant) -> Vec<u64> {
        self.sent.iter().filter(|sent| sent.at + self.redeliver_after <= now).map(|sent| sent.seq).collect()
    }

    /// When something will be due, if nothing is acknowledged until then.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.sent.iter().map(|sent| sent.at).min().map(|at| at + self.redeliver_after)
    }

    /// Whether nothing new may be sent before something is acknowledged.
    pub(crate) fn is_full(&self) -> bool {
        self.sent.len() >= self.in_flight_max
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const AFTER: Duration = Duration::from_secs(30);
    const MAX: usize = 8;

    #[derive(Debug, Clone)]
    enum Step {
        Send,
        Acknowledge(u64),
        AcknowledgeIds(Vec<u64>),
        Pass(u64),
        Redeliver,
        Forget(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Send),
            2 => (0..40u64).prop_map(Step::Acknowledge),
            1 => prop::collection::vec(0..40u64, 0..4).prop_map(Step::AcknowledgeIds),
            3 => (1..40u64).prop_map(Step::Pass),
            2 => Just(Step::Redeliver),
            1 => (0..40u64).prop_map(Step::Forget),
        ];
        prop::collection::vec(step, 0..80)
    }

    proptest! {
        /// Against the plainest model: a map of what is out and since when.
        #[test]
        fn what_is_not_acknowledged_is_sent_again_and_nothing_else(steps in steps()) {
            let mut ledger = Ledger::new(AFTER, MAX);
            let (mut now, mut next) = (Instant::now(), 1);
            let ids: Vec<EventId> = (0..100).map(|_| EventId::new()).collect();
            let id = |seq: u64| ids[usize::try_from(seq).unwrap()];
            let mut model = BTreeMap::<u64, Instant>::new();
            for step in steps {
                match step {
                    Step::Send if model.len() < MAX => {
                        ledger.sent(next, id(next), now);
                        model.insert(next, now);
                        next += 1;
                    }
                    Step::Send => prop_assert!(ledger.is_full()),
                    Step::Acknowledge(seq) => {
                        ledger.acknowledge(seq);
                        model.retain(|out, _| *out > seq);
                    }
                    Step::AcknowledgeIds(seqs) => {
                        ledger.acknowledge_ids(&seqs.iter().map(|seq| id(*seq)).collect::<Vec<_>>());
                        if let Some(last) = seqs.into_iter().filter(|seq| model.contains_key(seq)).max() {
                            model.retain(|out, _| *out > last);
                        }
                    }
                    Step::Pass(seconds) => now += Duration::from_secs(seconds),
                    Step::Redeliver => {
                        let due = ledger.due(now);
                        let expected: Vec<u64> =
                            model.iter().filter(|(_, at)| **at + AFTER <= now).map(|(seq, _)| *seq).collect();
                        prop_assert_eq!(&due, &expected);
                        for seq in due {
                            ledger.sent(seq, id(seq), now);
                            model.insert(seq, now);
                        }
                        prop_assert!(ledger.due(now).is_empty());
                    }
                    Step::Forget(seq) => {
                        ledger.forget(seq);
                        model.remove(&seq);
                    }
                }
                prop_assert_eq!(ledger.before_first(), model.keys().next().map(|seq| seq - 1));
                prop_assert_eq!(ledger.due_at(), model.values().min().map(|at| *at + AFTER));
                prop_assert_eq!(ledger.is_full(), model.len() >= MAX);
                prop_assert!((0..40).all(|seq| ledger.awaits(seq) == model.contains_key(&seq)));
            }
        }
    }
}
