use std::time::Duration;

use orchestrator_vocab::Timestamp;

use crate::{ProviderError, Skip, Target, TraceId};

/// What the router refuses, or fails at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Configure one.
    #[error("no model configured: set OPENAI_API_KEY, ANTHROPIC_API_KEY or models.*")]
    NotConfigured,
    /// Configure one, or name a model.
    #[error("no model for embeddings is configured: set models.embedding, or say which")]
    NoEmbedder,
    /// Correct the name, or say `provider/model`.
    #[error("no provider that is configured has `{0}`; say provider/model")]
    UnknownModel(String),
    /// Correct the field.
    #[error("{field}: {problem}")]
    Invalid {
        /// As the configuration and the wire spell it.
        field: &'static str,
        /// What was expected.
        problem: String,
    },
    /// Every model was skipped. [`retry_in`](Self::retry_in) tells whether waiting helps and how long; else change the request.
    #[error("no model can take this request: {}", told(.skipped))]
    NoCandidate {
        /// Why, for each.
        skipped: Vec<(Target, Skip)>,
        /// The trace of the decision.
        trace: TraceId,
    },
    /// What can be done, [`fault`](Self::fault) tells. The error is the last one; the trace has all.
    #[error("{target} failed")]
    Failed {
        /// Who was asked last.
        target: Target,
        /// What it said.
        source: Box<ProviderError>,
        /// From now to the first moment at which one of those that were asked may be asked again: as it said itself, or as long
        /// as its circuit is open. `None` if asking any of them again is of no use.
        retry_in: Option<Duration>,
        /// The trace of the decision.
        trace: TraceId,
    },
}

fn told(skipped: &[(Target, Skip)]) -> String {
    let one = |(target, skip): &(Target, Skip)| {
        let reason = match skip {
            Skip::CircuitOpen { retry_in_ms } => format!("is left alone for {retry_in_ms} ms"),
            Skip::ContextWindow { needed, window } => format!("reads {window} tokens, not {needed}"),
            Skip::OutputMax { needed, most } => format!("writes {most} tokens, not {needed}"),
            Skip::NoTools => "calls no tools".to_owned(),
            Skip::NoVision => "sees nothing".to_owned(),
            Skip::NoThinking => "does not think".to_owned(),
            Skip::Retired { on } => format!("is retired since {on}"),
        };
        format!("{target} {reason}")
    };
    skipped.iter().map(one).collect::<Vec<_>>().join("; ")
}

impl Error {
    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid { field, problem: problem.into() }
    }

    pub(crate) fn unknown(text: &str) -> Self {
        Self::UnknownModel(text.to_owned())
    }

    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        self.retry_in().is_some()
    }

    /// The first moment at which the same call may succeed, seen from `now`; `None` if it never does by itself. For whoever puts
    /// its work aside until then.
    pub fn retry_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.retry_in().map(|wait| now + wait)
    }
}
