use orchestrator_events::Transient;
use orchestrator_gateway::Config;
use orchestrator_vocab::OrgId;
use serde_json::{Value, json};

use crate::support::{Client, Server, ask, hear};

async fn subscribe(client: &mut Client, params: Value) -> String {
    let reply = ask(client, "subscribe", params).await;
    reply["result"]["subscriptionId"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
}

#[tokio::test]
async fn a_subscriber_hears_what_matches() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    let id = subscribe(&mut client, json!({ "events": ["task.*"], "filter": { "taskId": "task_1" } })).await;
    server.append("task.created", json!({ "taskId": "task_2" }));
    server.append("session.created", json!({ "taskId": "task_1" }));
    server.append("task.created", json!({ "taskId": "task_1" }));
    let params = json!({ "payload": { "taskId": "task_1" }, "seq": 3, "subscriptionId": id });
    assert_eq!(hear(&mut client).await, json!({ "jsonrpc": "2.0", "method": "task.created", "params": params }));
}

#[tokio::test]
async fn a_subscription_goes_on_where_an_earlier_one_ended() {
    let server = Server::start().await;
    for n in 1..=5 {
        server.append("task.created", json!({ "n": n }));
    }
    let mut client = server.signed_in().await;
    subscribe(&mut client, json!({ "events": ["**"], "afterSeq": 2 })).await;
    for seq in 3..=5 {
        assert_eq!(hear(&mut client).await["params"]["seq"], seq);
    }
}

#[tokio::test]
async fn live_pieces_have_no_number() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    subscribe(&mut client, json!({ "events": ["stream.chunk"] })).await;
    let piece = Transient { org: OrgId::LOCAL, name: "stream.chunk".into(), payload: json!({ "content": "x" }) };
    server.hub.publish_transient(piece);
    let event = hear(&mut client).await;
    assert_eq!((event["method"].as_str(), event["params"].get("seq")), (Some("stream.chunk"), None));
}

#[tokio::test]
async fn another_organisation_hears_nothing() {
    let server = Server::start().await;
    let mut stranger = server.websocket(Some("stranger")).await.unwrap();
    subscribe(&mut stranger, json!({ "events": ["**"] })).await;
    let mut client = server.signed_in().await;
    subscribe(&mut client, json!({ "events": ["**"] })).await;
    server.append("task.created", json!({}));
    assert_eq!(hear(&mut client).await["method"], "task.created");
    assert_eq!(ask(&mut stranger, "thing.get", json!({ "thingId": "t" })).await["id"], 1, "nothing came before");
}

#[tokio::test]
async fn unsubscribing_ends_it_and_subscriptions_are_bounded() {
    let server = Server::configured(Config { subscriptions_max: 1, ..Config::default() }).await;
    let mut client = server.signed_in().await;
    let id = subscribe(&mut client, json!({ "events": ["**"] })).await;
    let second = ask(&mut client, "subscribe", json!({ "events": ["**"] })).await;
    assert_eq!(second["error"]["data"]["code"], "CONFLICT");
    assert_eq!(ask(&mut client, "unsubscribe", json!({ "subscriptionId": id })).await["result"], json!({}));
    let again = ask(&mut client, "unsubscribe", json!({ "subscriptionId": id })).await;
    assert_eq!(again["error"]["data"]["code"], "NOT_FOUND");
    server.append("task.created", json!({}));
    let id = subscribe(&mut client, json!({ "events": ["task.*"] })).await;
    server.append("task.updated", json!({}));
    let event = hear(&mut client).await;
    assert_eq!((&event["method"], &event["params"]["subscriptionId"]), (&json!("task.updated"), &json!(id)));
}

#[tokio::test]
async fn patterns_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    let mut client = server.signed_in().await;
    for events in [json!([]), json!(["task..x"]), json!("task.*")] {
        let reply = ask(&mut client, "subscribe", json!({ "events": events })).await;
        assert_eq!(reply["error"]["data"]["field"], "events", "{reply}");
    }
}

#[tokio::test]
async fn a_reader_that_never_reads_loses_live_pieces_and_no_event() {
    let server = Server::start().await;
    let mut lazy = server.signed_in().await;
    subscribe(&mut lazy, json!({ "events": ["**"] })).await;
    let mut other = server.signed_in().await;
    let text = "x".repeat(8 << 10);
    for n in 0..2_000 {
        server.append("task.progressed", json!({ "n": n, "text": text }));
        let payload = json!({ "content": text });
        server.hub.publish_transient(Transient { org: OrgId::LOCAL, name: "stream.chunk".into(), payload });
    }
    assert_eq!(ask(&mut other, "thing.get", json!({ "thingId": "t" })).await["result"]["thingId"], "t");
    let mut seq = 0;
    while seq < 2_000 {
        let event = hear(&mut lazy).await;
        if event["method"] == "task.progressed" {
            seq += 1;
            assert_eq!(event["params"]["seq"], seq);
        }
    }
}
