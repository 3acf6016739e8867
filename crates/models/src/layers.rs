//! What surrounds an attempt: tower layers over [`Attempt`], for the stack that the composition root builds.

mod limit;
mod timeout;

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use orchestrator_vocab::OrgId;
use tower::util::BoxCloneSyncService;

pub use limit::{LimitLayer, LimitService};
pub use timeout::{TimeoutLayer, TimeoutService};

use crate::pool::Seat;
use crate::{Attribution, ChatStream, EmbedRequest, Embeddings, Facts, ProviderError, Request};

/// Whose request it is, and what it is put down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub org: OrgId,
    /// Who asks, and for what.
    pub attribution: Attribution,
}

/// One request to one provider.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub(crate) seat: Arc<Seat>,
    pub(crate) account: Account,
    pub(crate) request: Request,
}

/// One request for vectors to one provider.
#[derive(Debug, Clone)]
pub struct EmbedAttempt {
    pub(crate) seat: Arc<Seat>,
    pub(crate) account: Account,
    pub(crate) request: EmbedRequest,
}

/// The stack of an attempt to make vectors, built once.
pub type EmbedService = BoxCloneSyncService<EmbedAttempt, Embeddings, ProviderError>;

/// The stack of an attempt, built once.
pub type AttemptService = BoxCloneSyncService<Attempt, ChatStream, ProviderError>;

impl EmbedAttempt {
    /// The provider's name as it is configured.
    pub fn provider(&self) -> &str {
        self.seat.member.provider.name()
    }

    /// The model's name as the provider knows it.
    pub fn model(&self) -> &str {
        &self.request.model
    }

    /// Whose request it is, and what it is put down to.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Whose model it is, as the snapshot of facts names it.
    pub fn vendor(&self) -> Option<&'static str> {
        self.seat.member.vendor
    }

    /// What the operator says of the model beside the provider.
    pub fn own_facts(&self) -> Option<&Facts> {
        self.seat.member.models.get(&self.request.model)
    }

    /// How many bytes of text it is.
    pub fn bytes(&self) -> u64 {
        self.request.inputs.iter().map(|input| input.len() as u64).sum()
    }
}

impl Attempt {
    /// The provider's name as it is configured.
    pub fn provider(&self) -> &str {
        self.seat.member.provider.name()
    }

    /// The model's name as the provider knows it.
    pub fn model(&self) -> &str {
        &self.request.model
    }

    /// Whose request it is, and what it is put down to.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Whose model it is, as the snapshot of facts names it.
    pub fn vendor(&self) -> Option<&'static str> {
        self.seat.member.vendor
    }

    /// What the operator says of the model beside the provider.
    pub fn own_facts(&self) -> Option<&Facts> {
        self.seat.member.models.get(&self.request.model)
    }

    /// What is asked.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// What is known of the model.
    pub fn facts(&self) -> Facts {
        self.seat.facts(&self.request.model)
    }

    /// Whether its provider tells how many tokens it will charge, where others estimate.
    pub fn is_countable(&self) -> bool {
        self.seat.member.provider.counts_tokens()
    }

    /// How many tokens of input it is, as its provider counts or estimates.
    ///
    /// # Errors
    /// The provider's.
    pub async fn count_tokens(&self) -> Result<u64, ProviderError> {
        self.seat.member.provider.count_tokens(&self.request).await
    }

    /// Stands alone: for tests of layers, without a router.
    #[cfg(any(test, feature = "test-util"))]
    pub fn of(member: crate::Member, request: Request) -> Self {
        let account = Account { org: OrgId::LOCAL, attribution: Attribution::default() };
        Self { seat: Arc::new(Seat::new(member)), account, request }
    }
}

/// The innermost service: asks the provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct AskProvider;

impl tower::Service<Attempt> for AskProvider {
    type Response = ChatStream;
    type Error = ProviderError;
    type Future = BoxFuture<'static, Result<ChatStream, ProviderError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        Box::pin(async move { attempt.seat.member.provider.chat(attempt.request).await })
    }
}

impl tower::Service<EmbedAttempt> for AskProvider {
    type Response = Embeddings;
    type Error = ProviderError;
    type Future = BoxFuture<'static, Result<Embeddings, ProviderError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: EmbedAttempt) -> Self::Future {
        Box::pin(async move { attempt.seat.member.provider.embed(attempt.request).await })
    }
}
