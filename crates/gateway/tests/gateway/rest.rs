use serde_json::{Value, json};

use crate::support::{GOOD, JSON, Server};

#[tokio::test]
async fn every_verb_reaches_its_operation() {
    let server = Server::start().await;
    let headers = format!("{GOOD}{JSON}");
    let created = server.send("POST", "/api/v1/things", &headers, r#"{"title":"a"}"#).await;
    assert_eq!((created.status, created.json()), (201, json!({ "title": "a" })));
    let got = server.get("/api/v1/things/a%2Fb+c", GOOD).await;
    assert_eq!((got.status, got.json()), (200, json!({ "thingId": "a/b+c" })));
    let patched = server.send("PATCH", "/api/v1/things/t1", &headers, r#"{"title":"b"}"#).await;
    assert_eq!(patched.json(), json!({ "thingId": "t1", "title": "b" }));
    let deleted = server.send("DELETE", "/api/v1/things/t1?title=c", GOOD, "").await;
    assert_eq!(deleted.json(), json!({ "thingId": "t1", "title": "c" }));
    let painted = server.send("POST", "/api/v1/things/t1/paint", GOOD, "").await;
    assert_eq!(painted.json(), json!({ "thingId": "t1" }));
}

async fn listed(query: &str) -> Value {
    Server::start().await.get(&format!("/api/v1/things?{query}"), GOOD).await.json()
}

#[tokio::test]
async fn a_query_is_typed_by_the_schema() {
    let understood = listed("limit=5&tags=a&tags=7&done=true&size=large&numbers=-1&numbers=2").await;
    let expected = json!({ "limit": 5, "tags": ["a", "7"], "done": true, "size": "large", "numbers": [-1, 2] });
    assert_eq!(understood, expected);
    assert_eq!(listed("tags=%C3%A4+b").await["tags"], json!(["ä b"]));
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    for (query, field) in [
        ("limit=many", "limit"),
        ("done=1", "done"),
        ("size=huge", "size"),
        ("nope=1", "nope"),
        ("limit=1&limit=2", "limit"),
    ] {
        let error = listed(query).await["error"].clone();
        assert_eq!((&error["code"], &error["field"]), (&json!("INVALID_PARAMS"), &json!(field)), "{query}");
    }
}

#[tokio::test]
async fn a_body_is_one_object_without_repetitions() {
    let server = Server::start().await;
    let headers = format!("{GOOD}{JSON}");
    for (body, status) in [
        (r#"{"title":"a","title":"b"}"#, 422),
        (r#"{"title":"a"}{}"#, 400),
        ("[]", 400),
        (r#"{"title":"a","more":1}"#, 422),
        (r#"{"title":7}"#, 422),
        ("", 422),
    ] {
        let response = server.send("POST", "/api/v1/things", &headers, body).await;
        assert_eq!(response.status, status, "{body}: {response:?}");
    }
    let both = server.send("PATCH", "/api/v1/things/t1", &headers, r#"{"thingId":"t2"}"#).await;
    both.refused(422, "INVALID_PARAMS");
    server.send("POST", "/api/v1/things?title=a", &headers, "").await.refused(422, "INVALID_PARAMS");
    server.send("POST", "/api/v1/things", GOOD, r#"{"title":"a"}"#).await.refused(415, "UNSUPPORTED_MEDIA");
}

#[tokio::test]
async fn errors_have_their_status_and_headers() {
    let server = Server::start().await;
    server.get("/api/v1/things/t1", "").await.refused(401, "UNAUTHORIZED");
    let reader = format!("authorization: Bearer reader\r\n{JSON}");
    server.send("POST", "/api/v1/things", &reader, r#"{"title":"a"}"#).await.refused(403, "FORBIDDEN");
    let limited = server.send("POST", "/api/v1/things/limited", GOOD, "").await;
    limited.refused(429, "RATE_LIMITED");
    assert!(limited.head.contains("retry-after: 2"), "{limited:?}");
    server.send("POST", "/api/v1/things/boom", GOOD, "").await.refused(500, "INTERNAL");
    let wrong = server.send("PUT", "/api/v1/things/t1", GOOD, "").await;
    wrong.refused(405, "INVALID_REQUEST");
    for method in ["get", "patch", "delete"] {
        assert!(wrong.head.contains("allow:") && wrong.head.contains(method), "{method}: {wrong:?}");
    }
}

#[tokio::test]
async fn the_idempotency_key_may_be_a_header() {
    let server = Server::start().await;
    let headers = format!("{GOOD}{JSON}idempotency-key: k1\r\n");
    let created = server.send("POST", "/api/v1/things", &headers, r#"{"title":"a"}"#).await;
    assert_eq!(created.json(), json!({ "title": "a", "idempotencyKey": "k1" }));
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"thing.create","params":{"title":"a"}}"#;
    let created = server.send("POST", "/rpc", &headers, call).await;
    assert_eq!(created.json()["result"]["idempotencyKey"], "k1");
}

#[tokio::test]
async fn what_needs_a_websocket_has_no_route_and_says_why_elsewhere() {
    let server = Server::start().await;
    let headers = format!("{GOOD}{JSON}");
    let response = server.send("POST", "/api/v1/subscribe", &headers, r#"{"events":["**"]}"#).await;
    response.refused(404, "NOT_FOUND");
    let response = server.rpc(r#"{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"events":["**"]}}"#).await;
    assert!(response.body.contains("WebSocket"), "{response:?}");
}
