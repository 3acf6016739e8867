use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_transcript::Usage;
use orchestrator_vocab::{AgentId, OrgId, SessionId, TaskId, Timestamp};

use crate::{
    Amount, Command, Counter, CounterKey, Error, Limit, Outcome, Owner, Policy, Reservation, Scope, ScopeKind, Span,
    Spending, SpendingId,
};

/// A command, and what it is judged by.
#[derive(Debug, Clone)]
pub struct Apply {
    /// Whose ledger.
    pub org: OrgId,
    /// What is to be done.
    pub command: Command,
    /// What limits are configured; those that are set are the store's to know.
    pub policy: Arc<Policy>,
    /// When.
    pub now: Timestamp,
}

/// Which counters to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterQuery {
    /// Of which kind.
    pub kind: ScopeKind,
    /// Of one, or of each.
    pub name: Option<String>,
    /// For how long.
    pub span: Span,
    /// From when.
    pub start: Timestamp,
    /// At most so many, those that spent the most tokens first.
    pub limit: usize,
}

/// Which spendings to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpendingQuery {
    /// Only those before it.
    pub before: Option<SpendingId>,
    /// Only of this agent.
    pub agent: Option<AgentId>,
    /// Only of this session.
    pub session: Option<SessionId>,
    /// Only of this task.
    pub task: Option<TaskId>,
    /// Only of this model.
    pub model: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// By what spending is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// By quarters of an hour: days begin at one of them, in every time zone.
    Quarter,
    /// By what the scope of this kind is called; under an empty name what has none.
    Scope(ScopeKind),
}

/// What was spent under one name or in one quarter of an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// The name; of a quarter of an hour, its beginning in milliseconds since 1970.
    pub name: String,
    /// The provider, where models are told apart; else empty.
    pub provider: String,
    /// How many requests.
    pub requests: u64,
    /// How many of them are estimated.
    pub estimated: u64,
    /// The tokens, by kind.
    pub usage: Usage,
    /// The tokens, and what they cost.
    pub amount: Amount,
}

/// What a model lately used to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// What was expected of its input.
    pub input_expected: u64,
    /// What it was.
    pub input: u64,
    /// The tokens of its output.
    pub output: u64,
}

/// Where the ledger is kept. Implementations must pass the conformance suite (feature `test-util`).
#[async_trait]
pub trait Store: Send + Sync {
    /// Does what the command says, with the events that belong to it, all or nothing. However many are applied at once, over
    /// however many daemons, each sees all that came before it.
    async fn apply(&self, apply: Apply) -> Result<Outcome, Error>;

    /// Sets a limit, in the place of what was set for the same scope and window.
    async fn set_limit(&self, org: OrgId, limit: Limit) -> Result<(), Error>;

    /// Removes what was set for a scope and window; whether there was something.
    async fn remove_limit(&self, org: OrgId, scope: Scope, window: Span) -> Result<bool, Error>;

    /// The limits that were set, expired ones too.
    async fn limits(&self, org: OrgId) -> Result<Vec<Limit>, Error>;

    /// What was added up.
    async fn counters(&self, org: OrgId, query: CounterQuery) -> Result<Vec<(CounterKey, Counter)>, Error>;

    /// At most `limit` reservations, of all organisations, that earlier starts of the owner's node left behind, or that
    /// expired before `now`.
    async fn left_behind(&self, owner: &Owner, now: Timestamp, limit: usize) -> Result<Vec<Reservation>, Error>;

    /// Puts off when all reservations of this owner expire.
    async fn renew(&self, owner: &Owner, until: Timestamp) -> Result<(), Error>;

    /// Spendings, the newest first.
    async fn spendings(&self, org: OrgId, query: SpendingQuery) -> Result<Vec<Spending>, Error>;

    /// What was spent from `from` until before `until`. At most `limit` groups, those with the most tokens first.
    async fn sums(
        &self,
        org: OrgId,
        group: Group,
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Sum>, Error>;

    /// What a model used for its last `limit` whole answers to an agent, or to whoever is none; not what is estimated.
    async fn answered(
        &self,
        org: OrgId,
        model: &str,
        agent: Option<&AgentId>,
        limit: usize,
    ) -> Result<Vec<Answered>, Error>;

    /// Every organisation that has a counter.
    async fn orgs(&self) -> Result<Vec<OrgId>, Error>;

    /// Removes at most `limit` spendings made before `before`, and as many counters whose windows began before it, of all
    /// organisations, and tells how many.
    async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error>;
}
