//! The daemon's own operations as tools.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_memory::Here;
use orchestrator_rpc::{Acting, Call, Caller, Code, Dispatcher, Operation, Scope, Table};
use orchestrator_tasks::{Backlog, Binding};
use orchestrator_tools::{Context, Error, InvalidTool, Invocation, Output, Registry, Repeat, Spec, Tool};
use orchestrator_vocab::{Actor, AgentId, Confidentiality, Integrity, Label, TaskId};
use serde::Deserialize as _;
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::within::Within;
use super::{Parent, Roster};
use crate::operations::{TASK_WAIT, TASK_WAIT_MS_MAX};

/// Where they come from, for the registry.
const SOURCE: &str = "operations";
/// How the operations begin that depend on the session they are called in.
const MEMORY: &str = "memory.";

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
            let remembers = self.spec.name.as_str().starts_with(MEMORY);
            if remembers || !self.spec.reads {
                let parent = self.parent(agent, &context).await?;
                call.extensions.insert(here(&context, &parent));
                let within: Arc<dyn Binding> =
                    Arc::new(Within::new(parent.clone(), self.roster.registry().spawn_depth_max()));
                call.extensions.insert(parent);
                call.extensions.insert(within);
            }
        }
        let params = to_raw_value(&arguments).map_err(|error| Error::Failed(error.to_string()))?;
        let answered = self.dispatcher.dispatch(call, self.spec.name.as_str(), Some(&params)).await;
        let answer = answered.map_err(|error| failed(&self.spec, &error))?;
        let value: Value = serde_json::from_str(answer.get()).map_err(|error| Error::Failed(error.to_string()))?;
        let value = without_last_words(value);
        let label = self.label(&context, &arguments, &value).await;
        Ok(Output::structured(value).labelled(label))
    }
}

/// Whose memories it may see, and whose scratchpad is its own.
fn here(context: &Context, parent: &Parent) -> Here {
    let user = parent.requester.as_ref().and_then(|requester| match requester {
        Actor::User(subject) => Some(subject.clone()),
        _ => None,
    });
    Here { session: context.session, task: context.task, user }
}

impl OperationTool {
    /// Whatever an agent has done is done within what it may do itself: so that has to be known.
    async fn parent(&self, agent: &AgentId, context: &Context) -> Result<Parent, Error> {
        let task = context.task.ok_or_else(|| Error::Refused(format!("agent `{agent}` works on no task")))?;
        let (task, _) = self.backlog.get(context.org, task).await.map_err(|error| Error::Failed(error.to_string()))?;
        let unknown =
            || Error::Refused(format!("what agent `{agent}` may do is not known: no file defines it any more"));
        self.roster.parent_of(agent, &task).ok_or_else(unknown)
    }

    /// Nobody vouches for it, and it is as secret as the tasks that it tells of.
    async fn label(&self, context: &Context, arguments: &Value, answer: &Value) -> Label {
        let mut told = Told::default();
        told.hear(arguments);
        told.hear(answer);
        for id in told.tasks {
            // One that is gone has nothing to say.
            if let Ok((task, _)) = self.backlog.get(context.org, id).await {
                told.confidentiality = told.confidentiality.max(task.label.confidentiality);
            }
        }
        Label { confidentiality: told.confidentiality, ..Label::default() }
    }
}

/// What arguments and an answer tell of.
#[derive(Default)]
struct Told {
    /// The highest of the labels that are in it.
    confidentiality: Confidentiality,
    tasks: BTreeSet<TaskId>,
}

impl Told {
    fn hear(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.hear(item)),
            Value::Object(fields) => {
                if let Some(label) = fields.get("label").and_then(|label| Label::deserialize(label).ok()) {
                    self.confidentiality = self.confidentiality.max(label.confidentiality);
                }
                let many = fields.get("taskIds").and_then(Value::as_array).into_iter().flatten();
                let named = many.chain(fields.get("taskId")).filter_map(|id| id.as_str()?.parse::<TaskId>().ok());
                self.tasks.extend(named);
                fields.values().for_each(|field| self.hear(field));
            }
            _ => {}
        }
    }
}

/// What an agent said last is for people: others are told what came of its task, which has a label.
fn without_last_words(mut answer: Value) -> Value {
    for session in answer.get_mut("sessions").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(fields) = session.as_object_mut() {
            fields.remove("lastOutput");
        }
    }
    answer
}

fn failed(spec: &Spec, error: &orchestrator_rpc::Error) -> Error {
    match error.code {
        Code::Unavailable => Error::Unavailable { tool: spec.name.clone(), problem: error.message.to_string() },
        Code::Forbidden => Error::Refused(error.message.to_string()),
        _ => Error::Failed(format!("{:?}: {}", error.code, error.message)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_as_secret_as_the_most_secret_thing_in_it() {
        let of = |value: Value| {
            let mut told = Told::default();
            told.hear(&value);
            (told.confidentiality, told.tasks.len())
        };
        let label = |confidentiality: &str| json!({ "integrity": "user", "confidentiality": confidentiality });
        let secret = json!({ "items": [{ "label": label("public") }, { "label": label("secret") }] });
        assert_eq!(of(secret), (Confidentiality::Secret, 0));
        assert_eq!(of(json!({ "label": "a word", "items": [] })), (Confidentiality::Internal, 0));
        let (one, two) = (TaskId::new(), TaskId::new());
        let named = json!({ "taskIds": [one, two, "no task"], "inner": { "taskId": one } });
        assert_eq!(of(named), (Confidentiality::Internal, 2));
    }

    #[test]
    fn agents_are_not_told_the_last_words_of_others() {
        let status = json!({ "sessions": [{ "id": 1, "lastOutput": "words" }], "tasks": [] });
        assert_eq!(without_last_words(status), json!({ "sessions": [{ "id": 1 }], "tasks": [] }));
    }
}
