//! The operations, called as a client would.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod fixture;

use fixture::Fixture;
use orchestrator_agents::operations;
use orchestrator_rpc::{Call, Caller, Code, Dispatcher, Error, Scopes, contract};
use orchestrator_sql::Backend;
use orchestrator_vocab::OrgId;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

async fn call(fixture: &Fixture, method: &str, params: Value) -> Result<Value, Error> {
    let dispatcher = Dispatcher::new(operations(&fixture.registry)).unwrap();
    let call = Call::new(Caller::new(OrgId::LOCAL, "alice", Scopes::ADMIN), "c1");
    let reply = dispatcher.dispatch(call, method, Some(&*to_raw_value(&params).unwrap())).await?;
    Ok(serde_json::from_str(reply.get()).unwrap())
}

#[tokio::test]
async fn every_operation_keeps_the_contract() {
    let fixture = Fixture::on(Backend::Sqlite).await;
    let table = operations(&fixture.registry);
    table.check().unwrap();
    assert!(table.get("agent.heartbeat").unwrap().is_free());
    let dispatcher = Dispatcher::new(table).unwrap();
    for case in contract::cases(dispatcher.table()) {
        let call = Call::new(Caller::new(OrgId::LOCAL, "root", case.scopes), "c1");
        let params = to_raw_value(&case.params).unwrap();
        let refused = dispatcher.dispatch(call, &case.operation, Some(&params)).await.unwrap_err();
        assert_eq!((refused.code, &refused.field), (case.expected, &case.field), "{}", case.name());
    }
}

#[tokio::test]
async fn a_worker_registers_is_listed_and_leaves() {
    let fixture = Fixture::on(Backend::Sqlite).await;
    let params = json!({ "agentId": "laptop", "capabilities": ["docs"], "maxConcurrent": 2 });
    let agent = call(&fixture, "agent.register", params).await.unwrap();
    assert_eq!((&agent["id"], &agent["kind"], &agent["status"]), (&json!("laptop"), &json!("worker"), &json!("ready")));
    assert_eq!(call(&fixture, "agent.heartbeat", json!({ "agentId": "laptop" })).await.unwrap(), agent);
    assert_eq!(call(&fixture, "agent.get", json!({ "agentId": "laptop" })).await.unwrap(), agent);

    let first = call(&fixture, "agent.list", json!({ "limit": 1 })).await.unwrap();
    assert_eq!(first["items"][0]["id"], "coder");
    let rest = call(&fixture, "agent.list", json!({ "cursor": first["nextCursor"] })).await.unwrap();
    assert_eq!(rest, json!({ "items": [agent] }));

    call(&fixture, "agent.unregister", json!({ "agentId": "laptop" })).await.unwrap();
    let gone = call(&fixture, "agent.get", json!({ "agentId": "laptop" })).await.unwrap_err();
    assert_eq!(gone.code, Code::NotFound);
}

#[tokio::test]
async fn nothing_to_run_comes_over_the_socket() {
    let fixture = Fixture::on(Backend::Sqlite).await;
    for field in ["command", "argv", "environment", "workingDirectory"] {
        let refused = call(&fixture, "agent.register", json!({ "agentId": "x", field: ["sh"] })).await.unwrap_err();
        assert_eq!((refused.code, refused.field.as_deref()), (Code::InvalidParams, Some(field)));
    }
    let unknown = call(&fixture, "agent.register", json!({ "agentId": "x", "program": "x" })).await.unwrap_err();
    assert_eq!((unknown.code, unknown.field.as_deref()), (Code::NotFound, Some("program")));
    let wide = json!({ "agentId": "coder", "program": "coder", "maxConcurrent": 3 });
    let wide = call(&fixture, "agent.register", wide).await.unwrap_err();
    assert_eq!((wide.code, wide.field.as_deref()), (Code::InvalidParams, Some("maxConcurrent")));
}
