//! What was handed on and is not known to have arrived. Pure but for the receipts.

use std::collections::{BTreeMap, HashMap, VecDeque};

use orchestrator_notify::Receipt;
use orchestrator_vocab::OrgId;

/// How far a destination was told, by organisation.
#[derive(Default)]
pub(super) struct Pending {
    /// Events up to here were looked at.
    read: HashMap<OrgId, u64>,
    /// And up to here that is written down.
    noted: HashMap<OrgId, u64>,
    handed: VecDeque<(OrgId, u64, Receipt)>,
}

/// What became of what was handed on first.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// Nothing was handed on.
    Nothing,
    /// It is not known yet.
    Open,
    /// It arrived, or was given up.
    Done,
    /// It was not tried: whoever should have is gone.
    Dropped,
}

impl Pending {
    pub(super) fn from(noted: HashMap<OrgId, u64>) -> Self {
        Self { read: noted.clone(), noted, handed: VecDeque::new() }
    }

    pub(super) fn read(&self, org: OrgId) -> u64 {
        self.read.get(&org).copied().unwrap_or_default()
    }

    pub(super) fn looked_at(&mut self, org: OrgId, seq: u64) {
        self.read.insert(org, seq);
    }

    pub(super) fn handed(&mut self, org: OrgId, seq: u64, receipt: Receipt) {
        self.handed.push_back((org, seq, receipt));
    }

    pub(super) fn front(&mut self) -> Front {
        let Some((_, _, receipt)) = self.handed.front_mut() else { return Front::Nothing };
        match receipt.peek() {
            None => Front::Open,
            Some(None) => Front::Dropped,
            Some(Some(_)) => {
                self.handed.pop_front();
                Front::Done
            }
        }
    }

    /// The receipt of what was handed on first.
    pub(super) fn front_receipt(&mut self) -> Option<&mut Receipt> {
        self.handed.front_mut().map(|(_, _, receipt)| receipt)
    }

    /// Up to where everything is done, where that is not written down.
    pub(super) fn to_note(&self) -> BTreeMap<OrgId, u64> {
        let done = |(org, read): (&OrgId, &u64)| {
            let open = self.handed.iter().find(|(of, _, _)| of == org).map(|(_, seq, _)| seq - 1);
            (*org, open.unwrap_or(*read))
        };
        let is_news = |(org, done): &(OrgId, u64)| self.noted.get(org).is_none_or(|noted| noted < done);
        self.read.iter().map(done).filter(is_news).collect()
    }

    pub(super) fn noted(&mut self, to: BTreeMap<OrgId, u64>) {
        self.noted.extend(to);
    }
}
