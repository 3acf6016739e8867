use async_openai::types::chat::{
    ChatCompletionNamedToolChoice, ChatCompletionStreamOptions, ChatCompletionTool, ChatCompletionToolChoiceOption,
    ChatCompletionTools, CreateChatCompletionRequest, FunctionName, FunctionObject, StopConfiguration,
    ToolChoiceOptions,
};
use orchestrator_models::{ErrorKind, ProviderError, Request, Tool, ToolChoice};
use serde_json::{Value, json};

use super::messages::messages;
use crate::{Config, MaxTokensName, models};

/// What OpenAI takes, at most.
const STOP_SEQUENCES_MAX: usize = 4;

/// What is posted. Vendors' own fields, for which the types have no place, are added to their JSON.
pub(crate) fn body(request: &Request, config: &Config) -> Result<Value, ProviderError> {
    if request.stop_sequences.len() > STOP_SEQUENCES_MAX {
        let message = format!("at most {STOP_SEQUENCES_MAX} stop sequences can be given");
        return Err(ProviderError::new(ErrorKind::InvalidRequest, message));
    }
    let options = ChatCompletionStreamOptions { include_usage: Some(true), include_obfuscation: None };
    let typed = CreateChatCompletionRequest {
        model: request.model.clone(),
        temperature: models::temperature(request),
        stop: (!request.stop_sequences.is_empty())
            .then(|| StopConfiguration::StringArray(request.stop_sequences.clone())),
        tools: (!request.tools.is_empty()).then(|| request.tools.iter().map(tool).collect()),
        tool_choice: choice(&request.tool_choice),
        stream: Some(config.options.stream),
        stream_options: config.options.stream.then_some(options),
        ..CreateChatCompletionRequest::default()
    };
    let mut body = serde_json::to_value(typed).map_err(crate::provider::unsendable)?;
    body["messages"] = Value::Array(messages(request)?);
    if let Some(effort) = models::effort(request.thinking, config.options.hardest_effort) {
        body["reasoning_effort"] = json!(effort);
    }
    if let Some(most) = request.max_tokens {
        let name = match config.max_tokens_name() {
            MaxTokensName::MaxCompletionTokens => "max_completion_tokens",
            MaxTokensName::MaxTokens => "max_tokens",
        };
        body[name] = json!(most);
    }
    Ok(body)
}

fn tool(tool: &Tool) -> ChatCompletionTools {
    let function = FunctionObject {
        name: tool.name.clone(),
        description: Some(tool.description.clone()).filter(|description| !description.is_empty()),
        parameters: Some(tool.parameters.clone()),
        strict: None,
    };
    ChatCompletionTools::Function(ChatCompletionTool { function })
}

fn choice(choice: &ToolChoice) -> Option<ChatCompletionToolChoiceOption> {
    Some(match choice {
        ToolChoice::Auto => return None,
        ToolChoice::Any => ChatCompletionToolChoiceOption::Mode(ToolChoiceOptions::Required),
        ToolChoice::None => ChatCompletionToolChoiceOption::Mode(ToolChoiceOptions::None),
        ToolChoice::Tool(name) => ChatCompletionToolChoiceOption::Function(ChatCompletionNamedToolChoice {
            function: FunctionName { name: name.clone() },
        }),
    })
}
