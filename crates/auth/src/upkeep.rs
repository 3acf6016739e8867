use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::sql::Change;
use crate::{Auth, Error, sql};

/// How often changes by other daemons are looked for. Together with the query: within a second.
const POLL: Duration = Duration::from_millis(500);
/// How often uses are noted and what has ended is forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// How long what is known of a token outlives it. Long, because a clock that jumped ahead for a while must not make us
/// forget the revocation of a token that has not ended after all.
const RECORD_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The most changes read at once.
const CHANGES_PER_QUERY: u32 = 1_000;

impl Auth {
    /// Learns of revocations, changed roles and keys by other daemons within a second, notes when keys are used and
    /// forgets what has ended, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut housekept, mut is_blind) = (Instant::now(), false);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let refreshed = self.refresh().await;
            // Once per outage, not twice a second.
            if let (Err(error), false) = (&refreshed, is_blind) {
                tracing::warn!(error = error as &dyn std::error::Error, "cannot look for tokens revoked elsewhere");
            }
            is_blind = refreshed.is_err();
            if housekept.elapsed() >= HOUSEKEEPING {
                housekept = Instant::now();
                self.keep_house().await;
            }
        }
        self.keep_house().await;
    }

    /// Looks once for what other daemons changed and ends the connections concerned.
    pub async fn refresh(&self) -> Result<(), Error> {
        loop {
            let seen = *self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let found = sql::changes_after(self.inner.database.reader(), seen, CHANGES_PER_QUERY).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            let last = *last;
            let (mut revoked, mut changed, mut has_keys) = (HashSet::new(), HashSet::new(), false);
            for (_, change) in found {
                match change {
                    Change::Revoked(org, token) => drop(revoked.insert((org, token))),
                    Change::Role(org, token) => drop(changed.insert((org, token))),
                    Change::Keys => has_keys = true,
                }
            }
            self.inner.standings.revoke(&revoked);
            self.inner.standings.change(&changed);
            if has_keys {
                self.load_keys().await?;
            }
            let mut seen = self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = last.max(*seen);
        }
    }

    async fn keep_house(&self) {
        self.inner.standings.sweep();
        let used = std::mem::take(&mut *self.inner.used.lock().unwrap_or_else(PoisonError::into_inner));
        let used = Arc::new(used);
        let before = self.inner.clock.now() - RECORD_KEPT;
        let work = self.inner.database.write(move |tx| {
            let used = used.clone();
            Box::pin(async move {
                for (id, at) in used.iter() {
                    sql::mark_used(tx, id, *at).await?;
                }
                sql::forget_revocations(tx, before).await?;
                sql::forget_changes(tx, before).await?;
                sql::forget_families(tx, before).await?;
                sql::forget_tokens(tx, before).await?;
                Ok::<_, Error>(())
            })
        });
        if let Err(error) = work.await {
            // Nothing depends on it: uses are coarse, and what has ended is refused whether it is forgotten or not.
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot keep the table of tokens tidy");
        }
    }
}
