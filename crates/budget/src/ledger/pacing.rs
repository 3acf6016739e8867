use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_vocab::OrgId;
use tokio_util::sync::CancellationToken;

use super::Ledger;
use crate::{Burn, Command, CounterKey, Error, LimitStatus};

/// How often it is asked whether paces are to be looked at, while they are not.
const IDLE: Duration = Duration::from_secs(1);

impl Ledger {
    /// Tells once of each limit that is spent so fast that it will not last for its window, until `stop`.
    ///
    /// # Errors
    /// [`Error::Store`]; run it again.
    pub async fn watch_pace(&self, stop: CancellationToken) -> Result<(), Error> {
        loop {
            let every = self.rules().pace_every;
            if every.is_some() {
                self.note_paces().await?;
            }
            if stop.run_until_cancelled(tokio::time::sleep(every.unwrap_or(IDLE))).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Looks at the pace of every limit once.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn note_paces(&self) -> Result<(), Error> {
        for org in self.orgs().await? {
            for burn in self.burns(org).await? {
                self.apply(org, Command::Note(Box::new(burn))).await?;
            }
        }
        Ok(())
    }

    /// Those that differ from what was told last. Of several limits on the same spending, that which is exhausted first counts.
    async fn burns(&self, org: OrgId) -> Result<Vec<Burn>, Error> {
        let mut worst: BTreeMap<CounterKey, LimitStatus> = BTreeMap::new();
        for status in self.status(org).await?.limits {
            let (scope, span, start) = (status.scope.clone(), status.limit.window, status.started_at);
            let rank = |status: &LimitStatus| (status.pace.burning, status.pace.forecast_permille);
            let known = worst.entry(CounterKey { scope, span, start }).or_insert_with(|| status.clone());
            if rank(&status) > rank(known) {
                *known = status;
            }
        }
        let is_news = |status: &LimitStatus| status.pace.burning != status.told_burning;
        Ok(worst.into_iter().filter(|(_, status)| is_news(status)).map(|(key, status)| Burn { key, status }).collect())
    }
}
