use orchestrator_transcript::Usage;
use orchestrator_vocab::{Id, OrgId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Amount, Price, PriceSource, Scope, Span, Spender, Window};

/// What a reservation is called, and what it became.
pub enum ReservationKind {}

impl orchestrator_vocab::Kind for ReservationKind {
    const PREFIX: &'static str = "spending";
}

/// Names one spending, from its reservation on.
pub type SpendingId = Id<ReservationKind>;

/// Who holds a reservation: one start of one daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The daemon's name.
    pub node: String,
    /// Which of its starts, rising.
    pub epoch: u64,
}

/// What is put aside for a request that was not answered yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// Its name.
    pub id: SpendingId,
    /// Whose money it is.
    pub org: OrgId,
    /// What it is put down to.
    pub spender: Spender,
    /// When it was made: what comes of it counts in the windows of this moment, also if they have passed when it is settled.
    pub at: Timestamp,
    /// Those windows, from short to long.
    pub windows: [Window; 4],
    /// What the answer is expected to use.
    pub expected: Usage,
    /// What is put aside.
    pub amount: Amount,
    /// What its tokens cost.
    pub rates: Price,
    /// Where that is from.
    pub price: PriceSource,
    /// Who holds it.
    pub owner: Owner,
    /// When others may settle it, unless it is renewed.
    pub expires_at: Timestamp,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// With its whole answer.
    Completed,
    /// Whoever asked went away.
    Disconnected,
    /// The answer broke off.
    Truncated,
    /// It was stopped because the budget was exhausted in the middle.
    Stopped,
    /// The daemon was.
    Crashed,
}

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// What it used.
    pub usage: Usage,
    /// What that costs.
    pub amount: Amount,
    /// How it ended.
    pub end: End,
    /// Whether `usage` is what was seen or expected, not what the provider told.
    pub estimated: bool,
    /// When.
    pub at: Timestamp,
}

/// One spending, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Spending {
    /// Its name.
    pub id: SpendingId,
    /// When it was reserved; its windows are those of this moment.
    pub at: Timestamp,
    /// When it was settled.
    pub settled_at: Timestamp,
    /// What it is put down to.
    #[serde(flatten)]
    pub spender: Spender,
    /// The tokens, by kind.
    pub usage: Usage,
    /// The tokens, and what they cost.
    #[serde(flatten)]
    pub amount: Amount,
    /// How many tokens of input were expected.
    pub input_expected: u64,
    /// How it ended.
    pub end: End,
    /// Whether it is what was seen or expected, not what the provider told.
    pub estimated: bool,
    /// Where its price is from.
    pub price: PriceSource,
}

/// Where spending is added up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// Whose.
    pub scope: Scope,
    /// For how long.
    pub span: Span,
    /// From when.
    pub start: Timestamp,
}

/// What was added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counter {
    /// What is spent.
    pub spent: Amount,
    /// What is put aside.
    pub reserved: Amount,
    /// Whether it was told that much is spent.
    pub alerted: bool,
    /// Whether it was told that requests are degraded from now on.
    pub degraded: bool,
    /// Whether it was told that it is spent too fast to last.
    pub burning: bool,
    /// Whether it was told that nothing is left.
    pub exhausted: bool,
}

impl Reservation {
    /// Every counter it counts in, with its window.
    pub(crate) fn keys(&self) -> Vec<(CounterKey, Window)> {
        let per_scope = |scope: Scope| {
            self.windows
                .map(|window| (CounterKey { scope: scope.clone(), span: window.span, start: window.start }, window))
        };
        self.spender.scopes().into_iter().flat_map(per_scope).collect()
    }

    pub(crate) fn settled(self, settlement: &Settlement) -> Spending {
        Spending {
            id: self.id,
            at: self.at,
            settled_at: settlement.at,
            spender: self.spender,
            usage: settlement.usage,
            amount: settlement.amount,
            input_expected: self.expected.total_input(),
            end: settlement.end,
            estimated: settlement.estimated,
            price: self.price,
        }
    }

    /// What it is taken for if nobody knows what it came to.
    pub(crate) fn as_expected(&self, at: Timestamp) -> Settlement {
        Settlement { usage: self.expected, amount: self.amount, end: End::Crashed, estimated: true, at }
    }
}

impl Counter {
    /// What is spent or put aside.
    pub fn used(&self) -> Amount {
        self.spent + self.reserved
    }
}
