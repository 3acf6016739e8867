//! The daemon's own operations as tools.

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_rpc::{Acting, Call, Caller, Code, Dispatcher, Operation, Scope, Table};
use orchestrator_tasks::Backlog;
use orchestrator_tools::{Context, Error, InvalidTool, Invocation, Output, Registry, Repeat, Spec, Tool};
use orchestrator_vocab::{Actor, Confidentiality, Integrity, Label};
use serde::Deserialize as _;
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::Roster;
use crate::operations::{TASK_WAIT, TASK_WAIT_MS_MAX};

/// Where they come from, for the registry.
const SOURCE: &str = "operations";

/// Offers every operation that is marked for it, in the name of the agent that calls.
pub(crate) fn offer(registry: &Registry, table: Table, roster: &Roster, backlog: &Backlog) -> anyhow::Result<()> {
    let dispatcher = Dispatcher::new(table)?;
    let marked = dispatcher.table().iter().filter(|operation| operation.is_tool());
    let tools = marked.filter_map(|operation| tool(operation, &dispatcher, roster, backlog)).collect();
    registry.replace(SOURCE, tools).map_err(|InvalidTool { tool, problem }| anyhow::anyhow!("{tool}: {problem}"))
}

fn tool(operation: &Operation, dispatcher: &Dispatcher, roster: &Roster, backlog: &Backlog) -> Option<Arc<dyn Tool>> {
    let mut input = operation.parameters().as_value().clone();
    if let Some(properties) = input.get_mut("properties").and_then(Value::as_object_mut) {
        // What tells repetitions apart is the session's to say.
        properties.remove("idempotencyKey");
    }
    input.as_object_mut()?.entry("type").or_insert_with(|| "object".into());
    let repeat = match (operation.is_read_only(), operation.is_creating()) {
        (true, _) => Repeat::Harmless,
        (false, true) => Repeat::Keyed,
        (false, false) => Repeat::Effective,
    };
    let spec = Spec::new(operation.name().parse().ok()?, operation.summary()).takes(input).repeats(repeat);
    let mut spec = if operation.is_read_only() { spec.reads() } else { spec };
    if operation.name() == TASK_WAIT {
        spec.timeout_ms = TASK_WAIT_MS_MAX;
    }
    Some(Arc::new(OperationTool {
        spec: Arc::new(spec),
        creates: operation.is_creating(),
        dispatcher: dispatcher.clone(),
        roster: roster.clone(),
        backlog: backlog.clone(),
    }))
}

struct OperationTool {
    spec: Arc<Spec>,
    creates: bool,
    dispatcher: Dispatcher,
    roster: Roster,
    backlog: Backlog,
}

#[async_trait]
impl Tool for OperationTool {
    fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    async fn run(&self, invocation: Invocation) -> Result<Output, Error> {
        let Invocation { arguments, context } = invocation;
        let subject = match &context.actor {
            Actor::User(subject) => subject.clone(),
            other => other.to_string(),
        };
        // Whether the call may be made was decided; an agent administers nothing.
        let mut call = Call::new(Caller::new(context.org, subject, Scope::Write), context.key.clone());
        call.cancel = context.cancel.clone();
        call.idempotency_key = self.creates.then(|| context.key.clone());
        if let Some(agent) = &context.agent {
            let label = Label { integrity: Integrity::Untrusted, ..context.label };
            call.acting = Some(Acting { agent: agent.clone(), label });
            if let (Some(task), true) = (context.task, self.spec.name.as_str() == "agent.spawn") {
                let (task, _) =
                    self.backlog.get(context.org, task).await.map_err(|error| Error::Failed(error.to_string()))?;
                call.extensions.insert(self.roster.parent_of(agent, &task));
            }
        }
        let params = to_raw_value(&arguments).map_err(|error| Error::Failed(error.to_string()))?;
        let answered = self.dispatcher.dispatch(call, self.spec.name.as_str(), Some(&params)).await;
        let answer = answered.map_err(|error| failed(&self.spec, &error))?;
        let value: Value = serde_json::from_str(answer.get()).map_err(|error| Error::Failed(error.to_string()))?;
        let label = self.label(&context, &arguments, &value).await;
        Ok(Output::structured(value).labelled(label))
    }
}

impl OperationTool {
    /// Nobody vouches for it, and it is as secret as the tasks that it tells of.
    async fn label(&self, context: &Context, arguments: &Value, answer: &Value) -> Label {
        let mut confidentiality = most_secret(answer);
        let named = arguments["taskIds"].as_array().into_iter().flatten().chain([&arguments["taskId"]]);
        for id in named.filter_map(|id| id.as_str()?.parse().ok()) {
            // One that is gone has nothing to say.
            if let Ok((task, _)) = self.backlog.get(context.org, id).await {
                confidentiality = confidentiality.max(task.label.confidentiality);
            }
        }
        Label { confidentiality, ..Label::default() }
    }
}

/// By the labels that are in it.
fn most_secret(answer: &Value) -> Confidentiality {
    let inner: Vec<&Value> = match answer {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    };
    let own = answer.get("label").and_then(|label| Label::deserialize(label).ok()).map(|label| label.confidentiality);
    inner.into_iter().map(most_secret).chain(own).max().unwrap_or_default()
}

fn failed(spec: &Spec, error: &orchestrator_rpc::Error) -> Error {
    match error.code {
        Code::Unavailable => Error::Unavailable { tool: spec.name.clone(), problem: error.message.to_string() },
        Code::Forbidden => Error::Refused(error.message.to_string()),
        _ => Error::Failed(format!("{:?}: {}", error.code, error.message)),
    }
}
