use std::collections::BTreeMap;
use std::sync::Arc;

use orchestrator_vocab::{AgentId, OrgId, SystemClock, TaskId, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::page::ListParams;
use crate::{Call, Caller, Dispatcher, Error, parse_json};

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Priority {
    High,
    Low,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its parsing is tested")]
enum When {
    Once { at: Timestamp },
    Every { minutes: u32 },
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its parsing is tested")]
struct CreateParams {
    #[schemars(length(min = 3, max = 500))]
    title: String,
    priority: Priority,
    fallback: Option<Priority>,
    when: When,
    #[schemars(length(min = 1))]
    agents: Vec<AgentId>,
    #[schemars(range(min = 2))]
    attempts: u8,
    share: f64,
    urgent: Option<bool>,
    labels: BTreeMap<String, String>,
    metadata: Value,
    idempotency_key: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GetParams {
    task_id: TaskId,
}

fn dispatcher(known: TaskId) -> Dispatcher {
    let get = move |call: Call, params: GetParams| async move {
        let found = params.task_id == known && call.org() == OrgId::LOCAL;
        if found { Ok(known) } else { Err(Error::not_found("no such task")) }
    };
    let create = |_: Call, _: CreateParams| async { Ok(()) };
    let table = Table::new()
        .with(Operation::new("task.create", Scope::Write, "Creates a task", create).creates())
        .with(Operation::new("task.get", Scope::Read, "Shows a task", get).read_only())
        .with(Operation::new("task.list", Scope::Read, "Lists tasks", |_: Call, _: ListParams| async { Ok(()) }))
        .with_discovery(Arc::new(SystemClock));
    Dispatcher::new(table).unwrap()
}

async fn outcome(dispatcher: &Dispatcher, case: &Case, params: &Value) -> Result<String, Error> {
    let call = Call::new(Caller::new(OrgId::new(), "bob", case.scopes), "c-1");
    let params = parse_json(params.to_string().as_bytes()).unwrap();
    dispatcher.dispatch(call, &case.operation, Some(&params)).await.map(|raw| raw.get().to_owned())
}

#[tokio::test]
async fn a_table_of_well_declared_operations_fulfils_its_contract() {
    let known = TaskId::new();
    let dispatcher = dispatcher(known);
    for case in cases(dispatcher.table()) {
        let error = outcome(&dispatcher, &case, &case.params).await.unwrap_err();
        assert_eq!((error.code, &error.field), (case.expected, &case.field), "{}: {error}", case.name());
        if let Some(foreign) = case.with_id(&known.to_string()) {
            let same = outcome(&dispatcher, &case, &foreign).await.unwrap_err();
            assert_eq!(serde_json::to_string(&same).unwrap(), serde_json::to_string(&error).unwrap());
        }
    }
}

#[tokio::test]
async fn sampled_parameters_parse() {
    let dispatcher = dispatcher(TaskId::new());
    for operation in dispatcher.table().iter() {
        let params = parse_json(sample_params(operation).to_string().as_bytes()).unwrap();
        let call = Call::new(Caller::new(OrgId::LOCAL, "alice", Scope::Admin), "c-1");
        if let Err(error) = operation.call(call, Some(&params)).await {
            assert_eq!(error.code, Code::NotFound, "{}: {params} {error}", operation.name());
        }
    }
}

#[test]
fn every_operation_has_its_cases() {
    let names: Vec<String> = cases(dispatcher(TaskId::new()).table()).iter().map(Case::name).collect();
    for name in [
        "task.create missing scope",
        "task.create unknown parameter",
        "task.create wrong type of title",
        "task.create wrong type of fallback",
        "task.create wrong type of when",
        "task.create wrong type of labels",
        "task.get foreign taskId",
        "task.list wrong type of limit",
        "rpc.describe wrong type of method",
    ] {
        assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
    }
    for name in ["task.create wrong type of metadata", "task.create foreign taskId"] {
        assert!(!names.iter().any(|known| known == name), "{name}");
    }
}

#[test]
fn the_missing_scope_is_the_only_one_missing() {
    let cases = cases(dispatcher(TaskId::new()).table());
    let scopes = |operation: &str| {
        let case = cases.iter().find(|case| case.operation == operation && case.kind == Kind::MissingScope).unwrap();
        case.scopes.to_string()
    };
    assert_eq!(scopes("task.create"), "daemon.read daemon.approve daemon.teams");
    assert_eq!(scopes("task.get"), "daemon.approve daemon.teams");
}

#[tokio::test]
async fn a_description_gives_the_same_cases_as_the_operation() {
    let dispatcher = dispatcher(TaskId::new());
    for operation in dispatcher.table().iter() {
        let expected: Vec<Case> =
            cases(dispatcher.table()).into_iter().filter(|case| case.operation == operation.name()).collect();
        let description = json!({
            "name": operation.name(),
            "scope": operation.scope(),
            "creates": operation.is_creating(),
            "parameters": operation.parameters(),
        });
        assert_eq!(described(&description), Some(expected), "{}", operation.name());
    }
    assert_eq!(described(&json!({"name": "task.get"})), None);
}
