//! A request in the protocol's words.

mod cache;
mod content;
mod thinking;

use orchestrator_models::{ErrorKind, ProviderError, Request, ToolChoice};
use orchestrator_transcript::Content;

use crate::family::Family;
use crate::wire::{Block, Body, Choice, Piece, Tool};
use crate::{Options, ThinkingForm};

/// The version of the protocol since which no model is sent a temperature; versions are dates and sort as text.
const WITHOUT_TEMPERATURE: &str = "2026-10-21";

/// Writes requests for one provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    /// The provider's name as it is configured.
    pub(crate) provider: &'a str,
    pub(crate) options: &'a Options,
}

impl Writer<'_> {
    /// To be answered as a stream.
    pub(crate) fn chat<'a>(&self, request: &'a Request) -> Result<Body<'a>, ProviderError> {
        let family = self.family(&request.model);
        let max_tokens = self.max_tokens(request, family);
        let takes_temperature = family.takes_temperature && self.options.api_version.as_str() < WITHOUT_TEMPERATURE;
        Ok(Body {
            max_tokens: Some(max_tokens),
            temperature: request.temperature.filter(|_| takes_temperature),
            stop_sequences: &request.stop_sequences,
            stream: Some(true),
            ..self.input(request)?
        })
    }

    /// What is read of a request; the rest does not count.
    pub(crate) fn input<'a>(&self, request: &'a Request) -> Result<Body<'a>, ProviderError> {
        let family = self.family(&request.model);
        let max_tokens = self.max_tokens(request, family);
        let messages = content::turns(self.provider, family, request)?;
        let (thinking, output_config) =
            thinking::write(family, request.thinking, max_tokens, self.options.thinking_display)?;
        let thinking = thinking.filter(|thinking| thinking::may_begin(thinking, &messages));
        let mut body = Body {
            model: &request.model,
            max_tokens: None,
            system: system(request)?,
            tools: tools(request),
            tool_choice: choice(request),
            thinking,
            output_config,
            temperature: None,
            stop_sequences: &[],
            stream: None,
            messages,
        };
        cache::mark(&mut body, &self.options.cache);
        Ok(body)
    }

    fn family(&self, model: &str) -> Family {
        let family = Family::of(model);
        let Some(thinking) = self.options.thinking else { return family };
        Family { thinking, takes_budget: thinking == ThinkingForm::Budget, ..family }
    }

    fn max_tokens(&self, request: &Request, family: Family) -> u32 {
        request.max_tokens.or(self.options.max_tokens).unwrap_or(family.max_tokens)
    }
}

/// What cannot be said in this protocol.
fn refused(message: impl Into<String>) -> ProviderError {
    ProviderError::new(ErrorKind::InvalidRequest, message)
}

fn system(request: &Request) -> Result<Vec<Piece<'_>>, ProviderError> {
    let texts = request.system.iter().map(|block| match &block.content {
        Content::Text { text } => Ok(text.as_str()),
        _ => Err(refused("the system prompt can only be text")),
    });
    let texts: Vec<_> = texts.collect::<Result<_, _>>()?;
    // Empty text is refused upstream.
    let texts = texts.into_iter().filter(|text| !text.is_empty());
    Ok(texts.map(|text| Block::Text { text }.into()).collect())
}

fn tools(request: &Request) -> Vec<Tool<'_>> {
    let tools = request.tools.iter();
    tools
        .map(|tool| Tool {
            name: &tool.name,
            description: &tool.description,
            input_schema: &tool.parameters,
            cache_control: None,
        })
        .collect()
}

fn choice(request: &Request) -> Option<Choice<'_>> {
    match &request.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::Any => Some(Choice::Any),
        ToolChoice::Tool(name) => Some(Choice::Tool { name }),
        // Without tools there is nothing to choose, and saying so is refused upstream.
        ToolChoice::None => (!request.tools.is_empty()).then_some(Choice::None),
    }
}

impl<'a> From<Block<'a>> for Piece<'a> {
    fn from(block: Block<'a>) -> Self {
        Self { block, cache_control: None }
    }
}
