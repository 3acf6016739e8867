use std::fmt;
use std::sync::Arc;

use orchestrator_rpc::{Call, Code, ErrorBody};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::offer::operation_name;
use super::{Asking, Offer, Operations};

/// What the server says it is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// For programs, for example `orchestrator-daemon`.
    pub name: String,
    /// Of that program.
    pub version: String,
    /// What a model is told about all of the tools.
    pub instructions: String,
}

/// Answers what is asked in the protocol, whatever carries it.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) operations: Arc<dyn Operations>,
    pub(super) identity: Arc<Identity>,
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let Identity { name, version, instructions } = &*self.identity;
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(name.clone(), version.clone()))
            .with_instructions(instructions.clone())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let offers = self.operations.offers(&asking(&context)).await.map_err(|error| refused(&error))?;
        Ok(ListToolsResult::with_all_items(offers.tools.into_iter().map(tool).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let operation = operation_name(&request.name);
        let params = match &request.arguments {
            Some(arguments) => Some(to_raw_value(arguments).map_err(|error| invalid(error.to_string()))?),
            None => None,
        };
        let asking = asking(&context);
        let answer = tokio::select! {
            answer = self.operations.call(&asking, &operation, params) => answer,
            () = context.ct.cancelled() => return Err(invalid("the call was cancelled")),
        };
        match answer {
            Ok(result) => Ok(succeeded(&result).into()),
            Err(error) if error.code == Code::UnknownMethod => {
                Err(invalid(format!("no tool `{}`: `tools/list` names those there are", shortened(&request.name))))
            }
            Err(error) => Ok(failed(&error).into()),
        }
    }
}

/// The call that the gateway left with the request.
fn asking(context: &RequestContext<RoleServer>) -> Asking {
    let head = context.extensions.get::<http::request::Parts>();
    Asking { call: head.and_then(|head| head.extensions.get::<Call>().cloned()) }
}

fn tool(offer: Offer) -> Tool {
    let mut annotations = ToolAnnotations::with_title(&offer.operation).read_only(offer.read_only).open_world(false);
    if offer.read_only {
        annotations = annotations.destructive(false).idempotent(true);
    }
    let mut tool = Tool::new(offer.tool, offer.summary, offer.input_schema).with_annotations(annotations);
    if let Some(schema) = offer.output_schema {
        tool = tool.with_raw_output_schema(Arc::new(schema));
    }
    tool
}

/// An object comes as such and as text, for clients of either age; anything else as text.
fn succeeded(result: &RawValue) -> CallToolResult {
    let text = vec![ContentBlock::text(result.get())];
    let mut answer = CallToolResult::success(text);
    answer.structured_content = serde_json::from_str(result.get()).ok().filter(Value::is_object);
    answer
}

/// For the model, which can do something about most errors: code, message, field and time to wait, as REST tells them.
fn failed(error: &orchestrator_rpc::Error) -> CallToolResult {
    let said = ErrorBody::of(error);
    let text = serde_json::to_string(&said.error).unwrap_or_else(|_| error.code.name().to_owned());
    CallToolResult::error(vec![ContentBlock::text(text)])
}

/// For the client, where there is no call of a tool that could have failed.
fn refused(error: &orchestrator_rpc::Error) -> ErrorData {
    // What may be sent of it is what it says of itself as JSON.
    let said = serde_json::to_value(error).unwrap_or_default();
    let message = said["message"].as_str().unwrap_or("the call failed").to_owned();
    ErrorData::new(rmcp::model::ErrorCode(error.code.json_rpc()), message, said.get("data").cloned())
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> ErrorData {
    ErrorData::invalid_params(message, None)
}

/// Enough to recognise a name by.
fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}
