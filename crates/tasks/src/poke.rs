use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use orchestrator_vocab::OrgId;
use tokio::sync::Notify;

/// Tells the scheduler of this process which organisations deserve a round. What happens in other processes it learns by
/// its sweep.
#[derive(Debug, Default)]
pub(crate) struct Poke {
    orgs: Mutex<BTreeSet<OrgId>>,
    bell: Notify,
}

impl Poke {
    pub(crate) fn poke(&self, org: OrgId) {
        let new = self.orgs.lock().unwrap_or_else(PoisonError::into_inner).insert(org);
        if new {
            self.bell.notify_one();
        }
    }

    /// Waits until there is something, and takes it.
    pub(crate) async fn take(&self) -> BTreeSet<OrgId> {
        loop {
            let orgs = std::mem::take(&mut *self.orgs.lock().unwrap_or_else(PoisonError::into_inner));
            if !orgs.is_empty() {
                return orgs;
            }
            self.bell.notified().await;
        }
    }
}
