use serde_json::{Value, json};

use super::check;
use crate::workspace::Package;

/// A package as `cargo metadata` describes it.
fn package(folder: &str, name: &str, layer: u8, dependencies: &[Value]) -> Value {
    json!({
        "name": name,
        "manifest_path": format!("/w/{folder}/Cargo.toml"),
        "dependencies": dependencies, "features": {}, "metadata": { "orchestrator": { "layer": layer } },
    })
}

fn uses(name: &str) -> Value {
    json!({ "name": name, "kind": null, "rename": null, "optional": false, "uses_default_features": true, "features": [] })
}

fn with(mut value: Value, key: &str, to: Value) -> Value {
    value[key] = to;
    value
}

fn house(more: Vec<Value>) -> Vec<Package> {
    let clean = vec![
        package("crates/vocab", "orchestrator-vocab", 0, &[uses("uuid")]),
        package("crates/sql", "orchestrator-sql", 1, &[uses("sea-orm")]),
        with(
            package(
                "crates/tasks",
                "orchestrator-tasks",
                3,
                &[uses("orchestrator-vocab"), with(uses("orchestrator-sql"), "optional", json!(true))],
            ),
            "features",
            json!({ "sql": ["dep:orchestrator-sql"] }),
        ),
        package("crates/agents", "orchestrator-agents", 3, &[uses("orchestrator-vocab")]),
        package("crates/gateway", "orchestrator-gateway", 4, &[uses("orchestrator-tasks"), uses("axum")]),
        package("crates/testkit", "orchestrator-testkit", 5, &[uses("orchestrator-gateway")]),
        package("tests", "orchestrator-tests", 5, &[with(uses("orchestrator-testkit"), "kind", json!("dev"))]),
    ];
    clean.into_iter().chain(more).map(|value| serde_json::from_value(value).unwrap()).collect()
}

/// Each finding of the clean house plus `more` contains the next of `expected`.
#[track_caller]
fn finds(more: Vec<Value>, expected: &[&str]) {
    let found: Vec<_> = check(&house(more)).iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found:?} should contain {expected:?}");
    }
}

#[test]
fn a_house_in_order_passes() {
    finds(vec![], &[]);
}

#[test]
fn a_crate_without_a_floor_is_found() {
    finds(vec![with(package("crates/x", "orchestrator-x", 1, &[]), "metadata", json!(null))], &["states no floor"]);
}

#[test]
fn a_floor_that_does_not_exist_is_found() {
    finds(vec![package("crates/x", "orchestrator-x", 6, &[])], &["floor 6 does not exist"]);
}

#[test]
fn an_arrow_to_the_same_floor_is_found() {
    let more = package("crates/x", "orchestrator-x", 1, &[uses("orchestrator-sql")]);
    let heavy = "its default build brings orchestrator-sql -> sea-orm";
    finds(vec![more], &["depends on orchestrator-sql on floor 1", heavy]);
}

#[test]
fn an_arrow_upwards_is_found() {
    finds(
        vec![package("crates/x", "orchestrator-x", 2, &[uses("orchestrator-agents")])],
        &["on floor 2 depends on orchestrator-agents on floor 3"],
    );
}

#[test]
fn a_dev_dependency_obeys_too() {
    let arrow = with(uses("orchestrator-testkit"), "kind", json!("dev"));
    finds(
        vec![package("crates/x", "orchestrator-x", 3, &[arrow])],
        &["dev-depends on orchestrator-testkit on floor 5"],
    );
}

#[test]
fn a_build_dependency_obeys_too() {
    let arrow = with(uses("orchestrator-agents"), "kind", json!("build"));
    finds(vec![package("crates/x", "orchestrator-x", 1, &[arrow])], &["build-depends on orchestrator-agents"]);
}

#[test]
fn a_domain_that_knows_another_is_found() {
    finds(vec![package("crates/x", "orchestrator-x", 3, &[uses("orchestrator-agents")])], &["no domain knows another"]);
}

#[test]
fn an_edge_that_knows_two_domains_is_found() {
    let more = package("crates/x", "orchestrator-x", 4, &[uses("orchestrator-agents"), uses("orchestrator-tasks")]);
    finds(vec![more], &["knows orchestrator-agents, orchestrator-tasks"]);
}

#[test]
fn a_package_may_name_itself_for_its_tests() {
    let itself = with(uses("orchestrator-x"), "kind", json!("dev"));
    finds(vec![package("crates/x", "orchestrator-x", 3, &[itself])], &[]);
}

#[test]
fn a_folder_with_another_package_is_found() {
    finds(vec![package("crates/x", "orchestrator-y", 1, &[])], &["crates/x must hold package orchestrator-x"]);
    finds(vec![package("bins/x", "orchestrator-y", 5, &[])], &["bins/x must hold package x"]);
}

#[test]
fn a_name_that_says_nothing_is_found() {
    finds(vec![package("crates/utils", "orchestrator-utils", 1, &[])], &["`utils` says nothing"]);
    finds(vec![package("crates/task-manager", "orchestrator-task-manager", 3, &[])], &["`manager` says nothing"]);
}

#[test]
fn a_plain_dependency_on_a_web_server_is_found() {
    finds(vec![package("crates/x", "orchestrator-x", 3, &[uses("axum")])], &["its default build brings axum"]);
}

#[test]
fn an_optional_database_in_the_default_features_is_found() {
    let dependency = with(uses("sea-orm"), "optional", json!(true));
    let crate_x = package("crates/x", "orchestrator-x", 3, &[dependency]);
    let off = json!({ "sql": ["dep:sea-orm"] });
    finds(vec![with(crate_x.clone(), "features", off)], &[]);
    let on = json!({ "default": ["store"], "store": ["sql"], "sql": ["dep:sea-orm"] });
    finds(vec![with(crate_x, "features", on)], &["its default build brings sea-orm"]);
}

#[test]
fn a_database_that_comes_through_another_crates_feature_is_found() {
    let optional = with(uses("orchestrator-sql"), "optional", json!(true));
    let log = with(
        package("crates/log", "orchestrator-log", 2, &[optional]),
        "features",
        json!({ "sql": ["dep:orchestrator-sql"] }),
    );
    let asks = with(uses("orchestrator-log"), "features", json!(["sql"]));
    let more = vec![log, package("crates/x", "orchestrator-x", 3, &[asks])];
    finds(more, &["brings orchestrator-log -> orchestrator-sql -> sea-orm"]);
}
