use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orchestrator_vocab::OrgId;

use crate::graph::{Cycle, Graph, Pair};

/// The graphs of the organisations that were linked in lately, as the tables have them.
///
/// Only the writer's transactions touch them, one after the other; what is not committed is taken back on rollback.
#[derive(Clone, Default)]
pub(super) struct Graphs(Arc<Mutex<HashMap<OrgId, Known>>>);

/// What is known of the graph of one organisation.
#[derive(Default)]
pub(super) struct Known {
    graph: Graph,
    /// How far it has caught up.
    pub(super) version: Version,
    /// Whether another daemon has removed edges that are still in `graph`.
    pub(super) too_much: bool,
}

/// How often edges were added to a graph, and how often removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Version {
    pub(super) rev: i64,
    pub(super) removals: i64,
}

impl Graphs {
    fn lock(&self) -> MutexGuard<'_, HashMap<OrgId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version that is known, if any is.
    pub(super) fn version(&self, org: OrgId) -> Option<Version> {
        self.lock().get(&org).map(|known| known.version)
    }

    /// Adds what the tables have beyond the known version.
    pub(super) fn catch_up(&self, org: OrgId, version: Version, edges: &[Pair]) -> Result<(), Cycle> {
        let mut graphs = self.lock();
        let known = graphs.entry(org).or_insert_with(|| Known { version, ..Known::default() });
        known.too_much |= known.version.removals != version.removals;
        known.version = version;
        let caught_up = known.graph.add(edges);
        if caught_up.is_err() {
            graphs.remove(&org);
        }
        caught_up.map(drop)
    }

    /// Adds edges that are about to be written under `version`; answers the way back.
    pub(super) fn add(
        &self,
        org: OrgId,
        edges: &[Pair],
        version: Version,
    ) -> Result<impl FnOnce() + Send + 'static, Refused> {
        let mut graphs = self.lock();
        let known = graphs.entry(org).or_default();
        let before = known.version;
        let refused = |cycle| if known.too_much { Refused::Perhaps } else { Refused::Cycle(cycle) };
        let added = known.graph.add(edges).map_err(refused)?;
        known.version = version;
        let graphs = self.clone();
        Ok(move || {
            if let Some(known) = graphs.lock().get_mut(&org) {
                known.graph.remove(&added);
                known.version = before;
            }
        })
    }

    /// Removes edges that are no longer in the tables; answers the way back.
    pub(super) fn remove(&self, org: OrgId, edges: &[Pair], version: Version) -> impl FnOnce() + Send + 'static {
        if let Some(known) = self.lock().get_mut(&org) {
            known.graph.remove(edges);
            known.version = version;
        }
        let graphs = self.clone();
        // Reading it again is rare and simple.
        move || graphs.forget(org)
    }

    /// Reads the organisation's graph again next time.
    pub(super) fn forget(&self, org: OrgId) {
        self.lock().remove(&org);
    }
}

/// Why edges were not added.
pub(super) enum Refused {
    /// They would close this cycle.
    Cycle(Cycle),
    /// They would, unless it goes over edges that another daemon has removed: read the graph again.
    Perhaps,
}
