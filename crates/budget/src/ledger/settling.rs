use std::sync::PoisonError;

use orchestrator_vocab::OrgId;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::Ledger;
use crate::estimate::Pair;
use crate::{Answered, Command, End, Error, Outcome, Spending};

impl Ledger {
    /// Begins to settle, and finishes also if nobody waits. `None` outside of a runtime: then it is settled when the
    /// reservation expires.
    pub(crate) fn begin(&self, org: OrgId, command: Command) -> Option<JoinHandle<Result<Option<Spending>, Error>>> {
        let runtime = Handle::try_current().ok()?;
        let ledger = self.clone();
        Some(self.0.tracker.spawn_on(async move { ledger.finish(org, command).await }, &runtime))
    }

    async fn finish(&self, org: OrgId, command: Command) -> Result<Option<Spending>, Error> {
        match self.apply(org, command.clone()).await {
            Ok(Outcome::Settled(spending)) => {
                self.learn(org, &spending);
                Ok(Some(spending))
            }
            Ok(_) => Ok(None),
            Err(error) => {
                tracing::warn!(spending = ?command.id(), error = &error as &dyn std::error::Error, "is settled later");
                self.0.unsettled.lock().unwrap_or_else(PoisonError::into_inner).push((org, command));
                Err(error)
            }
        }
    }

    fn learn(&self, org: OrgId, spending: &Spending) {
        if spending.estimated || spending.end != End::Completed {
            return;
        }
        let pair = Pair { org, model: spending.spender.model.clone(), agent: spending.spender.agent.clone() };
        let (input_expected, usage) = (spending.input_expected, spending.usage);
        let answer = Answered { input_expected, input: usage.total_input(), output: usage.output };
        self.0.experience.learn(&pair, answer);
    }

    /// Tries again what the store would not take.
    pub(super) async fn settle_the_rest(&self) {
        let rest = std::mem::take(&mut *self.0.unsettled.lock().unwrap_or_else(PoisonError::into_inner));
        for (org, command) in rest {
            // Put back and logged if it fails again.
            let _ = self.finish(org, command).await;
        }
    }
}
