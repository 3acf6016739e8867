use std::sync::Arc;
use std::time::Duration;

use orchestrator_transcript::Usage;
use orchestrator_vocab::OrgId;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::opening::{Leave, rest};
use super::record::{Record, Subject};
use super::{Chosen, Inner};
use crate::decide::{Decision, Needs, millis};
use crate::layers::EmbedAttempt;
use crate::retry::{self, Next};
use crate::trace::{Ability, Failure};
use crate::{Attribution, EmbedRequest, Embeddings, Error, ProviderError, Skip, Target, TraceId};

/// Texts on their way to a model that makes vectors of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedAsk {
    /// Whose request it is.
    pub org: OrgId,
    /// As for [`Ask::model`](crate::Ask::model). `None`: the model for embeddings that is configured.
    pub model: Option<String>,
    /// The texts, at least one, none empty.
    pub inputs: Vec<String>,
    /// How long the vectors shall be, for models that can be asked.
    pub dimensions: Option<u32>,
}

/// Vectors, and who made them.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// In the order of the texts, all equally long.
    pub vectors: Vec<Vec<f32>>,
    /// What was used, all requests together.
    pub usage: Usage,
    /// Who made them. Vectors of different models cannot be compared.
    pub target: Target,
    /// The trace of the decision.
    pub trace: TraceId,
}

/// Asks one model, and no other: vectors of two models have nothing to do with each other.
pub(super) async fn embed(inner: &Arc<Inner>, ask: EmbedAsk) -> Result<Embedded, Error> {
    check(&ask)?;
    let target = inner.embedder(&ask)?;
    let limits = inner.seat(&target).member.provider.embed_limits();
    let mut record = begin(inner, &ask, &target);
    let trace = record.id();
    let (mut vectors, mut usage) = (Vec::with_capacity(ask.inputs.len()), Usage::default());
    for batch in limits.batches(&ask.inputs) {
        let inputs = ask.inputs[batch].to_vec();
        let request = EmbedRequest { model: target.model.clone(), inputs, dimensions: ask.dimensions };
        match series(inner, &target, &request, &mut record).await {
            Ok(made) => {
                record.answers(&target);
                usage += made.usage;
                record.used(usage);
                vectors.extend(made.vectors);
            }
            Err(Some(source)) => {
                record.failed(None);
                let retry_in = source.fault().retry_in().map(|wait| wait.max(rest(inner, &target)));
                return Err(Error::Failed { target, source: source.into(), retry_in, trace });
            }
            Err(None) => {
                let skipped = record.all_skipped();
                record.none();
                return Err(Error::NoCandidate { skipped, trace });
            }
        }
    }
    record.embedded();
    Ok(Embedded { vectors, usage, target, trace })
}

fn check(ask: &EmbedAsk) -> Result<(), Error> {
    if ask.inputs.is_empty() || ask.inputs.iter().any(String::is_empty) {
        return Err(Error::invalid("inputs", "expected at least one text, and none that is empty"));
    }
    match ask.dimensions {
        Some(0) => Err(Error::invalid("dimensions", "expected 1 or more")),
        _ => Ok(()),
    }
}

fn begin(inner: &Arc<Inner>, ask: &EmbedAsk, target: &Target) -> Record {
    let bytes: u64 = ask.inputs.iter().map(|input| input.len() as u64).sum();
    let needs =
        Needs { input_tokens: bytes.div_ceil(4), output_tokens: Some(0), tools: false, vision: false, thinking: false };
    let chosen = Chosen {
        targets: vec![target.clone()],
        candidates: vec![inner.seat(target).candidate(&target.model)],
        needs,
        decision: Decision { order: vec![0], skipped: Vec::new() },
        degraded: Vec::new(),
    };
    let subject = Subject {
        org: ask.org,
        attribution: Attribution::default(),
        requested: ask.model.clone(),
        ability: Ability::Embed,
    };
    Record::begin(inner.clone(), subject, &chosen)
}

/// Asks until there is an answer or no sense in asking; `None`: the provider rests.
async fn series(
    inner: &Arc<Inner>,
    target: &Target,
    request: &EmbedRequest,
    record: &mut Record,
) -> Result<Embeddings, Option<ProviderError>> {
    let (mut tries, mut waited, mut last) = (0, Duration::ZERO, None);
    loop {
        let leave = match Leave::ask(inner, target) {
            Ok(leave) => leave,
            Err(wait) => {
                record.skipped(target, Skip::CircuitOpen { retry_in_ms: millis(wait) });
                return Err(last);
            }
        };
        tries += 1;
        let asked = Instant::now();
        let attempt = EmbedAttempt { seat: leave.seat().clone(), account: record.account(), request: request.clone() };
        let made = inner.embeddings.clone().oneshot(attempt).await.and_then(|made| made.check(request.inputs.len()));
        let attempted = record.attempted(target, waited, asked.elapsed());
        let error = match made {
            Ok(made) => {
                leave.succeeded();
                return Ok(made);
            }
            Err(error) => error,
        };
        attempted.failure = Some(Failure::from(&error));
        leave.failed(&error);
        match retry::after(&error, tries, tries, &inner.limits, retry::chance()) {
            Next::Again(wait) => {
                tokio::time::sleep(wait).await;
                (waited, last) = (wait, Some(error));
            }
            Next::Nothing | Next::Other => return Err(Some(error)),
        }
    }
}
