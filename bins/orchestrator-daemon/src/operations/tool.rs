use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use orchestrator_rpc::{Call, Code, Error, NoParams, Operation, Scope, Table};
use orchestrator_tools::{Call as ToolCall, Context, Error as ToolError, Output, Spec, ToolName};
use orchestrator_transcript::ToolResultPart;
use orchestrator_vocab::Label;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use crate::adapters::{Failed, Gate, Hooking, Judged, Rights, words};

/// A tool, and whether anybody may call it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ToolInfo {
    /// Such as `fs.read`.
    name: String,
    /// As models call it.
    model_name: String,
    /// What it does, for a model.
    description: String,
    /// `builtin`, `operations`, or the server that has it.
    source: String,
    /// Whether it only reads.
    reads: bool,
    /// What calling it twice does: `harmless`, `keyed` or `effective`.
    repeat: String,
    /// The line of `tools.allow` or `tools.confirm` by which it may be called; absent if nobody may.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_by: Option<String>,
    /// Whether a person has to confirm each call (`tools.confirm`).
    confirmed: bool,
    /// How long a call may take, in milliseconds.
    timeout_ms: u64,
    /// The JSON Schema of its arguments.
    input: Value,
    /// The JSON Schema of its structured output.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
}

/// Every tool of this daemon.
#[derive(Debug, Serialize, JsonSchema)]
struct ToolList {
    /// In the order of their names.
    tools: Vec<ToolInfo>,
}

/// The parameters of `tool.describe`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DescribeParams {
    /// Such as `fs.read`.
    #[schemars(length(min = 1, max = 64))]
    tool: String,
}

/// The parameters of `tool.call`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CallParams {
    /// Such as `fs.read`.
    #[schemars(length(min = 1, max = 64))]
    tool: String,
    /// As its schema describes them.
    #[serde(default)]
    arguments: Map<String, Value>,
    /// One of `tools.workspaces`; without it, tools for files and commands refuse.
    #[serde(default)]
    workspace: Option<String>,
}

/// What a call came back with.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Called {
    /// What a model would be told.
    content: Vec<ToolResultPart>,
    /// The same as data.
    #[serde(skip_serializing_if = "Option::is_none")]
    structured: Option<Value>,
    /// Whose words those are.
    label: Label,
    /// Whether the tool says that it failed.
    is_error: bool,
    /// By which rules it was made.
    allowed_by: String,
}

#[derive(Clone)]
struct Desk {
    gate: Gate,
    hooking: Hooking,
    workspaces: Arc<BTreeMap<String, PathBuf>>,
}

/// `tool.list`, `tool.describe` and `tool.call`.
pub(crate) fn table(gate: Gate, hooking: Hooking, workspaces: BTreeMap<String, PathBuf>) -> Table {
    let desk = Desk { gate, hooking, workspaces: Arc::new(workspaces) };
    let (all, one, calls) = (desk.clone(), desk.clone(), desk);
    let list = move |_: Call, NoParams {}| {
        let tools = all.gate.registry().list().iter().map(|spec| all.info(spec)).collect();
        async move { Ok::<_, Error>(ToolList { tools }) }
    };
    let get = move |_: Call, params: DescribeParams| {
        let found = one.named(&params.tool).map(|spec| one.info(&spec));
        async move { found }
    };
    let call = move |call: Call, params: CallParams| {
        let desk = calls.clone();
        async move { desk.call(call, params).await }
    };
    let tried = [Code::NotFound, Code::Forbidden, Code::Conflict, Code::Unavailable];
    Table::new()
        .with(Operation::new("tool.list", Scope::Read, "Lists the tools of this daemon", list).read_only())
        .with(
            Operation::new("tool.describe", Scope::Read, "Tells of a tool, with the schema of its arguments", get)
                .read_only()
                .fails_with([Code::NotFound]),
        )
        .with(
            Operation::new("tool.call", Scope::Admin, "Tries a tool, if tools.allow names it", call).fails_with(tried),
        )
}

impl Desk {
    fn named(&self, tool: &str) -> Result<Arc<Spec>, Error> {
        let name: Option<ToolName> = tool.parse().ok();
        let spec = name.and_then(|name| self.gate.registry().get(&name));
        spec.ok_or_else(|| Error::not_found(format!("there is no tool {tool}")))
    }

    fn info(&self, spec: &Spec) -> ToolInfo {
        let repeat = serde_json::to_value(spec.repeat).ok();
        ToolInfo {
            name: spec.name.to_string(),
            model_name: spec.name.model_name(),
            description: spec.description.clone(),
            source: self.gate.registry().source(&spec.name).map(|source| source.to_string()).unwrap_or_default(),
            reads: spec.reads,
            repeat: repeat.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            allowed_by: self.gate.line(&spec.name).map(|line| line.pattern.to_string()),
            confirmed: self.gate.line(&spec.name).is_some_and(|line| line.is_confirmed),
            timeout_ms: spec.timeout_ms,
            input: spec.input.clone(),
            output: spec.output.clone(),
        }
    }

    async fn call(&self, call: Call, params: CallParams) -> Result<Called, Error> {
        let spec = self.named(&params.tool)?;
        let workspace = match &params.workspace {
            None => None,
            Some(name) => {
                let path = self.workspaces.get(name);
                let unknown = || Error::invalid_field("workspace", "expected a name of `tools.workspaces`");
                Some(path.cloned().ok_or_else(unknown)?)
            }
        };
        let context = Context {
            workspace,
            label: Label::USER,
            cancel: call.cancel.clone(),
            ..Context::new(call.org(), call.actor(), call.correlation.clone())
        };
        let wanted = ToolCall { tool: spec.name.clone(), arguments: Value::Object(params.arguments), context };
        let judged = self.hooking.judge(&self.gate, wanted, &Rights::all(), None).await;
        let judged = judged.map_err(|refusal| Error::forbidden(refusal.to_string()))?;
        let Judged { allowed, afterwards } = judged;
        let output = match self.gate.calls().oneshot(allowed.permit).await {
            Ok(output) => output,
            Err(error) => {
                // Whoever called learns of the failure alone.
                afterwards.told(error.to_string().into(), Failed::Yes).await;
                return Err(refused(&error));
            }
        };
        let label = allowed.reading.label(&output);
        let Output { mut content, structured, is_error, .. } = output;
        let failed = if is_error { Failed::Yes } else { Failed::No };
        let context = afterwards.told(json!(content), failed).await;
        if !context.is_empty() {
            content.push(ToolResultPart::Text { text: words(&context) });
        }
        Ok(Called { content, structured, label, is_error, allowed_by: allowed.reason })
    }
}

fn refused(error: &ToolError) -> Error {
    let said = error.to_string();
    match error {
        ToolError::Unknown(_) => Error::not_found(said),
        ToolError::Invalid { .. } => Error::invalid_field("arguments", said),
        ToolError::Refused(_) => Error::forbidden(said),
        ToolError::Unavailable { .. } | ToolError::TimedOut { .. } => Error::unavailable(said),
        _ => Error::conflict(said),
    }
}
