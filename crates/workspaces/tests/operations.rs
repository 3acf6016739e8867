//! The operations, called as a client would.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use orchestrator_rpc::{Call, Caller, Code, Dispatcher, Error, Scopes, contract};
use orchestrator_vocab::OrgId;
use orchestrator_workspaces::operations;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use support::{Fixture, write};

async fn call(fixture: &Fixture, org: OrgId, method: &str, params: Value) -> Result<Value, Error> {
    let dispatcher = Dispatcher::new(operations(&fixture.workspaces)).unwrap();
    let call = Call::new(Caller::new(org, "alice", Scopes::ADMIN), "c1");
    let reply = dispatcher.dispatch(call, method, Some(&*to_raw_value(&params).unwrap())).await?;
    Ok(serde_json::from_str(reply.get()).unwrap())
}

#[tokio::test]
async fn every_operation_keeps_the_contract() {
    let fixture = Fixture::repository();
    let table = operations(&fixture.workspaces);
    table.check().unwrap();
    assert_eq!(table.len(), 5);
    let dispatcher = Dispatcher::new(table).unwrap();
    for case in contract::cases(dispatcher.table()) {
        let call = Call::new(Caller::new(OrgId::LOCAL, "root", case.scopes), "c1");
        let params = to_raw_value(&case.params).unwrap();
        let refused = dispatcher.dispatch(call, &case.operation, Some(&params)).await.unwrap_err();
        assert_eq!((refused.code, &refused.field), (case.expected, &case.field), "{}", case.name());
    }
}

#[tokio::test]
async fn a_workspace_is_shown_compared_and_merged_and_a_conflict_names_its_paths() {
    let fixture = Fixture::repository();
    let (first, second) = (fixture.prepare(None).await, fixture.prepare(None).await);
    for made in [&first, &second] {
        write(&made.path, "a.txt", &format!("{}\n", made.session));
    }
    let params = |made: &orchestrator_workspaces::Workspace| json!({ "sessionId": made.session });
    let shown = call(&fixture, OrgId::LOCAL, "session.workspace.get", params(&first)).await.unwrap();
    assert_eq!((&shown["mode"], &shown["status"]), (&json!("worktree"), &json!("ready")));
    assert!(shown["bytes"].as_u64() > Some(0));
    let list = call(&fixture, OrgId::LOCAL, "session.workspace.list", json!({ "limit": 1 })).await.unwrap();
    assert_eq!(list["items"][0]["sessionId"], json!(second.session));
    let rest = json!({ "limit": 1, "cursor": list["nextCursor"] });
    let rest = call(&fixture, OrgId::LOCAL, "session.workspace.list", rest).await.unwrap();
    assert_eq!(rest["items"][0]["sessionId"], json!(first.session));
    let diff = call(&fixture, OrgId::LOCAL, "session.workspace.diff", params(&first)).await.unwrap();
    assert_eq!(diff["files"], json!([{ "path": "a.txt", "change": "modified", "added": 1, "removed": 3 }]));
    let message = json!({ "sessionId": first.session, "message": "A change" });
    let merged = call(&fixture, OrgId::LOCAL, "session.workspace.merge", message).await.unwrap();
    assert_eq!((&merged["changed"], &merged["workspace"]["status"]), (&json!(true), &json!("merged")));
    assert_eq!(fixture.git(&["log", "-1", "--format=%s"]), "A change");
    let blank = json!({ "sessionId": second.session, "message": " " });
    let refused = call(&fixture, OrgId::LOCAL, "session.workspace.merge", blank).await.unwrap_err();
    assert_eq!((refused.code, refused.field.as_deref()), (Code::InvalidParams, Some("message")));
    let refused = call(&fixture, OrgId::LOCAL, "session.workspace.merge", params(&second)).await.unwrap_err();
    assert_eq!((refused.code, refused.data), (Code::Conflict, Some(json!({ "paths": ["a.txt"] }))));
    let gone = call(&fixture, OrgId::LOCAL, "session.workspace.discard", params(&second)).await.unwrap();
    assert_eq!(gone["status"], "discarded");
}

#[tokio::test]
async fn foreign_workspaces_answer_like_unknown_ones() {
    let fixture = Fixture::repository();
    let made = fixture.prepare(None).await;
    for verb in ["get", "diff", "merge", "discard"] {
        let params = json!({ "sessionId": made.session });
        let refused = call(&fixture, OrgId::new(), &format!("session.workspace.{verb}"), params).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.message),
            (Code::NotFound, format!("no workspace of session {}", made.session))
        );
    }
    let list = call(&fixture, OrgId::new(), "session.workspace.list", json!({})).await.unwrap();
    assert_eq!(list, json!({ "items": [] }));
}
