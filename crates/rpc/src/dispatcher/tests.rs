use std::sync::Arc;
use std::time::Duration;

use orchestrator_vocab::{Actor, OrgId, PausedClock, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::*;
use crate::{Caller, Fault, NoParams, Scope, Standing, parse_json};

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateParams {
    title: String,
    idempotency_key: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Created {
    title: String,
    by: Actor,
    key: Option<String>,
    known: bool,
}

async fn create(call: Call, params: CreateParams) -> Result<Created, Error> {
    let known = params.idempotency_key == call.idempotency_key;
    Ok(Created { title: params.title, by: call.actor(), key: call.idempotency_key, known })
}

async fn hang(_: Call, _: NoParams) -> Result<(), Error> {
    pending().await
}

async fn panic(_: Call, _: NoParams) -> Result<(), Error> {
    panic!("index out of bounds of {}", "secret.rs")
}

fn panic_early(_: Call, _: NoParams) -> std::future::Ready<Result<(), Error>> {
    panic!("before the future")
}

async fn fail(_: Call, _: NoParams) -> Result<(), Error> {
    Err(Error::internal(std::io::Error::other("disk full")))
}

fn table() -> Table {
    Table::new()
        .with(Operation::new("task.create", Scope::Write, "Creates a task", create).creates().tool())
        .with(Operation::new("test.hang", Scope::Read, "Never answers", hang))
        .with(Operation::new("test.panic", Scope::Read, "Panics", panic))
        .with(Operation::new("test.panicEarly", Scope::Read, "Panics", panic_early))
        .with(Operation::new("test.fail", Scope::Read, "Fails", fail))
}

fn dispatcher() -> Dispatcher {
    Dispatcher::new(table().with_discovery(Arc::new(PausedClock::at(Timestamp(42_000))))).unwrap()
}

fn call(scope: Scope) -> Call {
    Call::new(Caller::new(OrgId::LOCAL, "alice", scope), "c-1")
}

async fn answer(call: Call, method: &str, params: Value) -> Result<Value, Error> {
    let params = parse_json(params.to_string().as_bytes()).unwrap();
    let raw = dispatcher().dispatch(call, method, Some(&params)).await?;
    Ok(serde_json::from_str(raw.get()).unwrap())
}

#[track_caller]
fn failed(outcome: Result<Value, Error>, code: Code) -> Error {
    let error = outcome.unwrap_err();
    assert_eq!(error.code, code, "{error}");
    error
}

#[tokio::test]
async fn an_allowed_call_runs_its_handler() {
    let created = answer(call(Scope::Write), "task.create", json!({"title": "sweep"})).await.unwrap();
    assert_eq!(created, json!({"title": "sweep", "by": "user:alice", "key": null, "known": true}));
}

#[tokio::test]
async fn the_scope_is_judged_before_the_parameters_and_after_the_method() {
    let error = failed(answer(call(Scope::Read), "task.create", json!({"bogus": 1})).await, Code::Forbidden);
    assert_eq!(error.message, "`task.create` needs the scope `daemon.write`");
    failed(answer(call(Scope::Write), "task.create", json!({"bogus": 1})).await, Code::InvalidParams);
    failed(answer(call(Scope::Read), "task.nothing", json!([])).await, Code::UnknownMethod);
}

#[tokio::test]
async fn a_revoked_credential_is_refused_at_once() {
    let (revoke, standing) = watch::channel(Standing::Good);
    let call = Call::new(Caller { standing, ..Caller::new(OrgId::LOCAL, "alice", Scope::Admin) }, "c-1");
    answer(call.clone(), "health.ping", json!({})).await.unwrap();
    revoke.send(Standing::Revoked).unwrap();
    drop(revoke);
    failed(answer(call, "health.ping", json!({})).await, Code::Unauthorized);
}

#[tokio::test]
async fn the_idempotency_key_comes_from_the_header_or_the_parameters() {
    let with_header = || Call { idempotency_key: Some("k-1".into()), ..call(Scope::Write) };
    for (call, key) in [(call(Scope::Write), Some("k-1")), (with_header(), None), (with_header(), Some("k-1"))] {
        let created = answer(call, "task.create", json!({"title": "x", "idempotencyKey": key})).await.unwrap();
        assert_eq!(created["key"], "k-1");
    }
    let two = json!({"title": "x", "idempotencyKey": "k-2"});
    let error = failed(answer(with_header(), "task.create", two).await, Code::InvalidParams);
    assert_eq!(error.field.as_deref(), Some("idempotencyKey"));
}

#[tokio::test]
async fn a_panic_ends_its_call_only_and_says_nothing_to_the_client() {
    for method in ["test.panic", "test.panicEarly"] {
        let error = failed(answer(call(Scope::Read), method, json!({})).await, Code::Internal);
        let sent = serde_json::to_value(&error).unwrap();
        let data = json!({"code": "INTERNAL", "correlationId": "c-1"});
        assert_eq!(sent, json!({"code": -32603, "message": "internal error", "data": data}));
    }
    answer(call(Scope::Read), "health.ping", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_failed_backend_is_told_apart_in_the_log_only() {
    let error = failed(answer(call(Scope::Read), "test.fail", json!({})).await, Code::Internal);
    assert_eq!((error.message.as_str(), error.correlation()), ("internal error", Some("c-1")));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_answers_timeout_during_the_call_and_before_it() {
    let soon = Instant::now() + Duration::from_secs(3);
    failed(answer(call(Scope::Read).with_deadline(soon), "test.hang", json!({})).await, Code::Timeout);
    assert_eq!(Instant::now(), soon);
    failed(answer(call(Scope::Read).with_deadline(soon), "health.ping", json!({})).await, Code::Timeout);
}

#[tokio::test]
async fn a_cancelled_call_drops_its_handler() {
    let call = call(Scope::Read);
    let cancel = call.cancel.clone();
    let (outcome, ()) = tokio::join!(answer(call.clone(), "test.hang", json!({})), async { cancel.cancel() });
    failed(outcome, Code::Unavailable);
    failed(answer(call, "health.ping", json!({})).await, Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn the_dispatcher_is_a_tower_service() {
    let request = Request { call: call(Scope::Read), method: "health.ping".into(), params: None };
    let pong = dispatcher().oneshot(request).await.unwrap();
    assert_eq!(pong.get(), r#"{"serverTimestamp":42000}"#);
}

#[tokio::test(start_paused = true)]
async fn ping_sends_the_clients_time_back() {
    let pong = answer(call(Scope::Read), "health.ping", json!({"clientTimestamp": 7})).await.unwrap();
    assert_eq!(pong, json!({"serverTimestamp": 42_000, "clientTimestamp": 7}));
}

#[tokio::test]
async fn discovery_lists_exactly_what_answers() {
    let listing = answer(call(Scope::Read), "rpc.discover", json!({})).await.unwrap();
    let listed: Vec<&str> =
        listing["operations"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    let table = Arc::clone(dispatcher().table());
    assert_eq!(listed, table.iter().map(Operation::name).collect::<Vec<_>>());
    let create = json!({"name": "task.create", "scope": "daemon.write", "summary": "Creates a task",
        "creates": true, "readOnly": false, "rest": {"method": "POST", "path": "/api/v1/tasks"}});
    assert!(listing["operations"].as_array().unwrap().contains(&create));
}

#[tokio::test]
async fn describe_explains_every_listed_operation() {
    for operation in dispatcher().table().iter() {
        let described = answer(call(Scope::Read), "rpc.describe", json!({"method": operation.name()})).await.unwrap();
        assert_eq!(described["parameters"]["type"], "object", "{described}");
        assert!(described["parameters"]["$schema"].as_str().unwrap().contains("2020-12"));
    }
    failed(answer(call(Scope::Read), "rpc.describe", json!({"method": "task.nothing"})).await, Code::NotFound);
}

#[derive(Deserialize, JsonSchema)]
struct Lax {}

#[test]
fn a_table_with_mistakes_does_not_start() {
    let nothing = |name: &'static str| Operation::new(name, Scope::Read, "Nothing", hang);
    let table = table()
        .with(nothing("test.hang"))
        .with(nothing("Test hang"))
        .with(nothing("org.create").creates())
        .with(nothing("a.b.c"))
        .merge(Table::new().with(nothing("a.b.c")))
        .with(Operation::new("test.lax", Scope::Read, "Lax", |_, _: Lax| async { Ok(()) }))
        .with(nothing("branch.list"))
        .with(nothing("branche.list"))
        .with_discovery(Arc::new(orchestrator_vocab::SystemClock))
        .with(nothing("test.late"));
    let route = Fault::Route {
        first: "branch.list".into(),
        second: "branche.list".into(),
        route: "GET /api/v1/branches".into(),
    };
    let expected = [
        Fault::Duplicate("test.hang".into()),
        Fault::Duplicate("a.b.c".into()),
        Fault::AfterDiscovery("test.late".into()),
        Fault::Name("Test hang".into()),
        route,
        Fault::NoIdempotencyKey("org.create".into()),
        Fault::UnknownParameters("test.lax".into()),
    ];
    assert_eq!(Dispatcher::new(table).unwrap_err(), InvalidTable(expected.into()));
}
