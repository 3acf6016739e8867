//! A model without a model: it says what a script tells it to.

mod embedding;
mod find;
mod obey;
mod play;
mod script;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use orchestrator_transcript::{Block, Content, Message, Role, ToolResultPart, Usage};

pub use script::{Script, ScriptError};

use crate::{
    ChatStream, EmbedLimits, EmbedRequest, Embeddings, ErrorKind, ListedModel, Provider, ProviderError, Request,
};
use find::Found;
use script::Rule;

/// A provider that follows a [`Script`]: deterministic, offline, for tests, examples and demonstrations.
///
/// The first rule whose conditions hold answers. With the same script and the same requests in the same order, the answers
/// are the same. What no rule is for is refused: it makes nothing up.
#[derive(Debug)]
pub struct Scripted {
    name: String,
    script: Script,
    /// How often each rule has answered.
    answered: Vec<Arc<AtomicU32>>,
    /// How often embeddings have failed.
    failed: AtomicU32,
}

impl Scripted {
    /// A provider of that name.
    pub fn new(name: impl Into<String>, script: Script) -> Self {
        let answered = script.rules.iter().map(|_| Arc::default()).collect();
        Self { name: name.into(), script, answered, failed: AtomicU32::new(0) }
    }

    /// The rule for a request, counted, and what it found.
    fn rule(&self, request: &Request, seen: &Seen) -> Option<(&Rule, Found)> {
        self.script.rules.iter().zip(&self.answered).find_map(|(rule, answered)| {
            let is_left = |count: u32| rule.times.is_none_or(|times| count < times).then(|| count.saturating_add(1));
            let found = rule.when.holds(request, seen).then(|| rule.found(seen))??;
            answered.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_left).is_ok().then_some((rule, found))
        })
    }
}

#[async_trait]
impl Provider for Scripted {
    fn name(&self) -> &str {
        &self.name
    }

    async fn chat(&self, request: Request) -> Result<ChatStream, ProviderError> {
        let seen = Seen::of(&request);
        let input = Usage { input: request.tokens_estimated(), ..Usage::default() };
        if let Some((rule, found)) = self.rule(&request, &seen) {
            return play::rule(&self.name, &request, rule, (&seen, &found), input).await;
        }
        if self.script.obedient {
            return Ok(play::steps(&self.name, &request, &obey::steps(&seen), &seen, input));
        }
        Err(ProviderError::new(ErrorKind::InvalidRequest, "no rule of the script is for this"))
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, ProviderError> {
        let embedding = &self.script.embedding;
        if let Some(fault) = &embedding.fault {
            let is_left =
                |count: u32| embedding.times.is_none_or(|times| count < times).then(|| count.saturating_add(1));
            if self.failed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_left).is_ok() {
                return match fault.silent {
                    true => std::future::pending().await,
                    false => Err(fault.error()),
                };
            }
        }
        Ok(embedding::vectors(&request, embedding.dimensions.unwrap_or(embedding::DIMENSIONS)))
    }

    fn embed_limits(&self) -> EmbedLimits {
        let usual = EmbedLimits::default();
        EmbedLimits { inputs_max: self.script.embedding.inputs_max.unwrap_or(usual.inputs_max), ..usual }
    }

    async fn count_tokens(&self, request: &Request) -> Result<u64, ProviderError> {
        Ok(request.tokens_estimated())
    }

    async fn list(&self) -> Result<Vec<ListedModel>, ProviderError> {
        self.probe().await?;
        Ok(self.script.models.iter().map(|id| ListedModel { id: id.clone(), display_name: None }).collect())
    }

    async fn probe(&self) -> Result<(), ProviderError> {
        self.script.probe.as_ref().map_or(Ok(()), |fault| Err(fault.error()))
    }
}

/// What a script looks at.
#[derive(Debug)]
struct Seen {
    /// The first text of the conversation.
    first: String,
    /// The last turn's text.
    last: String,
    /// The texts of the results of tools in the last turn, one per result.
    results: Vec<String>,
    /// Everything that people and tools have said, in its order.
    all: Vec<String>,
    /// How often the model has answered already, and once more.
    turn: u32,
}

impl Seen {
    fn of(request: &Request) -> Self {
        let asked: Vec<&Message> = request.messages.iter().filter(|message| message.role == Role::User).collect();
        let answers = request.messages.len() - asked.len();
        Self {
            first: asked.first().map(|message| said(&message.content)).unwrap_or_default(),
            last: asked.last().map(|message| said(&message.content)).unwrap_or_default(),
            results: asked.last().map(|message| results(&message.content)).unwrap_or_default(),
            all: asked
                .iter()
                .flat_map(|message| results(&message.content).into_iter().chain([said(&message.content)]))
                .collect(),
            turn: u32::try_from(answers).unwrap_or(u32::MAX).saturating_add(1),
        }
    }
}

/// Each text on lines of its own: what is said in two does not run together.
fn said(content: &[Block]) -> String {
    let texts: Vec<&str> = content.iter().filter_map(|block| block.content.as_text()).collect();
    texts.join("\n")
}

fn results(content: &[Block]) -> Vec<String> {
    let text = |part: &ToolResultPart| match part {
        ToolResultPart::Text { text } => Some(text.clone()),
        ToolResultPart::Image { .. } => None,
    };
    let of_block = |block: &Block| match &block.content {
        Content::ToolResult(result) => Some(result.content.iter().filter_map(text).collect::<Vec<_>>().join("\n")),
        _ => None,
    };
    content.iter().filter_map(of_block).collect()
}
