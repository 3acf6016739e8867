//! Everything stands still until it may go on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_vocab::{Actor, OrgId};

use super::Sessions;
use crate::{Cause, Ending, Error};

/// Whose sessions are held (`None`: those of all), and why.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<BTreeMap<Option<OrgId>, (String, Actor)>>);

impl Holds {
    /// How a session of this organisation ends that runs all the same.
    pub(super) fn ending(&self, org: OrgId) -> Option<Ending> {
        let holds = self.holds();
        let (reason, actor) = holds.get(&None).or_else(|| holds.get(&Some(org)))?;
        Some(Ending { reason: reason.clone(), actor: actor.clone(), grace: Duration::ZERO, cause: Cause::Held })
    }

    fn holds(&self) -> MutexGuard<'_, BTreeMap<Option<OrgId>, (String, Actor)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    /// Ends the sessions of an organisation, or with `None` of all, at once: what they started is killed without grace, and
    /// their tasks go back, which was no attempt. Journaled ones are suspended. None starts until [`let_go`](Self::let_go).
    /// Does not wait for the ends.
    pub fn hold(&self, whose: Option<OrgId>, reason: impl Into<String>, actor: Actor) {
        // From here on one that begins is ended by itself; then those that had begun.
        self.0.holds.holds().insert(whose, (reason.into(), actor));
        for (org, live) in self.0.table.of(whose) {
            if let Some(ending) = self.0.holds.ending(org) {
                live.end(ending);
            }
        }
    }

    /// Lets sessions start again that were held for the same. Those that are suspended go on when they are resumed.
    pub fn let_go(&self, whose: Option<OrgId>) {
        self.0.holds.holds().remove(&whose);
    }

    pub(super) fn may_start(&self, org: OrgId) -> Result<(), Error> {
        self.0.holds.ending(org).map_or(Ok(()), |ending| Err(Error::Held { reason: ending.reason }))
    }
}
