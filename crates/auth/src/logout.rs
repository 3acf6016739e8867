use std::collections::HashSet;
use std::sync::Arc;

use orchestrator_sql::Tx;

use crate::auth::refused;
use crate::family::{Attempt, Ending, Outcome, Verdict};
use crate::{Auth, Error, Refusal, sql};

impl Auth {
    /// Ends the family of a refresh token, with its access tokens and connections, in the sense of RFC 7009: whoever holds
    /// the token may end it, and a token that does not count is as good as ended. An old one of the family ends it too, and
    /// is told as the reuse that it is.
    ///
    /// # Errors
    /// Only if the database fails; then it is not ended.
    pub async fn logout(&self, token: &str, correlation: Option<String>) -> Result<(), Error> {
        let attempt = match self.attempt(token, correlation) {
            Ok(attempt) => Arc::new(attempt),
            Err(refusal) => {
                ignored(refusal);
                return Ok(());
            }
        };
        let family = attempt.shown.family.clone();
        let work = self.inner.database.write(move |tx| {
            let attempt = attempt.clone();
            Box::pin(async move { attempt.log_out(tx).await })
        });
        match work.await? {
            Outcome::Ended(org, why) => {
                self.inner.standings.revoke(&HashSet::from([(org, family)]));
                if why == Ending::Reused {
                    ignored(Refusal::Reused);
                }
            }
            Outcome::Refused(refusal) => ignored(refusal),
            // Nothing here renews.
            Outcome::Renewed(_) => {}
        }
        Ok(())
    }
}

/// The log tells why; who asked does not learn it.
fn ignored(refusal: Refusal) {
    drop(refused(refusal));
}

impl Attempt {
    async fn log_out(&self, tx: &Tx) -> Result<Outcome, Error> {
        let Some(family) = sql::family(tx, &self.shown.family).await? else {
            return Ok(Outcome::Refused(Refusal::Unknown));
        };
        match family.judge(self.shown.generation, &self.shown.hash(), &self.next.hash(), self.now) {
            Verdict::Reused => self.end(tx, &family, Ending::Reused).await,
            // Idle for too long: its last access token may count for a while yet.
            Verdict::Rotate | Verdict::Repeat | Verdict::Refused(Refusal::Expired) => {
                self.end(tx, &family, Ending::LoggedOut).await
            }
            Verdict::Refused(refusal) => Ok(Outcome::Refused(refusal)),
        }
    }
}
