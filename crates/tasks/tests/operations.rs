//! The operations, called as a client would.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_rpc::{Call, Caller, Code, Dispatcher, Error, Scopes, contract};
use orchestrator_tasks::{Backlog, Candidate, Config, MemoryStore, Workforce, operations};
use orchestrator_vocab::{OrgId, SystemClock};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::sync::watch;

struct Team(watch::Sender<u64>);

#[async_trait]
impl Workforce for Team {
    async fn agents(&self, org: OrgId) -> Result<Vec<Candidate>, orchestrator_tasks::Error> {
        let capabilities = ["rust", "docs"].map(|name| name.parse().unwrap()).into();
        let coder = Candidate { max_concurrent: 10, ..Candidate::new("coder".parse().unwrap(), capabilities) };
        Ok(if org == OrgId::LOCAL { vec![coder] } else { vec![] })
    }

    async fn orgs(&self) -> Result<Vec<OrgId>, orchestrator_tasks::Error> {
        Ok(vec![OrgId::LOCAL])
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

fn dispatcher() -> Dispatcher {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let log = store.log();
    let backlog = Backlog::new(store, Config::default()).unwrap();
    Dispatcher::new(operations(backlog, Arc::new(Team(watch::Sender::new(0))), log)).unwrap()
}

async fn call_as(org: OrgId, dispatcher: &Dispatcher, method: &str, params: Value) -> Result<Value, Error> {
    let call = Call::new(Caller::new(org, "alice", Scopes::ADMIN), "request-1");
    let reply = dispatcher.dispatch(call, method, Some(&*to_raw_value(&params).unwrap())).await?;
    Ok(serde_json::from_str(reply.get()).unwrap())
}

async fn call(dispatcher: &Dispatcher, method: &str, params: Value) -> Value {
    call_as(OrgId::LOCAL, dispatcher, method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
}

async fn refused(dispatcher: &Dispatcher, method: &str, params: Value) -> Error {
    call_as(OrgId::LOCAL, dispatcher, method, params).await.unwrap_err()
}

#[tokio::test]
async fn every_operation_keeps_the_contract() {
    let dispatcher = dispatcher();
    assert_eq!(dispatcher.table().len(), 26);
    for case in contract::cases(dispatcher.table()) {
        let call = Call::new(Caller::new(OrgId::LOCAL, "root", case.scopes), "c1");
        let params = to_raw_value(&case.params).unwrap();
        let refused = dispatcher.dispatch(call, &case.operation, Some(&params)).await.unwrap_err();
        assert_eq!((refused.code, &refused.field), (case.expected, &case.field), "{}", case.name());
    }
}

#[tokio::test]
async fn another_organisations_thing_answers_like_an_unknown_one() {
    let dispatcher = dispatcher();
    let theirs = OrgId::new();
    let task = call_as(theirs, &dispatcher, "task.create", json!({ "title": "theirs" })).await.unwrap();
    let plan = json!({ "every": { "intervalMs": 60_000 } });
    let draft = json!({ "name": "theirs", "plan": plan, "template": { "title": "theirs" } });
    let schedule = call_as(theirs, &dispatcher, "schedule.create", draft).await.unwrap();
    for case in contract::cases(dispatcher.table()) {
        let id = if case.operation.starts_with("task") { &task["id"] } else { &schedule["id"] };
        let Some(foreign) = case.with_id(id.as_str().unwrap()) else { continue };
        let unknown = refused(&dispatcher, &case.operation, case.params.clone()).await;
        let foreign = refused(&dispatcher, &case.operation, foreign).await;
        let text = |error: &Error| serde_json::to_string(error).unwrap();
        assert_eq!((unknown.code, text(&unknown)), (Code::NotFound, text(&foreign)), "{}", case.name());
    }
}

#[tokio::test]
async fn a_task_is_created_claimed_worked_on_and_completed() {
    let dispatcher = dispatcher();
    let params = json!({ "title": "Build", "requiredCapabilities": ["rust"], "metadata": { "n": 1 } });
    let created = call(&dispatcher, "task.create", params).await;
    assert_eq!((&created["status"], &created["fence"]), (&json!("pending"), &json!(0)));
    let id = &created["id"];
    let next = call(&dispatcher, "task.create", json!({ "title": "Ship", "dependsOn": [id] })).await;
    assert_eq!((&next["status"], &next["waitingOn"]), (&json!("blocked"), &json!(1)));

    let narrow = json!({ "agentId": "coder", "capabilities": ["docs"] });
    assert_eq!(call(&dispatcher, "task.claim", narrow).await, json!({ "items": [] }));
    let claims = call(&dispatcher, "task.claim", json!({ "agentId": "coder" })).await;
    let claim = &claims["items"][0];
    assert_eq!((&claim["task"]["id"], &claim["task"]["owner"]), (id, &json!("coder")));
    let owned = json!({ "taskId": id, "fence": claim["fence"] });
    let with = |field: &str, value: Value| {
        let mut params = owned.clone();
        params[field] = value;
        params
    };
    let lease = call(&dispatcher, "task.heartbeat", with("progress", json!({ "percent": 50 }))).await;
    assert!(lease["leaseUntil"].is_string());
    let explained = call(&dispatcher, "task.explain", json!({ "taskId": id })).await;
    assert_eq!((&explained["why"], &explained["agentId"]), (&json!("runs"), &json!("coder")));
    let done = call(&dispatcher, "task.complete", with("result", json!([1, 2]))).await;
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!([1, 2])));

    let got = call(&dispatcher, "task.get", json!({ "taskId": next["id"] })).await;
    assert_eq!((&got["status"], &got["dependsOn"][0]["taskId"]), (&json!("pending"), id));
    let history = call(&dispatcher, "task.history", json!({ "taskId": id, "limit": 3 })).await;
    let names: Vec<&Value> = history["items"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
    assert_eq!(names, ["task.created", "task.claimed", "task.progressed"]);
    let rest = json!({ "taskId": id, "cursor": history["nextCursor"] });
    assert_eq!(call(&dispatcher, "task.history", rest).await["items"][0]["event"], "task.completed");
    let stale = refused(&dispatcher, "task.complete", json!({ "taskId": id, "fence": 99 })).await;
    assert_eq!((stale.code, stale.data), (Code::Conflict, Some(json!({ "stale": true, "fence": 1 }))));
}

#[tokio::test]
async fn a_batch_is_created_once_and_completed_item_by_item() {
    let dispatcher = dispatcher();
    let tasks = json!([{ "title": "a", "ref": "a" }, { "title": "b", "dependsOnRefs": ["a"] }]);
    let params = json!({ "tasks": tasks, "idempotencyKey": "k" });
    let first = call(&dispatcher, "task.createMany", params.clone()).await;
    let again = call(&dispatcher, "task.createMany", params).await;
    assert_eq!(first["items"][1]["id"], again["items"][1]["id"]);
    let claims = call(&dispatcher, "task.claim", json!({ "agentId": "coder", "limit": 9 })).await;
    let claim = &claims["items"][0];
    let (good, bad) = (&first["items"][0]["id"], &first["items"][1]["id"]);
    let items = json!([{ "taskId": good, "fence": claim["fence"] }, { "taskId": bad, "fence": 7 }]);
    let done = call(&dispatcher, "task.completeMany", json!({ "items": items })).await;
    assert_eq!(done["items"][0], json!({ "taskId": good, "completed": true }));
    assert_eq!(
        (&done["items"][1]["completed"], &done["items"][1]["error"]["data"]["code"]),
        (&json!(false), &json!("CONFLICT"))
    );
    let page = call(&dispatcher, "task.list", json!({ "limit": 1, "order": "newest" })).await;
    assert_eq!(page["items"][0]["title"], "b");
    let rest = json!({ "limit": 5, "order": "newest", "cursor": page["nextCursor"], "status": ["completed"] });
    let rest = call(&dispatcher, "task.list", rest).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), rest.get("nextCursor")), (1, None));
}

#[tokio::test]
async fn refusals_name_the_field() {
    let dispatcher = dispatcher();
    let task = call(&dispatcher, "task.create", json!({ "title": "a" })).await;
    let field = async |method: &str, params: Value| refused(&dispatcher, method, params).await.field.unwrap();
    assert_eq!(field("task.create", json!({ "title": "" })).await, "title");
    assert_eq!(field("task.create", json!({ "title": "x", "owner": "me" })).await, "owner");
    assert_eq!(field("task.create", json!({ "title": "x", "dependsOn": ["x"] })).await, "dependsOn[0]");
    let tasks = json!([{ "title": "ok" }, { "title": "x", "maxAttempts": 0 }]);
    assert_eq!(field("task.createMany", json!({ "tasks": tasks })).await, "tasks[1].maxAttempts");
    let unknown = json!({ "title": "x", "dependsOn": ["task_00000000000070008000000000000009"] });
    assert_eq!(field("task.create", unknown).await, "dependsOn");
    assert_eq!(field("task.update", json!({ "taskId": task["id"], "status": "completed" })).await, "status");
    let cycle = json!({ "taskId": task["id"], "dependsOn": [{ "taskId": task["id"], "onFailure": "wait" }] });
    let cycle = refused(&dispatcher, "task.depend", cycle).await;
    assert_eq!((cycle.code, cycle.data), (Code::Conflict, Some(json!({ "cycle": [task["id"], task["id"]] }))));
    let claim = refused(&dispatcher, "task.claim", json!({ "agentId": "nobody" })).await;
    assert_eq!(claim.code, Code::NotFound);
}

#[tokio::test]
async fn a_task_is_updated_cancelled_retried_and_deleted() {
    let dispatcher = dispatcher();
    let created = json!({ "title": "a", "runAt": "2999-01-01T00:00:00Z", "deadline": "2999-02-01T00:00:00Z" });
    let id = call(&dispatcher, "task.create", created).await["id"].clone();
    let changed = call(&dispatcher, "task.update", json!({ "taskId": id, "runAt": null, "tags": ["x"] })).await;
    assert_eq!((changed.get("runAt"), &changed["tags"]), (None, &json!(["x"])));
    assert_eq!(changed["deadline"], "2999-02-01T00:00:00.000Z");
    let cancelled = call(&dispatcher, "task.cancel", json!({ "taskId": id })).await;
    assert_eq!((&cancelled["status"], &cancelled["reason"]), (&json!("cancelled"), &json!("cancelled by user:alice")));
    assert_eq!(call(&dispatcher, "task.retry", json!({ "taskId": id })).await["status"], "pending");
    assert_eq!(call(&dispatcher, "task.delete", json!({ "taskId": id })).await, json!({ "deleted": true }));
    assert_eq!(refused(&dispatcher, "task.get", json!({ "taskId": id })).await.code, Code::NotFound);
}

#[tokio::test]
async fn a_schedule_is_created_paused_triggered_resumed_and_deleted() {
    let dispatcher = dispatcher();
    let plan = json!({ "cron": { "pattern": "0 9 * * MON-FRI", "timeZone": "Europe/Berlin" } });
    let draft = json!({ "name": "News", "plan": plan, "template": { "title": "Read" }, "idempotencyKey": "k" });
    let created = call(&dispatcher, "schedule.create", draft.clone()).await;
    assert_eq!(call(&dispatcher, "schedule.create", draft).await["id"], created["id"]);
    let named = json!({ "scheduleId": created["id"] });
    assert_eq!(call(&dispatcher, "schedule.pause", named.clone()).await["paused"], true);
    let task = call(&dispatcher, "schedule.trigger", named.clone()).await;
    assert_eq!((&task["title"], &task["scheduleId"]), (&json!("Read"), &created["id"]));
    let resumed = call(&dispatcher, "schedule.resume", named.clone()).await;
    assert!(resumed["nextAt"].is_string());
    let update = json!({ "scheduleId": created["id"], "plan": { "cron": { "pattern": "never" } } });
    assert_eq!(refused(&dispatcher, "schedule.update", update).await.field.unwrap(), "plan.cron.pattern");
    assert_eq!(call(&dispatcher, "schedule.list", json!({})).await["items"][0]["id"], created["id"]);
    call(&dispatcher, "schedule.delete", named.clone()).await;
    assert_eq!(refused(&dispatcher, "schedule.get", named).await.code, Code::NotFound);
}
