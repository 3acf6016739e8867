use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;
use crate::{Code, Error, Tell, parse_json};

fn reply_to(frame: &str) -> Value {
    let reply = match decode(frame.as_bytes()) {
        Frame::Single(Incoming::Refused(reply)) => encode_reply(&reply),
        other => panic!("{frame} was taken as {other:?}"),
    };
    let mut reply: Value = serde_json::from_str(&reply).unwrap();
    reply["error"].as_object_mut().unwrap().remove("data");
    reply
}

#[track_caller]
fn refused(frame: &str, id: Value, code: Code, message: &str) {
    let error = json!({"code": code.json_rpc(), "message": message});
    assert_eq!(reply_to(frame), json!({"jsonrpc": "2.0", "id": id, "error": error}), "{frame}");
}

fn message(frame: &str) -> Message {
    match decode(frame.as_bytes()) {
        Frame::Single(Incoming::Message(message)) => message,
        other => panic!("{frame} was taken as {other:?}"),
    }
}

#[test]
fn ids_are_echoed_as_they_were_written() {
    for id in [r#""a""#, "1", "1.50", "-3", "1e3", "null", r#""\u0061""#, "18446744073709551616"] {
        let call = message(&format!(r#" {{"id": {id} ,"method":"m","jsonrpc":"2.0"}} "#));
        let reply = Reply { id: call.id.unwrap(), outcome: Ok(parse_json(b"[1]").unwrap()) };
        assert_eq!(encode_reply(&reply), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":[1]}}"#));
    }
    for id in ["{}", "[1]", "true"] {
        let frame = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
        refused(&frame, Value::Null, Code::InvalidRequest, "`id` is a string, a number or null");
    }
}

#[test]
fn a_message_without_id_is_a_notification() {
    let message = message(r#"{"jsonrpc":"2.0","method":"m","params":[1]}"#);
    assert!(message.id.is_none());
    assert_eq!(message.params.unwrap().get(), "[1]");
}

#[test]
fn absent_and_null_parameters_are_the_same() {
    for params in ["", r#","params":null"#] {
        assert!(message(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m"{params}}}"#)).params.is_none());
    }
}

#[test]
fn what_is_not_json_is_a_parse_error() {
    for frame in ["", "{", r#"{"jsonrpc":"2.0"}}"#, "nope", "[1", "[1] 2", r#"{"id":1 "method":2}"#] {
        let reply = reply_to(frame);
        assert_eq!((&reply["error"]["code"], &reply["id"]), (&json!(-32700), &Value::Null), "{frame}");
    }
    assert!(matches!(decode(b"\xff{}"), Frame::Single(Incoming::Refused(_))));
}

#[test]
fn what_is_not_a_message_is_an_invalid_request() {
    let invalid = |frame: &str, id: Value, message: &str| refused(frame, id, Code::InvalidRequest, message);
    invalid("7", Value::Null, "a message is an object");
    invalid(r#""text""#, Value::Null, "a message is an object");
    invalid("{}", Value::Null, "`jsonrpc` is \"2.0\"");
    invalid(r#"{"jsonrpc":2.0,"id":1,"method":"m"}"#, json!(1), "`jsonrpc` is \"2.0\"");
    invalid(r#"{"jsonrpc":"2.0","id":"x","method":1}"#, json!("x"), "`method` is a string");
    invalid(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":"bar"}"#, json!(1), "`params` is an object");
    invalid(r#"{"jsonrpc":"2.0","id":1,"method":"m","parms":{}}"#, json!(1), "unknown member `parms`");
    invalid(r#"{"jsonrpc":"2.0","id":1,"method":"m","id":2}"#, json!(1), "`id` is given twice");
    invalid(r#"{"jsonrpc":"2.0","id":1,"method":"a","\u006dethod":"b"}"#, json!(1), "`method` is given twice");
    invalid("[]", Value::Null, "the batch is empty");
}

#[test]
fn a_batch_is_judged_item_by_item() {
    let frame = r#" [{"jsonrpc":"2.0","id":1,"method":"m"}, 1, {"jsonrpc":"2.0","method":"n"}]"#;
    let Frame::Batch(items) = decode(frame.as_bytes()) else { panic!("not a batch") };
    let [Incoming::Message(call), Incoming::Refused(refusal), Incoming::Message(notification)] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!((call.method.as_str(), &refusal.id), ("m", &RequestId::null()));
    assert!(notification.id.is_none());
}

#[test]
fn a_batch_is_bounded() {
    let of = |count: usize| format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#; count].join(","));
    assert!(matches!(decode(of(50).as_bytes()), Frame::Batch(items) if items.len() == 50));
    refused(&of(51), Value::Null, Code::InvalidRequest, "a batch holds at most 50 messages");
    refused(
        &format!("[{}1]", "1,".repeat(100_000)),
        Value::Null,
        Code::InvalidRequest,
        "a batch holds at most 50 messages",
    );
}

#[test]
fn deep_nesting_does_not_overflow() {
    for frame in
        ["[".repeat(1_000_000), format!("{{\"a\":{}", "{\"a\":".repeat(1_000_000)), "[".repeat(900) + &"]".repeat(900)]
    {
        let _ = decode(frame.as_bytes());
    }
}

#[test]
fn a_batch_of_notifications_is_not_answered() {
    let reply = |id| Reply { id: RequestId::number(id), outcome: Ok(parse_json(b"{}").unwrap()) };
    assert_eq!(encode_replies(&[]), None);
    let both = r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{}}]"#;
    assert_eq!(encode_replies(&[reply(1), reply(2)]).as_deref(), Some(both));
}

#[test]
fn a_client_reads_what_the_server_writes() {
    let payload = parse_json(br#"{"a":1}"#).unwrap();
    let told = Tell {
        name: "task.completed",
        payload: &payload,
        event_id: None,
        seq: Some(9),
        subscription: Some("sub\"1"),
        requires_ack: false,
    };
    let text = encode_event(&told);
    let params = r#"{"payload":{"a":1},"seq":9,"subscriptionId":"sub\"1"}"#;
    assert_eq!(text, format!(r#"{{"jsonrpc":"2.0","method":"task.completed","params":{params}}}"#));
    let Ok(Received::Event(event)) = decode_received(text.as_bytes()) else { panic!("no event") };
    assert_eq!(
        (event.name.as_str(), event.seq, event.subscription_id.as_deref()),
        ("task.completed", Some(9), Some("sub\"1"))
    );
    let text = encode_event(&Tell { seq: None, subscription: None, ..told });
    assert_eq!(text, r#"{"jsonrpc":"2.0","method":"task.completed","params":{"payload":{"a":1}}}"#);
    assert!(matches!(decode_received(text.as_bytes()), Ok(Received::Event(event)) if event.subscription_id.is_none()));

    for result in ["null", "{}"] {
        let reply = Reply { id: RequestId::null(), outcome: Ok(parse_json(result.as_bytes()).unwrap()) };
        let Ok(Received::Reply(back)) = decode_received(encode_reply(&reply).as_bytes()) else { panic!("no reply") };
        assert_eq!(back.outcome.unwrap().get(), result);
    }
    let failure = Reply { id: RequestId::number(7), outcome: Err(Error::invalid_field("a.b", "missing")) };
    let Ok(Received::Reply(back)) = decode_received(encode_reply(&failure).as_bytes()) else { panic!("no reply") };
    let error = back.outcome.unwrap_err();
    assert_eq!((back.id, error.code, error.field.as_deref()), (failure.id, Code::InvalidParams, Some("a.b")));
}

fn id() -> impl Strategy<Value = Option<RequestId>> {
    let text = any::<String>().prop_map(|text| RequestId::from_json(&serde_json::to_string(&text).unwrap()).unwrap());
    let number = any::<i64>().prop_map(|number| RequestId::from_json(&number.to_string()).unwrap());
    proptest::option::of(prop_oneof![Just(RequestId::null()), number, text])
}

fn params() -> impl Strategy<Value = Option<Box<RawValue>>> {
    let members = proptest::collection::btree_map(any::<String>(), any::<Option<i64>>(), 0..4);
    proptest::option::of(members.prop_map(|map| serde_json::value::to_raw_value(&map).unwrap()))
}

proptest! {
    #[test]
    fn an_encoded_message_decodes_to_itself(id in id(), method in any::<String>(), params in params()) {
        let text = encode_message(&Message { id: id.clone(), method: method.clone(), params: params.clone() });
        let back = message(&text);
        prop_assert_eq!((back.id, back.method), (id, method));
        prop_assert_eq!(back.params.map(|raw| raw.get().to_owned()), params.map(|raw| raw.get().to_owned()));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        decode(&bytes);
        let _ = decode_received(&bytes);
    }

    #[test]
    fn any_near_message_is_decoded_or_refused(text in r#"[\[{]{0,2}("(jsonrpc|id|method|params)":("2.0"|1|null|\{\}|[a-z\\"])[,}\]]){0,6}"#) {
        decode(text.as_bytes());
        let _ = decode_received(text.as_bytes());
    }
}
