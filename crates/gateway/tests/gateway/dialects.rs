use std::time::Duration;

use futures::StreamExt;
use orchestrator_gateway::Config;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Server, call, closed, hear, patiently, say};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn envelope(kind: &str, payload: Value) -> Value {
    json!({ "type": kind, "id": ID, "timestamp": "2026-01-31T12:00:00Z", "payload": payload })
}

fn auth(token: &str) -> Value {
    envelope("auth", json!({ "accessToken": token, "daemonId": "ours" }))
}

fn request(method: &str, params: Value) -> Value {
    json!({ "type": "req", "id": "r-1", "method": method, "params": params })
}

fn connect(token: &str) -> Value {
    let client = json!({ "id": "sdk", "version": "1.0.0", "platform": "node" });
    let auth = json!({ "type": "jwt", "token": token });
    request("auth.connect", json!({ "minProtocol": 2, "maxProtocol": 2, "auth": auth, "client": client }))
}

fn frame(kind: &str, payload: Value) -> Value {
    json!({ "type": kind, "payload": payload })
}

async fn ask(client: &mut Client, message: &Value) -> Value {
    say(client, message).await;
    hear(client).await
}

async fn in_envelopes(server: &Server) -> Client {
    let mut client = server.websocket(None).await.unwrap();
    assert_eq!(ask(&mut client, &auth("good")).await["type"], "auth_success");
    client
}

/// Each dialect's first frame, and its call of an operation.
fn dialects() -> [(Value, Value); 4] {
    let limited = "thing.limited";
    [
        (call(1, "auth.connect", json!({ "auth": { "type": "jwt", "token": "good" } })), call(1, limited, json!({}))),
        (auth("good"), envelope("call", json!({ "method": limited }))),
        (connect("good"), request(limited, json!({}))),
        (frame("auth", json!({ "token": "good" })), frame("ping", json!({}))),
    ]
}

#[tokio::test]
async fn envelopes_authenticate_call_and_beat() {
    let server = Server::start().await;
    let mut client = server.websocket(None).await.unwrap();
    let welcome = ask(&mut client, &auth("good")).await;
    assert_eq!((&welcome["type"], &welcome["id"]), (&json!("auth_success"), &json!(ID)));
    assert_eq!(welcome["payload"]["scopes"], json!(["daemon.admin"]));
    assert_eq!(welcome["payload"]["heartbeatIntervalMs"], 30_000);
    let get = envelope("call", json!({ "method": "thing.get", "params": { "thingId": "t" } }));
    let expected = json!({ "ok": true, "payload": { "thingId": "t" } });
    assert_eq!(ask(&mut client, &get).await["payload"], expected);
    let metrics = json!({ "memoryUsageBytes": 1, "cpuPercent": 0.5, "uptimeSeconds": 2, "messagesSent": 3,
        "messagesReceived": 4, "errors": 0 });
    let beat = envelope("heartbeat", json!({ "status": "busy", "metrics": metrics }));
    assert_eq!(ask(&mut client, &beat).await["type"], "heartbeat_ack");
    let list = envelope("call", json!({ "method": "connection.list" }));
    let listed = ask(&mut client, &list).await["payload"]["payload"]["items"][0].clone();
    assert_eq!((&listed["dialect"], &listed["heartbeat"]["status"]), (&json!("envelope"), &json!("busy")));
    assert_eq!((&listed["client"]["daemonId"], &listed["heartbeat"]["metrics"]["errors"]), (&json!("ours"), &json!(0)));
    let wrong = ask(&mut client, &envelope("heartbeat", json!({ "status": "asleep" }))).await;
    assert_eq!((&wrong["type"], &wrong["payload"]["code"]), (&json!("error"), &json!("INVALID_MESSAGE")));
    assert_eq!(wrong["payload"]["details"]["field"], "status");
}

#[tokio::test]
async fn each_dialect_has_its_own_refusal_and_close_code() {
    let server = Server::start().await;
    let mismatch = request("auth.connect", json!({ "minProtocol": 3, "auth": { "type": "jwt", "token": "good" } }));
    for (first, kind, close) in [
        (auth("wrong"), "auth_error", 4001),
        (envelope("heartbeat", json!({ "status": "idle" })), "error", 4001),
        (connect("wrong"), "res", 1008),
        (connect("panic"), "res", 1011),
        (mismatch, "res", 1002),
        (request("thing.get", json!({})), "res", 1008),
        (frame("auth", json!({ "token": "wrong" })), "error", 4001),
        (frame("ping", json!({})), "error", 4001),
        (json!({}), "error", 1002),
    ] {
        let mut client = server.websocket(None).await.unwrap();
        assert_eq!(ask(&mut client, &first).await["type"], kind, "{first}");
        assert_eq!(closed(&mut client).await, close, "{first}");
    }
}

#[tokio::test]
async fn a_credential_without_scopes_is_told_so() {
    let server = Server::start().await;
    let mut client = server.websocket(None).await.unwrap();
    let refused = ask(&mut client, &auth("nothing")).await;
    assert_eq!(refused["payload"]["code"], "INSUFFICIENT_SCOPE");
    assert_eq!(closed(&mut client).await, 4005);
}

#[tokio::test]
async fn one_credential_has_so_many_connections() {
    let server = Server::configured(Config { connections_per_credential_max: 2, ..Config::default() }).await;
    let first = in_envelopes(&server).await;
    let mut second = server.signed_in().await;
    // It has its place once it answers.
    assert_eq!(crate::support::ask(&mut second, "thing.get", json!({ "thingId": "t" })).await["id"], 1);
    for (first_frame, close) in [(auth("good"), 1013), (connect("good"), 1008)] {
        let mut third = server.websocket(None).await.unwrap();
        let refused = ask(&mut third, &first_frame).await;
        assert!(refused.to_string().contains("MAX_CONNECTIONS"), "{refused}");
        assert_eq!(closed(&mut third).await, close);
    }
    drop(first);
    let mut third = server.websocket(None).await.unwrap();
    // The place comes back when the server has seen the end.
    loop {
        if ask(&mut third, &auth("good")).await["type"] == "auth_success" {
            break;
        }
        third = server.websocket(None).await.unwrap();
    }
}

#[tokio::test]
async fn the_hello_of_protocol_v2_lists_what_answers() {
    let server = Server::start().await;
    let mut client = server.websocket(None).await.unwrap();
    let response = ask(&mut client, &connect("reader")).await;
    assert_eq!((&response["type"], &response["id"], &response["ok"]), (&json!("res"), &json!("r-1"), &json!(true)));
    let hello = &response["payload"];
    assert_eq!((&hello["type"], &hello["protocol"]), (&json!("hello"), &json!(2)));
    assert_eq!(hello["auth"]["scopes"], json!(["daemon.read"]));
    assert_eq!(hello["policy"]["maxBufferedBytes"], 16 << 20);
    assert!(hello["events"].as_array().unwrap().contains(&json!("thing.created")));
    let discovered = ask(&mut client, &request("rpc.discover", json!({}))).await;
    let operations = discovered["payload"]["operations"].as_array().unwrap();
    let names: Vec<_> = operations.iter().map(|operation| operation["name"].clone()).collect();
    assert_eq!(hello["methods"], json!(names));
    for (message, code) in [
        (request("thing.create", json!({ "title": "t" })), "FORBIDDEN"),
        (request("thing.nope", json!({})), "INVALID_REQUEST"),
        (request("thing.get", json!({ "nope": 1 })), "INVALID_REQUEST"),
        (json!({ "type": "req", "id": 7, "method": "thing.get" }), "INVALID_REQUEST"),
        (json!({ "type": "req", "id": "7", "method": "thing.get", "jsonrpc": "2.0" }), "INVALID_REQUEST"),
    ] {
        let answer = ask(&mut client, &message).await;
        assert_eq!((&answer["ok"], &answer["error"]["code"]), (&json!(false), &json!(code)), "{answer}");
    }
}

#[tokio::test]
async fn whoever_is_too_fast_is_told_in_every_dialect() {
    let server = Server::start().await;
    let mut told = Vec::new();
    for (first, limited) in dialects().into_iter().take(3) {
        let mut client = server.websocket(None).await.unwrap();
        ask(&mut client, &first).await;
        ask(&mut client, &limited).await;
        told.push(hear(&mut client).await);
    }
    let facts = json!({ "action": "thing.limited", "retryAfter": 1_500 });
    assert_eq!((&told[0]["method"], &told[0]["params"]["payload"]), (&json!("connection.rateLimit"), &facts));
    assert_eq!((&told[1]["type"], &told[1]["payload"]), (&json!("rate_limit"), &facts));
    assert_eq!((&told[2]["event"], &told[2]["payload"]), (&json!("connection.rateLimit"), &facts));
}

#[tokio::test]
async fn a_drain_is_announced_in_every_dialect() {
    let server = Server::start().await;
    let mut clients = Vec::new();
    for (first, _) in dialects() {
        let mut client = server.websocket(None).await.unwrap();
        ask(&mut client, &first).await;
        clients.push(client);
    }
    server.gateway.begin_drain();
    for (client, (name, payload)) in clients.iter_mut().zip([
        ("/method", "/params/payload"),
        ("/type", "/payload"),
        ("/event", "/payload"),
        ("/type", "/payload"),
    ]) {
        let told = hear(client).await;
        assert!(told.pointer(name).unwrap().as_str().unwrap().ends_with("reconnect"), "{told}");
        let delay = told.pointer(payload).unwrap()["delay"].as_u64().unwrap();
        assert!((500..5_000).contains(&delay), "{told}");
    }
    server.stop.cancel();
    for client in &mut clients {
        assert_eq!(closed(client).await, 1001);
    }
}

#[tokio::test]
async fn pongs_are_no_heartbeats_of_an_envelope() {
    let config = Config { ping_interval: Duration::from_millis(250), ..Config::default() };
    let server = Server::configured(config).await;
    let mut silent = in_envelopes(&server).await;
    // Reading answers pings, and yet it ends.
    assert_eq!(closed(&mut silent).await, 1001);

    let mut beating = in_envelopes(&server).await;
    let mut protocol_v2 = server.websocket(None).await.unwrap();
    ask(&mut protocol_v2, &connect("good")).await;
    let mut pings = 0;
    while pings < 5 {
        match patiently(beating.next()).await.unwrap().unwrap() {
            Message::Ping(_) => {
                pings += 1;
                say(&mut beating, &envelope("heartbeat", json!({ "status": "idle" }))).await;
            }
            Message::Text(_) => {}
            other => panic!("{other:?}"),
        }
    }
    // Nor do those end whose dialect has no heartbeats of the client; they hear the server's.
    for seq in 1..=3 {
        let event = hear(&mut protocol_v2).await;
        assert_eq!((&event["event"], &event["payload"]["seq"]), (&json!("health.heartbeat"), &json!(seq)));
    }
}

#[tokio::test]
async fn patterns_are_added_to_one_subscription_and_taken_away() {
    let server = Server::start().await;
    let mut client = in_envelopes(&server).await;
    let topics = |kind: &str, events: &[&str]| envelope(kind, json!({ "eventTypes": events }));
    server.append("thing.created", json!({ "n": 0 }));
    assert_eq!(ask(&mut client, &topics("subscribe", &["thing.*"])).await["payload"]["ok"], true);
    server.append("thing.created", json!({ "n": 1 }));
    server.append("other.created", json!({ "n": 2 }));
    let event = hear(&mut client).await;
    assert_eq!((&event["payload"]["eventType"], &event["payload"]["data"]["n"]), (&json!("thing.created"), &json!(1)));
    assert_eq!((&event["payload"]["seq"], &event["payload"]["requiresAck"]), (&json!(2), &json!(false)));
    let both = ask(&mut client, &topics("subscribe", &["other.**", "thing.created"])).await;
    assert_eq!(both["payload"]["payload"]["events"], json!(["thing.*", "other.**", "thing.created"]));
    server.append("thing.created", json!({ "n": 3 }));
    server.append("other.created", json!({ "n": 4 }));
    // Once each, in order, and nothing from before the pattern was added.
    for n in 3..=4 {
        assert_eq!(hear(&mut client).await["payload"]["data"]["n"], n);
    }
    assert_eq!(ask(&mut client, &topics("unsubscribe", &["thing.*", "thing.created"])).await["payload"]["ok"], true);
    server.append("thing.created", json!({ "n": 5 }));
    server.append("other.created", json!({ "n": 6 }));
    assert_eq!(hear(&mut client).await["payload"]["data"]["n"], 6);
    let unknown = ask(&mut client, &topics("unsubscribe", &["thing.*"])).await;
    assert_eq!((&unknown["type"], &unknown["payload"]["details"]["field"]), (&json!("error"), &json!("events")));
    assert_eq!(ask(&mut client, &topics("unsubscribe", &["other.**"])).await["payload"]["ok"], true);
    let none = ask(&mut client, &topics("unsubscribe", &["other.**"])).await;
    assert_eq!(none["payload"]["details"]["code"], "NOT_FOUND");
}

#[tokio::test]
async fn simple_frames_are_answered_in_their_order() {
    let server = Server::start().await;
    let mut client = server.websocket(None).await.unwrap();
    let welcome = ask(&mut client, &frame("auth", json!({ "token": "good" }))).await;
    assert_eq!((&welcome["type"], &welcome["payload"]["scopes"]), (&json!("auth_success"), &json!(["daemon.admin"])));
    for message in [frame("ping", json!({})), frame("nope", json!({})), frame("ping", Value::Null)] {
        say(&mut client, &message).await;
    }
    for kind in ["pong", "error", "pong"] {
        assert_eq!(hear(&mut client).await["type"], kind);
    }
}
