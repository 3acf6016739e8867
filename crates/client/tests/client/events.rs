use futures::StreamExt as _;
use orchestrator_client::{Client, Config, Delivery, Error, Resumption, Subscription, Topics};
use serde_json::{Value, json};

use crate::server::{Server, patiently};

pub(crate) async fn next(subscription: &mut Subscription) -> Delivery {
    patiently(subscription.next()).await.expect("the stream goes on").expect("no error")
}

/// The numbers of the next events; breaks are passed over.
pub(crate) async fn numbers(subscription: &mut Subscription, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        if let Delivery::Event(event) = next(subscription).await {
            assert_eq!(event.parse::<Value>().unwrap()["n"], event.seq.unwrap());
            numbers.push(event.seq.unwrap());
        }
    }
    numbers
}

pub(crate) fn publish(server: &Server, count: usize) {
    for _ in 0..count {
        let number = server.stage().log.len() + 1;
        server.publish("thing.changed", json!({ "n": number }));
    }
}

#[tokio::test]
async fn a_subscription_starts_now_or_where_it_is_told_to() {
    let server = Server::start().await;
    publish(&server, 3);
    let client = server.client().await;
    let mut now = patiently(client.subscribe(Topics::new(["thing.*"]))).await.unwrap();
    let mut early = patiently(client.subscribe(Topics::new(["thing.*"]).after(1))).await.unwrap();
    assert_eq!((now.after_seq(), early.after_seq()), (3, 1));
    publish(&server, 1);
    assert_eq!(numbers(&mut now, 1).await, [4]);
    assert_eq!(numbers(&mut early, 3).await, [2, 3, 4]);
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_over_many_breaks() {
    let server = Server::start().await;
    server.stage().overlap = true;
    let client = server.client().await;
    let mut events = patiently(client.subscribe(Topics::new(["*"]))).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..20 {
        publish(&server, 7);
        server.cut();
        publish(&server, 5);
        seen.extend(numbers(&mut events, 12).await);
    }
    assert_eq!(seen, (1..=240).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_break_is_told() {
    let server = Server::start().await;
    let client = server.client().await;
    let mut events = patiently(client.subscribe(Topics::new(["*"]))).await.unwrap();
    server.cut();
    assert!(matches!(next(&mut events).await, Delivery::Resumed(Resumption::Number)));
}

#[tokio::test]
async fn a_gap_is_told_and_not_asked_for_again() {
    let server = Server::start().await;
    let client = server.client().await;
    let mut events = patiently(client.subscribe(Topics::new(["*"]))).await.unwrap();
    server.publish("stream.gap", json!({"from": 1, "to": 6, "count": 6, "reason": "retention"}));
    let Delivery::Gap(gap) = next(&mut events).await else { panic!("no gap") };
    assert_eq!((gap.from, gap.to, gap.count, gap.reason.as_str()), (Some(1), Some(6), 6, "retention"));
    publish(&server, 6); // numbers 2 to 7: up to 6 they are in the gap
    assert_eq!(numbers(&mut events, 1).await, [7]);
}

#[tokio::test]
async fn a_slow_subscriber_holds_up_nobody_and_loses_nothing() {
    let server = Server::start().await;
    let client = Client::connect(Config { events_queued_max: 4, ..server.config() }).await.unwrap();
    let mut slow = patiently(client.subscribe(Topics::new(["*"]))).await.unwrap();
    publish(&server, 200);
    let mut quick = patiently(client.subscribe(Topics::new(["*"]))).await.unwrap();
    publish(&server, 1);
    assert_eq!(numbers(&mut quick, 1).await, [201]);
    assert_eq!(numbers(&mut slow, 201).await, (1..=201).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_dropped_subscription_is_ended_at_the_daemon() {
    let server = Server::start().await;
    let client = server.client().await;
    drop(patiently(client.subscribe(Topics::new(["*"]))).await.unwrap());
    patiently(async {
        while !server.stage().seen.iter().any(|method| method == "unsubscribe") {
            let _: Value = client.call("thing.echo", &json!({})).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn the_end_of_a_client_ends_its_subscriptions() {
    let server = Server::start().await;
    let client = server.client().await;
    let mut closed = patiently(client.subscribe(Topics::new(["*"]))).await.unwrap();
    patiently(client.close()).await;
    assert!(patiently(closed.next()).await.is_none());

    let client = server.client().await;
    let events = patiently(client.subscribe(Topics::new(["*"]))).await.unwrap();
    server.stage().close = Some(4001);
    server.cut();
    let last = patiently(events.collect::<Vec<_>>()).await.pop();
    assert!(matches!(last, Some(Err(Error::Unauthorized(reason))) if reason == "told to"));
    let error = patiently(client.call::<_, Value>("thing.echo", &json!({}))).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized(_)), "{error:?}");
}
