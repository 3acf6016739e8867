use orchestrator_transcript::Usage;
use orchestrator_vocab::{NanoUsd, Tokens};

use crate::{Amount, Command, End, Error, Ledger, Outcome, Reservation, Settlement, Spending};

/// By how many tokens of output a reservation is raised at least.
const STEP: u64 = 256;
/// Bytes of text that are counted as one token, until the provider tells.
const BYTES_PER_TOKEN: u64 = 4;

/// What is put aside for one request. Dropped without a word it is settled with what was seen, as an estimate: whoever asked has gone.
#[derive(Debug)]
#[must_use = "dropped, it is settled"]
pub struct Hold {
    ledger: Ledger,
    reservation: Reservation,
    /// As it was asked.
    input: u64,
    output_max: Option<u64>,
    /// What the provider told so far.
    told: Usage,
    /// The bytes of the answer so far.
    bytes: u64,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nobody knows yet whether it was written.
    Asked,
    Granted,
    Over,
}

impl Hold {
    pub(crate) fn new(ledger: Ledger, reservation: Reservation, input: u64, output_max: Option<u64>) -> Self {
        let (told, bytes, fate) = (Usage::default(), 0, Fate::Asked);
        Self { ledger, reservation, input, output_max, told, bytes, fate }
    }

    pub(crate) fn granted(mut self) -> Self {
        self.fate = Fate::Granted;
        self
    }

    pub(crate) fn forget(mut self) {
        self.fate = Fate::Over;
    }

    /// What is put aside.
    pub fn amount(&self) -> Amount {
        self.reservation.amount
    }

    /// What was seen so far: what the provider told, and what is counted of the text if that is more.
    pub fn seen(&self) -> Usage {
        let input = if self.told.total_input() == 0 { self.input } else { self.told.input };
        Usage { input, output: self.told.output.max(self.bytes.div_ceil(BYTES_PER_TOKEN)), ..self.told }
    }

    /// More of the answer came; more is put aside if it needs it.
    ///
    /// # Errors
    /// [`Error::Exhausted`] if a limit is in the way: [`stop`](Self::stop). [`Error::Store`].
    pub async fn saw(&mut self, bytes: u64) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.keep_up().await
    }

    /// The provider told what was used so far; more is put aside if it needs it.
    ///
    /// # Errors
    /// As for [`saw`](Self::saw).
    pub async fn told(&mut self, usage: Usage) -> Result<(), Error> {
        self.told = usage;
        self.keep_up().await
    }

    async fn keep_up(&mut self) -> Result<(), Error> {
        let (seen, expected) = (self.seen(), self.reservation.expected);
        if seen.total() <= self.reservation.amount.tokens.0 && self.price(seen) <= self.reservation.amount.nano_usd {
            return Ok(());
        }
        let more = (expected.output / 2).max(STEP);
        let output = match self.output_max {
            Some(most) => seen.output.saturating_add(more).min(most.max(seen.output)),
            None => seen.output.saturating_add(more),
        };
        let roomy = Usage { output, ..seen };
        match self.raise(roomy).await {
            // If there is no room for more, perhaps there is for what there is.
            Err(Error::Exhausted(_)) if roomy != seen => self.raise(seen).await,
            outcome => outcome,
        }
    }

    async fn raise(&mut self, expected: Usage) -> Result<(), Error> {
        let amount = self.amount_of(expected);
        let command = Command::TopUp { id: self.reservation.id, expected, amount };
        match self.ledger.top_up(self.reservation.org, command).await? {
            Outcome::Refused(refusal) => Err(Error::Exhausted(refusal)),
            Outcome::Gone => Err(Error::NoReservation),
            Outcome::Done | Outcome::Settled(_) => {
                let before = self.reservation.amount;
                self.reservation.amount += amount.without(before);
                self.reservation.expected = expected;
                Ok(())
            }
        }
    }

    /// The answer is whole. What the provider told is what it used; if it told nothing, what was seen is, as an estimate.
    ///
    /// # Errors
    /// [`Error::Store`]: it is tried again later.
    pub async fn complete(self) -> Result<Option<Spending>, Error> {
        let is_told = self.told != Usage::default();
        let usage = if is_told { self.told } else { self.seen() };
        self.settle(usage, End::Completed, !is_told).await
    }

    /// The answer broke off.
    ///
    /// # Errors
    /// As for [`complete`](Self::complete).
    pub async fn truncated(self) -> Result<Option<Spending>, Error> {
        let seen = self.seen();
        self.settle(seen, End::Truncated, true).await
    }

    /// The answer was stopped, because no more could be put aside for it.
    ///
    /// # Errors
    /// As for [`complete`](Self::complete).
    pub async fn stop(self) -> Result<Option<Spending>, Error> {
        let seen = self.seen();
        self.settle(seen, End::Stopped, true).await
    }

    /// Nothing was used: the provider refused, or was not asked.
    ///
    /// # Errors
    /// As for [`complete`](Self::complete).
    pub async fn release(mut self) -> Result<(), Error> {
        self.fate = Fate::Over;
        self.finish(Command::Release { id: self.reservation.id }).await.map(drop)
    }

    async fn settle(mut self, usage: Usage, end: End, estimated: bool) -> Result<Option<Spending>, Error> {
        self.fate = Fate::Over;
        let command = Command::Settle { id: self.reservation.id, settlement: self.settlement(usage, end, estimated) };
        self.finish(command).await
    }

    async fn finish(&self, command: Command) -> Result<Option<Spending>, Error> {
        match self.ledger.begin(self.reservation.org, command) {
            Some(settling) => settling.await.unwrap_or_else(|cut_off| Err(Error::store(cut_off))),
            None => Ok(None),
        }
    }

    fn settlement(&self, usage: Usage, end: End, estimated: bool) -> Settlement {
        Settlement { usage, amount: self.amount_of(usage), end, estimated, at: self.ledger.now() }
    }

    fn amount_of(&self, usage: Usage) -> Amount {
        Amount { tokens: Tokens(usage.total()), nano_usd: self.price(usage) }
    }

    fn price(&self, usage: Usage) -> NanoUsd {
        self.reservation.rates.cost(usage)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let id = self.reservation.id;
        let command = match self.fate {
            Fate::Over => return,
            Fate::Asked => Command::Release { id },
            Fate::Granted => {
                let settlement = self.settlement(self.seen(), End::Disconnected, true);
                Command::Settle { id, settlement }
            }
        };
        // It runs to its end by itself.
        drop(self.ledger.begin(self.reservation.org, command));
    }
}
