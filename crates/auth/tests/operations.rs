//! The operations, called as a client would.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod fixture;

use fixture::{Fixture, grant, operator};
use orchestrator_auth::{TokenKind, operations};
use orchestrator_rpc::{Call, Caller, Code, Credential, Dispatcher, Error, Scopes, contract};
use orchestrator_sql::Backend;
use orchestrator_vocab::OrgId;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

async fn call(fixture: &Fixture, org: OrgId, method: &str, params: Value) -> Result<Value, Error> {
    let call = Call::new(Caller::new(org, "root", Scopes::ADMIN), "c1");
    let table = operations(&fixture.auth);
    let params = to_raw_value(&params).unwrap();
    let result = table.get(method).unwrap().call(call, Some(&params)).await?;
    Ok(serde_json::from_str(result.get()).unwrap())
}

#[tokio::test]
async fn the_table_is_sound() {
    let table = operations(&Fixture::on(Backend::Sqlite).await.auth);
    table.check().unwrap();
    assert_eq!(table.len(), 11);
}

#[tokio::test]
async fn every_operation_keeps_the_contract() {
    let fixture = Fixture::on(Backend::Sqlite).await;
    let dispatcher = Dispatcher::new(operations(&fixture.auth)).unwrap();
    for case in contract::cases(dispatcher.table()) {
        let call = Call::new(Caller::new(OrgId::LOCAL, "root", case.scopes), "c1");
        let params = to_raw_value(&case.params).unwrap();
        let refused = dispatcher.dispatch(call, &case.operation, Some(&params)).await.unwrap_err();
        assert_eq!((refused.code, &refused.field), (case.expected, &case.field), "{}", case.name());
    }
}

#[tokio::test]
async fn an_operator_makes_an_organisation_and_its_first_token() {
    let fixture = Fixture::on(Backend::Sqlite).await;
    let org =
        call(&fixture, OrgId::LOCAL, "org.create", json!({ "name": "acme", "idempotencyKey": "k" })).await.unwrap();
    let again = call(&fixture, OrgId::LOCAL, "org.create", json!({ "name": "acme", "idempotencyKey": "k" })).await;
    assert_eq!(again.unwrap(), org);
    let params = json!({ "kind": "apiKey", "subject": "bob", "scopes": ["daemon.admin"], "orgId": org["id"] });
    let issued = call(&fixture, OrgId::LOCAL, "auth.token.issue", params).await.unwrap();
    assert!(issued.get("expiresAt").is_none());
    let credential = Credential::ApiKey(issued["token"].as_str().unwrap().into());
    let caller = fixture.auth.authenticate(&credential).await.unwrap();
    assert_eq!((json!(caller.org), caller.scopes), (org["id"].clone(), Scopes::ADMIN));
    assert_eq!(issued["tokenId"], json!(caller.credential));

    let listed = call(&fixture, caller.org, "auth.token.list", json!({})).await.unwrap();
    assert_eq!(listed["items"][0]["id"], issued["tokenId"]);
    let revoked = call(&fixture, caller.org, "auth.token.revoke", json!({ "tokenId": issued["tokenId"] })).await;
    assert_eq!(revoked.unwrap()["revoked"], json!(true));
    assert!(!caller.is_good());
}

#[tokio::test]
async fn refusals_have_their_codes() {
    let fixture = Fixture::on(Backend::Sqlite).await;
    let other = fixture.org("other").await.id;
    let issue = json!({ "kind": "jwt", "subject": "x", "scopes": ["daemon.read"] });
    let with = |name: &str, value: Value| {
        let mut params = issue.clone();
        params[name] = value;
        params
    };
    let unknown = format!("key_{}", "0".repeat(32));
    for (org, method, params, code) in [
        (OrgId::LOCAL, "auth.token.issue", with("scopes", json!([])), Code::InvalidParams),
        (OrgId::LOCAL, "auth.token.issue", with("scopes", json!(["root"])), Code::InvalidParams),
        (OrgId::LOCAL, "auth.token.issue", with("expiresInSeconds", json!(0)), Code::InvalidParams),
        (OrgId::LOCAL, "auth.token.issue", with("kind", json!("password")), Code::InvalidParams),
        (OrgId::LOCAL, "auth.token.issue", with("orgId", json!(OrgId::new())), Code::NotFound),
        (other, "auth.token.issue", with("orgId", json!(OrgId::LOCAL)), Code::NotFound),
        (other, "auth.token.revoke", json!({ "tokenId": unknown }), Code::NotFound),
        (OrgId::LOCAL, "auth.token.issue", with("kind", json!("refresh")), Code::InvalidParams),
        (OrgId::LOCAL, "auth.token.refresh", json!({ "refreshToken": "orr_1" }), Code::Unauthorized),
        (other, "auth.token.update", json!({ "tokenId": unknown, "scopes": ["daemon.read"] }), Code::NotFound),
        (other, "auth.token.update", json!({ "tokenId": unknown, "scopes": [] }), Code::InvalidParams),
        (other, "auth.key.list", json!({}), Code::Forbidden),
        (other, "auth.key.rotate", json!({}), Code::Forbidden),
        (other, "auth.key.retire", json!({ "keyId": "k" }), Code::Forbidden),
        (OrgId::LOCAL, "auth.key.retire", json!({ "keyId": "k" }), Code::NotFound),
        (other, "org.create", json!({ "name": "x" }), Code::Forbidden),
        (OrgId::LOCAL, "org.create", json!({ "name": "other" }), Code::Conflict),
    ] {
        let refused = call(&fixture, org, method, params.clone()).await.unwrap_err();
        assert_eq!(refused.code, code, "{method} {params}");
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let fixture = Fixture::on(Backend::Sqlite).await;
    for _ in 0..5 {
        let grant = grant(OrgId::LOCAL, Scopes::ADMIN);
        fixture.auth.issue(&operator(), TokenKind::ApiKey, None, grant).await.unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page =
            call(&fixture, OrgId::LOCAL, "auth.token.list", json!({ "limit": 2, "cursor": cursor })).await.unwrap();
        seen.extend(page["items"].as_array().unwrap().iter().map(|token| token["id"].to_string()));
        let Some(next) = page.get("nextCursor") else { break };
        cursor = next.clone();
    }
    assert!(seen.is_sorted() && seen.len() == 5, "{seen:?}");
}
