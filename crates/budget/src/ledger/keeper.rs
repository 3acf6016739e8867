use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Ledger;
use crate::{Command, Config, End, Error, Outcome, Reservation, Settlement};

/// Reservations that are looked at together.
const PAGE: usize = 500;
/// Rows that are removed together.
const TRIM: usize = 1_000;

/// What was settled for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// By what their journals say.
    pub told: u64,
    /// By what was expected of them.
    pub estimated: u64,
}

impl Ledger {
    /// Settles what earlier starts of this daemon left behind, and what others let expire: by what the witness knows, else by what was
    /// expected.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn recover(&self) -> Result<Recovered, Error> {
        let mut recovered = Recovered::default();
        loop {
            let page = self.0.store.left_behind(&self.0.owner, self.now(), PAGE).await?;
            if page.is_empty() {
                return Ok(recovered);
            }
            for left in page {
                let (id, org) = (left.id, left.org);
                let settlement = self.said_of(&left).await;
                // Somebody else may have been faster.
                if let Outcome::Settled(spending) = self.apply(org, Command::Settle { id, settlement }).await? {
                    let count = if spending.estimated { &mut recovered.estimated } else { &mut recovered.told };
                    *count += 1;
                }
            }
        }
    }

    async fn said_of(&self, left: &Reservation) -> Settlement {
        match self.0.witness.used(left).await {
            Some(usage) => Settlement {
                usage,
                amount: crate::Amount {
                    tokens: orchestrator_vocab::Tokens(usage.total()),
                    nano_usd: left.rates.cost(usage),
                },
                end: End::Crashed,
                estimated: false,
                at: self.now(),
            },
            None => left.as_expected(self.now()),
        }
    }

    /// Renews reservations, settles those of daemons that are gone, and forgets what is old, until `stop`.
    ///
    /// # Errors
    /// [`Error::Store`]; run it again.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        // Three chances to renew before somebody takes a daemon for gone.
        let pause = Duration::from_millis(Config::default().reservation_ms / 3).min(self.rules().keep / 3);
        let mut ticks = tokio::time::interval(pause);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let rules = self.rules();
            self.settle_the_rest().await;
            self.0.store.renew(&self.0.owner, self.now() + rules.keep).await?;
            let recovered = self.recover().await?;
            if recovered != Recovered::default() {
                tracing::warn!(?recovered, "reservations were settled for daemons that are gone");
            }
            let before = self.now() - rules.retention;
            while self.0.store.trim(before, TRIM).await? > 0 && !stop.is_cancelled() {}
        }
        Ok(())
    }
}
