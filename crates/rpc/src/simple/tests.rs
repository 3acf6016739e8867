use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Error, Frame, Incoming, Message, Reply, RequestId, Tell, parse_json};

#[track_caller]
fn message(kind: &str, payload: &Value) -> Message {
    let frame = json!({ "type": kind, "payload": payload }).to_string();
    match decode(frame.as_bytes()) {
        Frame::Single(Incoming::Message(message)) => message,
        other => panic!("{frame} was taken as {other:?}"),
    }
}

#[track_caller]
fn check(kind: &str, payload: Value, method: &str, params: Value) {
    let message = message(kind, &payload);
    let given = message.params.map_or(Value::Null, |raw| serde_json::from_str(raw.get()).unwrap());
    assert_eq!((message.method.as_str(), given), (method, params), "{kind} {payload}");
}

#[test]
fn every_kind_of_frame_is_a_call() {
    check("auth", json!({ "token": "x" }), "auth.connect", json!({ "auth": { "type": "jwt", "token": "x" } }));
    check("auth", json!({ "resumeToken": "r" }), "auth.connect", json!({ "resumeToken": "r" }));
    check("ping", Value::Null, "health.ping", Value::Null);
    check("health_check", json!({}), "health.status", Value::Null);
    check("daemon_status", json!({}), "daemon.status", Value::Null);
    check("list_sessions", json!({}), "session.list", json!({ "limit": 200 }));
    check("session_status", json!({ "sessionId": "s" }), "session.status", json!({ "sessionId": "s" }));
    check("stop_session", json!({ "sessionId": "s" }), "session.stop", json!({ "sessionId": "s" }));
    let spawned = |task: Value| json!({ "sessionType": "process", "task": task, "subscribe": true });
    check(
        "spawn_session",
        json!({ "sessionType": "process", "task": "count" }),
        "session.create",
        spawned(json!({ "description": "count" })),
    );
    let task =
        json!({ "type": "code", "description": "count", "priority": "high", "status": "pending", "metadata": {} });
    let given = json!({ "type": "code", "description": "count", "priority": "high", "metadata": {} });
    check("spawn_session", json!({ "sessionType": "process", "task": task }), "session.create", spawned(given));
    let task = json!({ "description": "more", "metadata": { "context": [1] } });
    check(
        "execute_task",
        json!({ "sessionId": "s", "task": "more", "context": [1], "streamResponse": false }),
        "session.execute",
        json!({ "sessionId": "s", "task": task, "subscribe": true, "stream": false }),
    );
}

#[test]
fn what_is_no_frame_is_refused() {
    for frame in [
        "[]",
        "7",
        "{}",
        r#"{"type":"nope"}"#,
        r#"{"type":7}"#,
        r#"{"type":"ping","type":"ping"}"#,
        r#"{"type":"ping","more":1}"#,
        r#"{"type":"ping","payload":{"more":1}}"#,
        r#"{"type":"list_sessions","payload":{"limit":1}}"#,
        r#"{"type":"stop_session"}"#,
        r#"{"type":"spawn_session","payload":{"sessionType":"process","task":{"description":"a","status":"completed"}}}"#,
        r#"{"type":"spawn_session","payload":{"sessionType":"process","task":"a","memoryProfile":"b"}}"#,
    ] {
        match decode(frame.as_bytes()) {
            Frame::Single(Incoming::Refused(reply)) => {
                assert!(encode_reply(&reply).starts_with(r#"{"type":"error","payload":{"#), "{frame}");
            }
            other => panic!("{frame} was taken as {other:?}"),
        }
    }
}

#[test]
fn answers_say_what_was_asked() {
    let id = message("session_status", &json!({ "sessionId": "s" })).id.unwrap();
    let reply = Reply { id: id.clone(), outcome: Err(Error::not_found("no session s")) };
    let error: Value = serde_json::from_str(&encode_reply(&reply)).unwrap();
    assert_eq!(error["payload"], json!({ "error": "no session s", "code": "NOT_FOUND", "sessionId": "s" }));
    let reply = Reply { id, outcome: parse_json(br#"{"id":"s"}"#) };
    assert_eq!(encode_reply(&reply), r#"{"type":"session_status_update","payload":{"session":{"id":"s"}}}"#);
    let reply =
        Reply { id: RequestId::null().of_kind("health_check"), outcome: parse_json(br#"{"status":"degraded"}"#) };
    assert_eq!(encode_reply(&reply), r#"{"type":"health_check_response","payload":{"healthy":false}}"#);
}

#[test]
fn only_what_has_a_form_is_told() {
    let payload = parse_json(br#"{"sessionId":"s","content":"hi","chunkType":"text","index":0}"#).unwrap();
    let chunk = encode_event(&Tell::of_server("stream.chunk", &payload)).unwrap();
    let chunk: Value = serde_json::from_str(&chunk).unwrap();
    let metadata = json!({ "chunkType": "text", "index": 0 });
    assert_eq!(chunk["payload"]["data"], json!({ "sessionId": "s", "chunk": "hi", "metadata": metadata }));
    let payload = parse_json(br#"{"taskId":"t","result":7}"#).unwrap();
    let told = Tell { subscription: Some("s"), ..Tell::of_server("task.completed", &payload) };
    let done: Value = serde_json::from_str(&encode_event(&told).unwrap()).unwrap();
    assert_eq!(done["payload"], json!({ "sessionId": "s", "taskId": "t", "result": 7 }));
    assert_eq!(encode_event(&Tell::of_server("schedule.fired", &payload)), None);
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        decode(&bytes);
    }
}
