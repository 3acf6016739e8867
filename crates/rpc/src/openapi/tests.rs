use std::collections::BTreeSet;
use std::sync::Arc;

use orchestrator_vocab::{SystemClock, TaskId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::page::{ListParams, Page as ListPage};
use crate::{Call, Code, Error, NoParams, Operation};

/// Refers to itself.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tree {
    label: String,
    #[serde(default)]
    children: Vec<Tree>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct CreateParams {
    /// The tree.
    tree: Tree,
    idempotency_key: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct TaskParams {
    /// The task.
    task_id: TaskId,
    reason: Option<String>,
}

mod other {
    use super::*;

    /// Has the name of another type.
    #[derive(Serialize, JsonSchema)]
    pub(super) struct Tree {
        pub(super) height: u32,
    }
}

fn operation<P, R>(name: &'static str, scope: Scope) -> Operation
where
    P: for<'de> Deserialize<'de> + JsonSchema + 'static,
    R: Serialize + JsonSchema + 'static,
{
    Operation::new(name, scope, "Does it", |_: Call, _: P| async { Err::<R, _>(Error::unavailable("never")) })
}

fn table() -> Table {
    Table::new()
        .with(operation::<CreateParams, Tree>("tree.create", Scope::Write).creates())
        .with(operation::<ListParams, ListPage<Tree>>("tree.list", Scope::Read).read_only())
        .with(operation::<NoParams, other::Tree>("tree.measure", Scope::Read))
        .with(operation::<TaskParams, Tree>("task.get", Scope::Read).fails_with([Code::NotFound]))
        .with(operation::<TaskParams, Tree>("task.cancel", Scope::Write).fails_with([Code::Conflict]))
        .with(operation::<NoParams, Tree>("subscribe", Scope::Read).on_sockets_only())
        .with_discovery(Arc::new(SystemClock))
}

fn whole() -> Value {
    let page = Page {
        path: "/status".into(),
        summary: "How it goes".into(),
        scope: Some(Scope::Read),
        content_type: "application/json".into(),
        schema: Some(crate::schema_of_output::<Tree>()),
        may_be_unready: false,
    };
    document(&Info { title: "test", version: "1", description: "A test." }, &table(), &[page])
}

fn operations_of(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap();
        methods.iter().map(move |(method, described)| (format!("{method} {path}"), described.clone()))
    });
    all.collect()
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(document: &Value, part: &Value) -> usize {
        match part {
            Value::Object(members) => {
                let target = members.get("$ref").and_then(Value::as_str);
                if let Some(target) = target {
                    let pointer = target.strip_prefix('#').expect("only references within the document");
                    assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
                }
                usize::from(target.is_some()) + members.values().map(|member| check(document, member)).sum::<usize>()
            }
            Value::Array(items) => items.iter().map(|item| check(document, item)).sum(),
            _ => 0,
        }
    }
    let document = whole();
    assert!(check(&document, &document) > 50);
    assert!(!document.to_string().contains("$defs"));
}

#[test]
fn operation_ids_are_unique_and_sockets_have_no_routes() {
    let all = operations_of(&whole());
    let ids: BTreeSet<&str> = all.iter().map(|(_, described)| described["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), all.len());
    assert!(ids.contains("task.get") && ids.contains("page.status") && !ids.contains("subscribe"), "{ids:?}");
}

#[test]
fn types_of_one_name_are_written_once_if_they_are_one_and_apart_if_not() {
    let document = whole();
    let result = |path: &str, method: &str, status: &str| {
        let answer = &document["paths"][path][method]["responses"][status];
        answer["content"]["application/json"]["schema"]["$ref"].clone()
    };
    assert_eq!(result("/api/v1/trees", "post", "201"), "#/components/schemas/Tree");
    assert_eq!(result("/status", "get", "200"), result("/api/v1/tasks/{id}", "get", "200"));
    let other = result("/api/v1/trees/measure", "post", "200");
    assert_ne!(other, "#/components/schemas/Tree");
    assert_eq!(document.pointer(&other.as_str().unwrap()[1..]).unwrap()["properties"]["height"]["type"], "integer");
    let children = &document["components"]["schemas"]["Tree"]["properties"]["children"];
    assert_eq!(children["items"]["$ref"], "#/components/schemas/Tree");
}

#[test]
fn parameters_stand_in_the_path_the_query_or_the_body() {
    let document = whole();
    let get = &document["paths"]["/api/v1/tasks/{id}"]["get"];
    assert_eq!(get["parameters"][0]["in"], "path");
    assert_eq!(get["parameters"][0]["required"], true);
    assert_eq!(get["parameters"][0]["description"], "The task.");
    assert_eq!(get["parameters"][1]["name"], "reason");
    assert_eq!(get["parameters"][1]["schema"], json!({ "type": "string" }), "a query has no null");
    assert!(get.get("requestBody").is_none());
    let cancel = &document["paths"]["/api/v1/tasks/{id}/cancel"]["post"];
    assert_eq!(cancel["requestBody"]["required"], false);
    let body = &document["components"]["schemas"]["TaskCancelParams"];
    assert_eq!(body["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), ["reason"]);
    assert_eq!(body["additionalProperties"], false);
    let create = &document["paths"]["/api/v1/trees"]["post"];
    assert_eq!(
        (&create["parameters"][0]["name"], &create["requestBody"]["required"]),
        (&json!("Idempotency-Key"), &json!(true))
    );
}

#[test]
fn every_operation_lists_its_refusals_and_what_it_needs() {
    let document = whole();
    for (route, described) in operations_of(&document) {
        if route == "get /status" {
            continue;
        }
        for status in ["400", "401", "403", "422", "429", "500", "503", "504"] {
            assert!(described["responses"].get(status).is_some(), "{route} does not list {status}");
        }
        assert_eq!(described["responses"].get("413").is_some(), described.get("requestBody").is_some(), "{route}");
        assert!(described["security"][0]["bearer"][0].as_str().unwrap().starts_with("daemon."), "{route}");
    }
    let responses = |path: &str, method: &str| document["paths"][path][method]["responses"].clone();
    assert!(responses("/api/v1/tasks/{id}", "get").get("404").is_some());
    assert!(responses("/api/v1/tasks/{id}", "get").get("409").is_none());
    assert!(responses("/api/v1/tasks/{id}/cancel", "post").get("409").is_some());
    assert!(responses("/api/v1/trees", "get")["200"]["headers"].get("Link").is_some());
}
