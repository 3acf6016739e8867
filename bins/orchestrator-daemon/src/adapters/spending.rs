//! What a request to a model costs is reserved before it is sent, and settled when its answer ends, in whatever way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream;
use orchestrator_budget::{CountTokens, Error, Hold, Ledger, LongPrice, Price, Rate, Request};
use orchestrator_models::layers::{Account, Attempt, EmbedAttempt};
use orchestrator_models::{ChatStream, Embeddings, ErrorKind, Facts, ProviderError};
use orchestrator_transcript::StreamEvent;
use tokio::time::timeout;
use tower::{Layer, Service};

use super::degrading::{Degrading, spender};

/// Bytes of text that are counted as one token.
const BYTES_PER_TOKEN: u64 = 4;

/// For how long a provider's count of tokens is waited for: the request waits as long.
const COUNT_WITHIN: Duration = Duration::from_secs(2);

/// Reserves and settles.
#[derive(Clone)]
pub(crate) struct SpendingLayer {
    ledger: Ledger,
    /// Providers that ask nobody.
    free: Arc<BTreeSet<String>>,
    degrading: Degrading,
}

/// Made by [`SpendingLayer`].
#[derive(Clone)]
pub(crate) struct SpendingService<S> {
    inner: S,
    layer: SpendingLayer,
}

impl SpendingLayer {
    pub(crate) fn new(ledger: Ledger, free: BTreeSet<String>, degrading: Degrading) -> Self {
        Self { ledger, free: Arc::new(free), degrading }
    }

    async fn reserve(&self, request: Request) -> Result<Hold, ProviderError> {
        self.degrading.admit(request.org, &request.spender).await?;
        self.ledger.reserve(request).await.map_err(|error| self.refused(error))
    }

    fn chat(&self, attempt: &Attempt) -> Request {
        let asked = attempt.request();
        let facts = attempt.facts();
        let most = [asked.max_tokens.map(u64::from), facts.output_max];
        Request {
            price: self.price(attempt.provider(), attempt.own_facts()),
            input: asked.tokens_estimated(),
            output_max: most.into_iter().flatten().min(),
            ..request(attempt.account(), attempt.provider(), attempt.model(), attempt.vendor())
        }
    }

    /// With the provider's own count of its input, if it is worth asking for and comes in time.
    async fn counted(&self, request: Request, attempt: &Attempt) -> Request {
        let is_wanted = attempt.is_countable()
            && match self.ledger.count_tokens() {
                CountTokens::Never => false,
                CountTokens::Always => true,
                // What cannot be told now is told by the reservation.
                CountTokens::NearLimit => self.ledger.is_near_limit(request.clone()).await.unwrap_or(false),
            };
        if !is_wanted {
            return request;
        }
        let late = |_| ProviderError::new(ErrorKind::Timeout, "it did not count within two seconds");
        match timeout(COUNT_WITHIN, attempt.count_tokens()).await.map_err(late).flatten() {
            Ok(input) => Request { input, is_counted: true, ..request },
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(provider = attempt.provider(), error, "tokens are estimated, not counted");
                request
            }
        }
    }

    fn embedding(&self, attempt: &EmbedAttempt) -> Request {
        Request {
            price: self.price(attempt.provider(), attempt.own_facts()),
            input: attempt.bytes().div_ceil(BYTES_PER_TOKEN),
            output_max: Some(0),
            ..request(attempt.account(), attempt.provider(), attempt.model(), attempt.vendor())
        }
    }

    /// What somebody other than the price book says.
    fn price(&self, provider: &str, facts: Option<&Facts>) -> Option<Price> {
        if self.free.contains(provider) {
            return Some(Price::default());
        }
        facts?.price.map(translated)
    }

    fn refused(&self, error: Error) -> ProviderError {
        match error {
            Error::Exhausted(refusal) => {
                let mut refused = ProviderError::new(ErrorKind::BudgetExhausted, refusal.to_string());
                refused.hints.retry_after = refusal.retry_in(self.ledger.now());
                refused
            }
            Error::UnknownPrice { .. } => ProviderError::new(ErrorKind::UnknownPrice, error.to_string()),
            // Nothing was sent; a ledger that cannot be written now may be later.
            other => ProviderError::new(ErrorKind::Busy, other.to_string()).with_source(other),
        }
    }
}

fn request(account: &Account, provider: &str, model: &str, vendor: Option<&str>) -> Request {
    let spender = spender(account, provider, model);
    let vendor = vendor.map(str::to_owned);
    Request { org: account.org, spender, vendor, price: None, input: 0, is_counted: false, output_max: None }
}

fn translated(price: orchestrator_models::Price) -> Price {
    let rate = Rate::nanos_per_token;
    Price {
        input: rate(price.input),
        output: rate(price.output),
        cache_read: price.cache_read.map(rate),
        cache_write_5m: price.cache_write_5m.map(rate),
        cache_write_1h: price.cache_write_1h.map(rate),
        long: price.long.map(|long| LongPrice {
            above: long.tokens,
            input: rate(long.input),
            output: rate(long.output),
            cache_read: long.cache_read.map(rate),
        }),
        batch: None,
    }
}

impl<S> Layer<S> for SpendingLayer {
    type Service = SpendingService<S>;

    fn layer(&self, inner: S) -> SpendingService<S> {
        SpendingService { inner, layer: self.clone() }
    }
}

impl<S> Service<Attempt> for SpendingService<S>
where
    S: Service<Attempt, Response = ChatStream, Error = ProviderError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = ChatStream;
    type Error = ProviderError;
    type Future = BoxFuture<'static, Result<ChatStream, ProviderError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next); // the one that was polled ready
        let layer = self.layer.clone();
        Box::pin(async move {
            let request = layer.counted(layer.chat(&attempt), &attempt).await;
            let hold = layer.reserve(request).await?;
            match ready.call(attempt).await {
                Ok(answer) => Ok(counted(answer, hold, layer)),
                Err(error) => {
                    unanswered(hold, &error).await;
                    Err(error)
                }
            }
        })
    }
}

impl<S> Service<EmbedAttempt> for SpendingService<S>
where
    S: Service<EmbedAttempt, Response = Embeddings, Error = ProviderError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Embeddings;
    type Error = ProviderError;
    type Future = BoxFuture<'static, Result<Embeddings, ProviderError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, attempt: EmbedAttempt) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next); // the one that was polled ready
        let layer = self.layer.clone();
        Box::pin(async move {
            let mut hold = layer.reserve(layer.embedding(&attempt)).await?;
            match ready.call(attempt).await {
                Ok(made) => {
                    // It is made already: what it took beyond what was reserved is spent all the same.
                    note(hold.told(made.usage).await);
                    note(hold.complete().await);
                    Ok(made)
                }
                Err(error) => {
                    unanswered(hold, &error).await;
                    Err(error)
                }
            }
        })
    }
}

/// A request that was refused costs nothing. One whose answer was not waited for, or got lost, may have been answered.
async fn unanswered(hold: Hold, error: &ProviderError) {
    let may_cost = matches!(error.kind, ErrorKind::Timeout | ErrorKind::StreamTruncated | ErrorKind::Malformed);
    if may_cost {
        note(hold.truncated().await);
    } else {
        note(hold.release().await);
    }
}

/// What is left to do of an answer under way.
struct Counting {
    answer: ChatStream,
    hold: Hold,
    layer: SpendingLayer,
}

/// Each event is counted before it is passed on. Dropped in the middle, the reservation is settled by what was seen.
fn counted(answer: ChatStream, hold: Hold, layer: SpendingLayer) -> ChatStream {
    let counting = Some(Counting { answer, hold, layer });
    ChatStream::new(stream::unfold(counting, |counting| async { counting?.next().await }))
}

type Counted = (Result<StreamEvent, ProviderError>, Option<Counting>);

impl Counting {
    async fn next(mut self) -> Option<Counted> {
        let event = match self.answer.next().await {
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                note(self.hold.truncated().await);
                return Some((Err(error), None));
            }
            None => {
                note(self.hold.truncated().await);
                return None;
            }
        };
        let counted = match &event {
            StreamEvent::Usage { usage } => self.hold.told(*usage).await,
            StreamEvent::Delta { delta, .. } => self.hold.saw(delta.as_str().len() as u64).await,
            StreamEvent::End { .. } => {
                // What was told is what was used.
                note(self.hold.complete().await);
                return Some((Ok(event), None));
            }
            _ => Ok(()),
        };
        match counted {
            Err(error @ Error::Exhausted(_)) => {
                let stopped = self.layer.refused(error);
                note(self.hold.stop().await);
                Some((Err(stopped), None))
            }
            outcome => {
                note(outcome);
                Some((Ok(event), Some(self)))
            }
        }
    }
}

/// What cannot be written now is written later, by the ledger itself.
fn note<T>(outcome: Result<T, Error>) {
    if let Err(error) = outcome {
        tracing::warn!(error = &error as &dyn std::error::Error, "the ledger is behind");
    }
}
