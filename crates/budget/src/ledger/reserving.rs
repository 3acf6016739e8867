use orchestrator_vocab::OrgId;

use super::Ledger;
use crate::estimate::{self, Pair, REMEMBERED};
use crate::{Amount, Answered, Command, CounterKey, Error, Hold, Price, PriceSource, Reservation, Spender, SpendingId};

/// A request to a model that is about to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Whose money it costs.
    pub org: OrgId,
    /// What it is put down to.
    pub spender: Spender,
    /// Whose model it is, as the snapshot of prices names it; `None` if nobody's that it knows.
    pub vendor: Option<String>,
    /// What it costs, where somebody other than the price book says so; the operator's prices there still win.
    pub price: Option<Price>,
    /// How many tokens of input it is, as they were counted or estimated.
    pub input: u64,
    /// Whether its provider counted them; else what it told of earlier requests corrects them.
    pub is_counted: bool,
    /// The most tokens of output that are asked for.
    pub output_max: Option<u64>,
}

impl Ledger {
    /// Puts aside what a request may cost, in every scope and window. Whatever becomes of it, the [`Hold`] settles.
    ///
    /// # Errors
    /// [`Error::Exhausted`] if a limit is in the way, [`Error::UnknownPrice`], [`Error::Store`].
    pub async fn reserve(&self, request: Request) -> Result<Hold, Error> {
        let (input, output_max) = (request.input, request.output_max);
        let reservation = self.reservation(request).await?;
        // Made first: whoever goes away while it is being written still gives it back.
        let hold = Hold::new(self.clone(), reservation.clone(), input, output_max);
        match self.apply(reservation.org, Command::Reserve(reservation)).await {
            Ok(outcome) => match outcome.into_result() {
                Ok(_) => Ok(hold.granted()),
                Err(refused) => {
                    hold.forget();
                    Err(refused)
                }
            },
            // Nobody knows whether it was written: dropped, it is taken back.
            Err(failed) => Err(failed),
        }
    }

    /// Whether a limit is in the way of a request, or much of one would be spent or reserved with it. Nothing is put aside.
    ///
    /// # Errors
    /// [`Error::UnknownPrice`], [`Error::Store`].
    pub async fn is_near_limit(&self, request: Request) -> Result<bool, Error> {
        let (reservation, soft) = (self.reservation(request).await?, self.rules().soft);
        let keys = reservation.keys();
        for limit in self.limits(reservation.org).await? {
            let counted = |key: &CounterKey| key.span == limit.window && limit.scope.covers(&key.scope);
            for (key, _) in keys.iter().filter(|(key, _)| counted(key)) {
                let used = self.counter(reservation.org, key).await?.used() + reservation.amount;
                if !limit.allows(used) || soft.is_reached(limit.used_permille(used)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn reservation(&self, request: Request) -> Result<Reservation, Error> {
        let Request { org, spender, vendor, price, input, is_counted, output_max } = request;
        let rules = self.rules();
        let found = rules.book.find(&spender.provider, vendor.as_deref(), &spender.model);
        let (rates, source) = match (found, price) {
            (Some(found), _) if found.source == PriceSource::Operator => (found.price, found.source),
            (_, Some(price)) => (price, PriceSource::Operator),
            (Some(found), None) => (found.price, found.source),
            (None, None) => {
                return Err(Error::UnknownPrice { model: format!("{}/{}", spender.provider, spender.model) });
            }
        };
        let lately = self.lately(org, &spender).await?;
        let mut expected = estimate::expected(&lately, input, output_max, rules.output_usual);
        if is_counted {
            expected.input = input;
        }
        let now = self.now();
        Ok(Reservation {
            id: SpendingId::new(),
            org,
            spender,
            at: now,
            windows: rules.zone.windows(now),
            expected,
            amount: Amount { tokens: orchestrator_vocab::Tokens(expected.total()), nano_usd: rates.cost(expected) },
            rates,
            price: source,
            owner: self.0.owner.clone(),
            expires_at: now + rules.keep,
        })
    }

    /// What the model used to answer whoever asks.
    async fn lately(&self, org: OrgId, spender: &Spender) -> Result<Vec<Answered>, Error> {
        let pair = Pair { org, model: spender.model.clone(), agent: spender.agent.clone() };
        if let Some(lately) = self.0.experience.lately(&pair) {
            return Ok(lately);
        }
        let answered = self.0.store.answered(org, &pair.model, pair.agent.as_ref(), REMEMBERED).await?;
        self.0.experience.read(pair, &answered);
        Ok(answered)
    }
}
