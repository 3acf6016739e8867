use orchestrator_client::{Client, Config, Delivery, Resumption, Topics};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::events::{next, numbers, publish};
use crate::server::{Server, TOKEN, patiently};

fn durable() -> Topics {
    Topics::new(["thing.*"]).durable("all")
}

/// Waits until the server knows this acknowledgement.
async fn acknowledged(server: &Server, client: &Client, seq: usize) {
    patiently(async {
        while server.stage().window["all"].1 != seq {
            let _: Value = client.call("thing.get", &json!({})).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_over_many_breaks_of_a_durable_subscription() {
    let server = Server::start().await;
    let client = server.client().await;
    let mut events = patiently(client.subscribe(durable())).await.unwrap();
    let mut seen = Vec::new();
    for round in 0..20 {
        publish(&server, 7);
        server.cut();
        publish(&server, 5);
        seen.extend(numbers(&mut events, 12).await);
        events.acknowledge(seen[seen.len() - 1 - round % 5]);
    }
    assert_eq!(seen, (1..=240).collect::<Vec<u64>>());
    let stage = server.stage();
    assert!(!stage.shown.is_empty() && stage.shown.iter().all(|token| token == TOKEN));
    assert_eq!(stage.seen.iter().filter(|method| *method == "subscribe").count(), 1, "the window has it");
}

#[tokio::test]
async fn acknowledgements_are_told_also_when_the_connection_was_lost() {
    let server = Server::start().await;
    let client = server.client().await;
    let mut events = patiently(client.subscribe(durable())).await.unwrap();
    publish(&server, 3);
    numbers(&mut events, 3).await;
    events.acknowledge(2);
    acknowledged(&server, &client, 2).await;
    server.cut();
    events.acknowledge(3);
    acknowledged(&server, &client, 3).await;
}

#[tokio::test]
async fn plain_subscriptions_show_no_token() {
    let server = Server::start().await;
    let client = server.client().await;
    let mut events = patiently(client.subscribe(Topics::new(["thing.*"]))).await.unwrap();
    events.acknowledge(7); // means nothing
    assert_eq!(client.resume_token().unwrap().expose_secret(), TOKEN);
    server.cut();
    assert!(matches!(next(&mut events).await, Delivery::Resumed(Resumption::Number)));
    let seen = server.stage().seen.clone();
    assert_eq!(seen, ["subscribe", "subscribe"]);
}

#[tokio::test]
async fn a_slow_durable_subscriber_loses_nothing_and_stays_in_the_window() {
    let server = Server::start().await;
    let client = Client::connect(Config { events_queued_max: 4, ..server.config() }).await.unwrap();
    let mut slow = patiently(client.subscribe(durable())).await.unwrap();
    publish(&server, 200);
    let _: Value = patiently(client.call("thing.echo", &json!({}))).await.unwrap();
    assert!(!server.stage().seen.iter().any(|method| method == "unsubscribe"));
    server.cut();
    publish(&server, 1);
    let mut seen = Vec::new();
    while seen.len() < 201 {
        seen.extend(numbers(&mut slow, 1).await);
        slow.acknowledge(seen[seen.len() - 1]);
    }
    assert_eq!(seen, (1..=201).collect::<Vec<u64>>());
}

#[tokio::test]
async fn what_comes_before_it_is_asked_for_waits() {
    let server = Server::start().await;
    let client = server.client().await;
    let events = patiently(client.subscribe(durable())).await.unwrap();
    patiently(client.close()).await;
    drop(events);
    publish(&server, 30);
    let config = Config { events_queued_max: 4, ..server.config() }.resume_token(TOKEN);
    let client = patiently(Client::connect(config)).await.unwrap();
    server.cut();
    let _: Value = patiently(client.call("thing.get", &json!({}))).await.unwrap();
    let mut events = patiently(client.subscribe(durable())).await.unwrap();
    assert_eq!((events.resumed(), events.after_seq()), (Some(Resumption::Window), 0));
    assert_eq!(numbers(&mut events, 30).await, (1..=30).collect::<Vec<u64>>());
}

#[tokio::test]
async fn who_was_taken_over_does_not_take_it_back() {
    let server = Server::start().await;
    let client = server.client().await;
    let mut events = patiently(client.subscribe(durable())).await.unwrap();
    publish(&server, 2);
    numbers(&mut events, 2).await;
    server.stage().close = Some(4006);
    server.cut();
    assert!(matches!(next(&mut events).await, Delivery::Resumed(Resumption::WindowLost)));
    publish(&server, 1);
    assert_eq!(numbers(&mut events, 1).await, [3], "what was handed over and not acknowledged does not come again");
    assert!(server.stage().shown.is_empty());
}

#[tokio::test]
async fn a_daemon_without_greetings_is_gone_on_at_by_number() {
    let server = Server::start().await;
    server.stage().is_old = true;
    let client = server.client().await;
    let mut events = patiently(client.subscribe(durable())).await.unwrap();
    server.cut();
    assert!(matches!(next(&mut events).await, Delivery::Resumed(Resumption::WindowLost)));
    publish(&server, 2);
    assert_eq!(numbers(&mut events, 2).await, [1, 2]);
}
