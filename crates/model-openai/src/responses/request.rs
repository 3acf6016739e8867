use async_openai::types::responses::{
    CreateResponse, FunctionTool, IncludeEnum, Tool as OfferedTool, ToolChoiceFunction, ToolChoiceOptions,
    ToolChoiceParam,
};
use orchestrator_models::{ErrorKind, ProviderError, Request, Tool, ToolChoice};
use serde_json::{Map, Value, json};

use super::input::input;
use crate::{Config, models};

/// What is posted. Items that go back as they came, and efforts of newer models, are added to the JSON of the types.
pub(crate) fn body(request: &Request, config: &Config) -> Result<Value, ProviderError> {
    if !request.stop_sequences.is_empty() {
        let message = "Responses take no stop sequences; chat completions do";
        return Err(ProviderError::new(ErrorKind::InvalidRequest, message));
    }
    // Asked of a model that does not reason, it is an error.
    let reasons = models::reasons(&request.model) || request.wants_thinking();
    let typed = CreateResponse {
        model: Some(request.model.clone()),
        instructions: crate::provider::instructions(request)?,
        max_output_tokens: request.max_tokens,
        temperature: models::temperature(request),
        tools: (!request.tools.is_empty()).then(|| request.tools.iter().map(tool).collect()),
        tool_choice: choice(&request.tool_choice),
        include: reasons.then(|| vec![IncludeEnum::ReasoningEncryptedContent]),
        store: Some(false),
        stream: Some(config.options.stream),
        ..CreateResponse::default()
    };
    let mut body = serde_json::to_value(typed).map_err(crate::provider::unsendable)?;
    body["input"] = Value::Array(input(request)?);
    let mut reasoning = Map::new();
    if let Some(effort) = models::effort(request.thinking, config.options.hardest_effort) {
        reasoning.insert("effort".into(), json!(effort));
    }
    if let Some(summary) = config.options.reasoning_summary.filter(|_| reasons) {
        reasoning.insert("summary".into(), json!(summary));
    }
    if !reasoning.is_empty() {
        body["reasoning"] = Value::Object(reasoning);
    }
    Ok(body)
}

/// Not strict, which is the default here: the schemas are anybody's, and strict mode takes only some.
fn tool(tool: &Tool) -> OfferedTool {
    OfferedTool::Function(FunctionTool {
        name: tool.name.clone(),
        description: Some(tool.description.clone()).filter(|description| !description.is_empty()),
        parameters: Some(tool.parameters.clone()),
        strict: Some(false),
        ..FunctionTool::default()
    })
}

fn choice(choice: &ToolChoice) -> Option<ToolChoiceParam> {
    Some(match choice {
        ToolChoice::Auto => return None,
        ToolChoice::Any => ToolChoiceParam::Option(ToolChoiceOptions::Required),
        ToolChoice::None => ToolChoiceParam::Option(ToolChoiceOptions::None),
        ToolChoice::Tool(name) => ToolChoiceParam::Function(ToolChoiceFunction { name: name.clone() }),
    })
}
