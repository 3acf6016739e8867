use std::sync::Arc;

use futures::StreamExt as _;
use orchestrator_models::{Ask, Attribution, Effort, Error, ErrorKind, ProviderError, Request, Router, Thinking, Tool};
use orchestrator_runtime_llm::{Effort as Wanted, ModelAnswer, ModelError, ModelRequest};
use orchestrator_vocab::{Clock, Timestamp};

/// What agents ask models through: the router, in the words of a session.
#[derive(Clone)]
pub(crate) struct Through {
    pub(crate) router: Router,
    pub(crate) clock: Arc<dyn Clock>,
    /// What its requests are put down to.
    pub(crate) attribution: Attribution,
}

impl Through {
    pub(crate) async fn ask(self, request: ModelRequest) -> Result<ModelAnswer, ModelError> {
        let (attribution, clock) = (self.attribution, self.clock);
        let answer = self.router.chat(ask(request, attribution)).await.map_err(|error| refused(&error, clock.now()))?;
        Ok(ModelAnswer {
            model: answer.target.to_string(),
            trace: Some(answer.trace.to_string()),
            events: answer.stream.map(move |event| event.map_err(|error| broke(&error, clock.now()))).boxed(),
        })
    }
}

fn refused(error: &Error, now: Timestamp) -> ModelError {
    let message = told(error);
    if let Error::Failed { source, .. } = error
        && let Some(unsuited) = unsuited(source, &message)
    {
        return unsuited;
    }
    match error.retry_at(now) {
        Some(at) => ModelError::Unavailable { message, retry_at: Some(at) },
        None => ModelError::Refused(message),
    }
}

/// After the first piece nobody else is asked: what there is of the answer is thrown away, and it is asked for again.
fn broke(error: &ProviderError, now: Timestamp) -> ModelError {
    let message = error.to_string();
    // It was stopped: there is money for it again at a time that is known.
    if error.kind == ErrorKind::BudgetExhausted
        && let Some(wait) = error.fault().retry_in()
    {
        return ModelError::Unavailable { message, retry_at: Some(now + wait) };
    }
    unsuited(error, &message).unwrap_or_else(|| {
        if error.is_retryable() { ModelError::Broken(message) } else { ModelError::Refused(message) }
    })
}

fn unsuited(error: &ProviderError, message: &str) -> Option<ModelError> {
    match error.kind {
        ErrorKind::ContextWindowExceeded | ErrorKind::TooLarge => Some(ModelError::TooLong(message.to_owned())),
        _ => None,
    }
}

/// The error with what it came from.
fn told(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn ask(request: ModelRequest, attribution: Attribution) -> Ask {
    let ModelRequest { org, model, may_fall_back, system, messages, tools, max_tokens, temperature, effort } = request;
    let tool = |tool: orchestrator_runtime_llm::Offered| Tool {
        name: tool.wire_name(),
        description: tool.description,
        parameters: tool.parameters,
    };
    let request = Request {
        system,
        tools: tools.into_iter().map(tool).collect(),
        max_tokens,
        #[expect(clippy::cast_possible_truncation, reason = "a temperature is a small number")]
        temperature: temperature.map(|temperature| temperature as f32),
        thinking: effort.map(thinking),
        ..Request::new("", messages)
    };
    Ask { org, attribution, model, may_fall_back, request }
}

fn thinking(wanted: Wanted) -> Thinking {
    match wanted {
        Wanted::Off => Thinking::Off,
        Wanted::Minimal => Thinking::Effort(Effort::Minimal),
        Wanted::Low => Thinking::Effort(Effort::Low),
        Wanted::Medium => Thinking::Effort(Effort::Medium),
        Wanted::High => Thinking::Effort(Effort::High),
        Wanted::Max => Thinking::Effort(Effort::Max),
    }
}
