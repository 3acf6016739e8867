use std::collections::BTreeMap;

use orchestrator_vocab::OrgId;

use super::Order;

/// The orders that are in force, by organisation. That of the operator's organisation concerns all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Orders {
    /// As the store has them.
    pub(super) kept: BTreeMap<OrgId, Order>,
    /// Given here, and not in the store yet.
    pub(super) unkept: BTreeMap<OrgId, Order>,
}

impl Orders {
    /// What stops this organisation, the operator's order before its own.
    pub fn concerning(&self, org: OrgId) -> Option<&Order> {
        self.of(OrgId::LOCAL).or_else(|| self.of(org))
    }

    /// The organisation's own order.
    pub fn of(&self, org: OrgId) -> Option<&Order> {
        self.kept.get(&org).or_else(|| self.unkept.get(&org))
    }

    /// Whose orders are in force.
    pub fn orgs(&self) -> impl Iterator<Item = OrgId> {
        let orgs: std::collections::BTreeSet<OrgId> = self.kept.keys().chain(self.unkept.keys()).copied().collect();
        orgs.into_iter()
    }

    pub(super) fn keep(&mut self, order: Order) {
        self.unkept.remove(&order.org);
        self.kept.insert(order.org, order);
    }

    pub(super) fn remove(&mut self, org: OrgId) {
        self.kept.remove(&org);
        self.unkept.remove(&org);
    }
}
