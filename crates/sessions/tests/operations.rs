//! The operations, called as a client would.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use orchestrator_rpc::{Call, Caller, Code, Dispatcher, Error, Scopes, contract};
use orchestrator_sessions::operations;
use orchestrator_vocab::OrgId;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use support::{Fixture, shell};

async fn call(fixture: &Fixture, org: OrgId, method: &str, params: Value) -> Result<Value, Error> {
    let dispatcher = Dispatcher::new(operations(&fixture.sessions)).unwrap();
    let call = Call::new(Caller::new(org, "alice", Scopes::ADMIN), "c1");
    let reply = dispatcher.dispatch(call, method, Some(&*to_raw_value(&params).unwrap())).await?;
    Ok(serde_json::from_str(reply.get()).unwrap())
}

#[tokio::test]
async fn every_operation_keeps_the_contract() {
    let fixture = Fixture::new().await;
    let table = operations(&fixture.sessions);
    table.check().unwrap();
    assert_eq!(table.len(), 8);
    let dispatcher = Dispatcher::new(table).unwrap();
    for case in contract::cases(dispatcher.table()) {
        let call = Call::new(Caller::new(OrgId::LOCAL, "root", case.scopes), "c1");
        let params = to_raw_value(&case.params).unwrap();
        let refused = dispatcher.dispatch(call, &case.operation, Some(&params)).await.unwrap_err();
        assert_eq!((refused.code, &refused.field), (case.expected, &case.field), "{}", case.name());
    }
}

#[tokio::test]
async fn a_session_is_shown_paused_resumed_and_stopped() {
    let mut fixture = Fixture::new().await;
    let id = fixture.start(shell("echo hello; exec sleep 1000")).await;
    assert_eq!(fixture.line().await, "hello");
    let params = json!({ "sessionId": id });
    let info = call(&fixture, OrgId::LOCAL, "session.status", params.clone()).await.unwrap();
    assert_eq!((&info["id"], &info["sessionType"]), (&json!(id), &json!("process")));
    let task = json!({ "type": "general", "description": "say hello", "priority": "medium" });
    assert_eq!((&info["task"], &info["lastOutput"]), (&task, &json!("hello")));
    for field in ["tokensUsed", "durationMs", "tasksCompleted", "errorsEncountered", "averageResponseTimeMs"] {
        assert!(info["metrics"][field].is_u64(), "{field}");
    }

    let reason = json!({ "sessionId": id, "reason": "lunch" });
    let paused = call(&fixture, OrgId::LOCAL, "session.pause", reason).await.unwrap();
    assert_eq!((&paused["status"], &paused["reason"]), (&json!("paused"), &json!("lunch")));
    let list = call(&fixture, OrgId::LOCAL, "session.list", json!({ "status": "paused" })).await.unwrap();
    assert_eq!((&list["total"], &list["sessions"][0]["id"]), (&json!(1), &json!(id)));
    let resume = json!({ "sessionId": id, "subscribe": true });
    let resumed = call(&fixture, OrgId::LOCAL, "session.resume", resume).await.unwrap();
    assert_eq!(resumed["status"], "running");

    let stopped = call(&fixture, OrgId::LOCAL, "session.stop", params.clone()).await.unwrap();
    assert_eq!((&stopped["status"], &stopped["reason"]), (&json!("terminated"), &json!("stopped")));
    let again = call(&fixture, OrgId::LOCAL, "session.stop", params).await.unwrap_err();
    assert_eq!(again.code, Code::Conflict);
}

#[tokio::test]
async fn foreign_sessions_answer_like_unknown_ones() {
    let fixture = Fixture::new().await;
    let (session, _) = fixture.run(shell("true")).await;
    let foreign = OrgId::new();
    for method in ["session.status", "session.stop", "session.pause", "session.resume"] {
        let params = json!({ "sessionId": session.id });
        let theirs = call(&fixture, foreign, method, params.clone()).await.unwrap_err();
        assert_eq!((theirs.code, theirs.message), (Code::NotFound, format!("no session {}", session.id)));
        let own = call(&fixture, OrgId::LOCAL, method, params).await;
        assert!(own.map_or_else(|error| error.code == Code::Conflict, |info| info["status"] == "completed"));
    }
    let empty = call(&fixture, foreign, "session.list", json!({})).await.unwrap();
    assert_eq!(empty, json!({ "sessions": [], "total": 0 }));
}

#[tokio::test]
async fn a_list_has_bounds() {
    let fixture = Fixture::new().await;
    for limit in [0, 201] {
        let refused = call(&fixture, OrgId::LOCAL, "session.list", json!({ "limit": limit })).await.unwrap_err();
        assert_eq!((refused.code, refused.field.as_deref()), (Code::InvalidParams, Some("limit")));
    }
    assert!(call(&fixture, OrgId::LOCAL, "session.list", json!({ "limit": 200, "offset": 5 })).await.is_ok());
}
