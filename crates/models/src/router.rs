//! Finds a model for a request, and another if that one fails.

mod embedding;
mod flow;
mod opening;
mod record;
mod sparing;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orchestrator_vocab::{Clock, OrgId};
use tower::util::BoxCloneSyncService;

use crate::decide::{self, Candidate, Circumstances, Decision, Needs};
use crate::layers::{AskProvider, AttemptService, EmbedService};
use crate::pool::{Pool, Seat};
use crate::trace::{Ability, Traces};
use crate::{
    Attribution, ChatStream, Degraded, Error, ErrorKind, Facts, Limits, ListedModel, Member, OnRefusal, ProviderError,
    ProviderStatus,
};
use crate::{Request, Strategy, Target, Thrift, Trace, TraceId};
use record::{Record, Subject};
use sparing::Line;

pub use embedding::{EmbedAsk, Embedded};

/// Told of each trace when it is complete.
pub type Listener = Arc<dyn Fn(&Trace) + Send + Sync>;

/// What a [`Router`] is made of.
pub struct Parts {
    /// Everybody who may be asked.
    pub members: Vec<Member>,
    /// The model that is asked unless a request names one; as for [`Ask::model`].
    pub primary: Option<String>,
    /// Those that are asked if it cannot answer.
    pub fallbacks: Vec<String>,
    /// Who of them is first.
    pub strategy: Strategy,
    /// What is done when a model refuses.
    pub on_refusal: OnRefusal,
    /// All the bounds.
    pub limits: Limits,
    /// Who knows which cheaper models are to be asked, if somebody does.
    pub thrift: Option<Thrift>,
    /// What surrounds an attempt; [`AskProvider`](crate::layers::AskProvider) at least.
    pub attempts: AttemptService,
    /// The model that makes vectors of texts unless a request names one; as for [`Ask::model`].
    pub embedder: Option<String>,
    /// What surrounds an attempt to make vectors; [`AskProvider`](crate::layers::AskProvider) at least.
    pub embeddings: EmbedService,
    /// For the times in traces.
    pub clock: Arc<dyn Clock>,
    /// Told of each trace when it is complete.
    pub listener: Listener,
}

impl Parts {
    /// Asks `members` within `limits`, the primary model first, with nothing around an attempt. Nobody is told of traces, makes vectors
    /// or knows of cheaper models.
    pub fn new(members: Vec<Member>, primary: Option<String>, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            members,
            primary,
            fallbacks: Vec::new(),
            strategy: Strategy::Failover,
            on_refusal: OnRefusal::Stop,
            limits,
            thrift: None,
            attempts: BoxCloneSyncService::new(AskProvider),
            embedder: None,
            embeddings: BoxCloneSyncService::new(AskProvider),
            clock,
            listener: Arc::new(|_| {}),
        }
    }
}

/// A request on its way to whoever can answer it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Whose request it is.
    pub org: OrgId,
    /// What it is put down to. The router only hands it on.
    pub attribution: Attribution,
    /// `provider/model`, or a model alone if only one provider can be meant. It is asked first. `None`: the primary one.
    pub model: Option<String>,
    /// Whether others may answer if the model that is named cannot.
    pub may_fall_back: bool,
    /// What is asked; its `model` is set by the router.
    pub request: Request,
}

/// An answer that has begun.
#[derive(Debug)]
pub struct Answer {
    /// The rest of it, from its first event. Continued turns are one answer.
    pub stream: ChatStream,
    /// Who answers.
    pub target: Target,
    /// The trace of the decision, complete when the stream ends or is dropped.
    pub trace: TraceId,
}

/// Asks models. Cheap to clone.
#[derive(Clone)]
pub struct Router(Arc<Inner>);

struct Inner {
    pool: Pool,
    chain: Vec<Target>,
    strategy: Strategy,
    on_refusal: OnRefusal,
    limits: Limits,
    thrift: Option<Thrift>,
    attempts: AttemptService,
    embedder: Option<Target>,
    embeddings: EmbedService,
    clock: Arc<dyn Clock>,
    listener: Listener,
    traces: Traces,
    turn: AtomicUsize,
}

/// Candidates with what is decided about them.
struct Chosen {
    targets: Vec<Target>,
    candidates: Vec<Candidate>,
    needs: Needs,
    decision: Decision,
    degraded: Vec<Degraded>,
}

impl Router {
    /// Starts nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::UnknownModel`] for what is configured wrongly.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        parts.limits.validate()?;
        let pool = Pool::new(parts.members)?;
        let named = parts.primary.iter().chain(&parts.fallbacks);
        let mut chain = Vec::new();
        for text in named {
            let target = pool.resolve(text)?;
            if !chain.contains(&target) {
                chain.push(target);
            }
        }
        let embedder = parts.embedder.map(|text| pool.resolve(&text)).transpose()?;
        Ok(Self(Arc::new(Inner {
            pool,
            embedder,
            embeddings: parts.embeddings,
            chain,
            strategy: parts.strategy,
            on_refusal: parts.on_refusal,
            traces: Traces::new(parts.limits.traces_max),
            limits: parts.limits,
            thrift: parts.thrift,
            attempts: parts.attempts,
            clock: parts.clock,
            listener: parts.listener,
            turn: AtomicUsize::new(0),
        })))
    }

    /// Asks for an answer, and returns when its first piece is there: until then others may be asked instead.
    ///
    /// # Errors
    /// If nobody can be asked, or nobody answers. What fails after the first piece is an error of the stream.
    pub async fn chat(&self, ask: Ask) -> Result<Answer, Error> {
        let inner = &self.0;
        let line = inner.sparing(inner.targets(&ask)?, &ask).await;
        let chosen = inner.choose(line, &ask);
        let subject = Subject {
            org: ask.org,
            attribution: ask.attribution.clone(),
            requested: ask.model.clone(),
            ability: Ability::Chat,
        };
        let record = Record::begin(inner.clone(), subject, &chosen);
        let trace = record.id();
        if chosen.decision.order.is_empty() {
            record.none();
            let skipped = chosen.decision.skipped.iter();
            let skipped = skipped.map(|(number, skip)| (chosen.targets[*number].clone(), skip.clone())).collect();
            return Err(Error::NoCandidate { skipped, trace });
        }
        flow::begin(inner.clone(), ask.request, chosen, record).await
    }

    /// Makes vectors of texts, in as many requests as its provider needs. Another model is never asked instead.
    ///
    /// # Errors
    /// [`Error::NoEmbedder`] if no model is named or configured, [`Error::Invalid`] for texts that cannot be; else as for
    /// [`chat`](Self::chat). If one of several requests fails, all do.
    pub async fn embed(&self, ask: EmbedAsk) -> Result<Embedded, Error> {
        Box::pin(embedding::embed(&self.0, ask)).await
    }

    /// How many tokens of input a request is for the model it would go to first, as its provider counts.
    ///
    /// # Errors
    /// If no model is configured, the one that is named is unknown, or its provider fails.
    pub async fn count_tokens(&self, ask: &Ask) -> Result<u64, Error> {
        let target = self.0.targets(ask)?.swap_remove(0);
        let request = Request { model: target.model.clone(), ..ask.request.clone() };
        let counted = self.0.seat(&target).member.provider.count_tokens(&request).await;
        counted.map_err(|source| {
            let retry_in = source.fault().retry_in();
            Error::Failed { target, source: source.into(), retry_in, trace: TraceId::new() }
        })
    }

    /// What each provider lists within `patience`, or why it does not, with what is known of each model.
    pub async fn list(&self, patience: Duration) -> Vec<(String, Result<Vec<(ListedModel, Facts)>, ProviderError>)> {
        let asked = self.0.pool.seats().map(|seat| async {
            let listed = within(patience, seat.member.provider.list()).await;
            let known = |listed: Vec<ListedModel>| {
                listed.into_iter().map(|model| (model.clone(), seat.facts(&model.id))).collect()
            };
            (seat.member.provider.name().to_owned(), listed.map(known))
        });
        futures::future::join_all(asked).await
    }

    /// Asks providers whether they answer within `patience` and take our credentials: one by its name, or all. `None` if there
    /// is no such.
    pub async fn probe(
        &self,
        provider: Option<&str>,
        patience: Duration,
    ) -> Option<Vec<(String, Result<(), ProviderError>)>> {
        let seats: Vec<&Arc<Seat>> = match provider {
            Some(name) => vec![self.0.pool.seat(name)?],
            None => self.0.pool.seats().collect(),
        };
        let asked = seats.into_iter().map(|seat| async {
            (seat.member.provider.name().to_owned(), within(patience, seat.member.provider.probe()).await)
        });
        Some(futures::future::join_all(asked).await)
    }

    /// How each provider does.
    pub fn status(&self) -> Vec<ProviderStatus> {
        self.0.pool.seats().map(|seat| seat.status()).collect()
    }

    /// The models that are asked unless a request names one, the primary one first.
    pub fn chain(&self) -> &[Target] {
        &self.0.chain
    }

    /// What is known of a model that is named as in a request.
    ///
    /// # Errors
    /// [`Error::NotConfigured`] and [`Error::UnknownModel`].
    pub fn facts(&self, model: &str) -> Result<Facts, Error> {
        if self.0.pool.seats().next().is_none() {
            return Err(Error::NotConfigured);
        }
        let target = self.0.pool.resolve(model)?;
        Ok(self.0.seat(&target).facts(&target.model))
    }

    /// The model that makes vectors unless a request names one.
    pub fn embedder(&self) -> Option<&Target> {
        self.0.embedder.as_ref()
    }

    /// Those of them that their vendors take away, with the first day without them, as `2026-12-11`.
    pub fn retiring(&self) -> Vec<(Target, String)> {
        let named = self.0.chain.iter().chain(&self.0.embedder);
        let known = |target: &Target| Some((target.clone(), self.0.seat(target).facts(&target.model).retires?));
        let mut retiring: Vec<(Target, String)> = named.filter_map(known).collect();
        retiring.dedup();
        retiring
    }

    /// The trace of a decision that is complete; `None` if there is none, or it is another organisation's, or was forgotten.
    pub fn trace(&self, org: OrgId, id: TraceId) -> Option<Arc<Trace>> {
        self.0.traces.get(org, id)
    }

    /// Complete traces, the newest first.
    pub fn traces(&self, org: OrgId, before: Option<TraceId>, limit: usize) -> Vec<Arc<Trace>> {
        self.0.traces.list(org, before, limit)
    }
}

impl Inner {
    fn seat(&self, target: &Target) -> &Arc<Seat> {
        self.pool.seat(&target.provider).expect("targets are made by the pool, which never changes")
    }

    fn embedder(&self, ask: &EmbedAsk) -> Result<Target, Error> {
        match &ask.model {
            Some(_) if self.pool.seats().next().is_none() => Err(Error::NotConfigured),
            Some(text) => self.pool.resolve(text),
            None => self.embedder.clone().ok_or(Error::NoEmbedder),
        }
    }

    /// The model that is named, then the primary one and the fallbacks.
    fn targets(&self, ask: &Ask) -> Result<Vec<Target>, Error> {
        if self.pool.seats().next().is_none() {
            return Err(Error::NotConfigured);
        }
        let mut targets: Vec<Target> =
            ask.model.iter().map(|text| self.pool.resolve(text)).collect::<Result<_, _>>()?;
        if targets.is_empty() || ask.may_fall_back {
            let others: Vec<Target> = self.chain.iter().filter(|target| !targets.contains(target)).cloned().collect();
            targets.extend(others);
        }
        if targets.is_empty() { Err(Error::NotConfigured) } else { Ok(targets) }
    }

    fn choose(&self, line: Line, ask: &Ask) -> Chosen {
        let Line { targets, pinned, mut degraded } = line;
        let needs = Needs::of(&ask.request);
        let candidates: Vec<Candidate> =
            targets.iter().map(|target| self.seat(target).candidate(&target.model)).collect();
        let now = self.clock.now().to_string();
        let place = |target: &Target| targets.iter().position(|other| other == target);
        let pairs: Vec<(usize, usize)> =
            degraded.iter().filter_map(|pair| place(&pair.instead).zip(place(&pair.model))).collect();
        let circumstances = Circumstances {
            strategy: self.strategy,
            pinned,
            degraded: &pairs,
            turn: self.turn.fetch_add(1, Ordering::Relaxed),
            today: now.get(..10).unwrap_or_default(),
        };
        let decision = decide::decide(&candidates, &needs, circumstances);
        degraded.retain(|pair| place(&pair.instead).is_some_and(|number| decision.order.contains(&number)));
        Chosen { targets, candidates, needs, decision, degraded }
    }
}

async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let late = || ProviderError::new(ErrorKind::Timeout, format!("no answer within {} ms", patience.as_millis()));
    tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| Err(late()))
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("chain", &self.0.chain).finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("members", &self.members).finish_non_exhaustive()
    }
}
