use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::{Event, Filter};
use orchestrator_events_redis::{Config, Server, State, server_url};
use orchestrator_vocab::{Clock, EventId, PausedClock, SystemClock};

use crate::node::{Node, ORG, ask, config, database, event, next_seq};

async fn stream_of(node: &Node) -> String {
    format!("orchestrator-test:{}:events:{ORG}", node.inbox.log_id().await.unwrap())
}

/// Waits until the other has received what was sent, so that it is in the stream.
async fn sent(from: &Node, to: &Node, numbers: std::ops::Range<i64>) {
    let after = from.hub.log().head(ORG).await.unwrap();
    let mut there = to.hub.subscribe_after(ORG, Filter::everything(), after);
    let count = u64::try_from(numbers.end - numbers.start).unwrap();
    from.append(numbers).await;
    for wanted in after + 1..=after + count {
        assert_eq!(next_seq(&mut there).await, wanted);
    }
}

#[tokio::test]
async fn a_stream_holds_exactly_the_newest_thousand() {
    let url = server_url();
    let scratch = database().await;
    let one = Node::start(&scratch, config(&url)).await;
    one.until(State::Up).await;
    let two = Node::start(&scratch, config(&url)).await;
    two.until(State::Up).await;
    for n in 0..13 {
        sent(&one, &two, n * 100..n * 100 + 100).await;
    }
    let stream = stream_of(&one).await;
    // The last of them may have come from the log, before Redis had them.
    while one.relay.health().events_sent < 1_300 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask::<usize>(&url, &["XLEN", &stream]).await, 1_000);
    let left: i64 = ask(&url, &["PTTL", &stream]).await;
    assert!((1..=7 * 24 * 60 * 60 * 1_000).contains(&left), "{left}");
    ask::<()>(&url, &["UNLINK", &stream]).await;
    one.end().await;
    two.end().await;
}

async fn left_in_the_stream_at(clock: Arc<dyn Clock>) -> usize {
    let server = Server::start().unwrap();
    let scratch = database().await;
    let one = Node::start_at(&scratch, config(&server.url()), clock).await;
    one.until(State::Up).await;
    one.append(0..10).await;
    while one.relay.health().events_sent < 10 {
        tokio::task::yield_now().await;
    }
    let left = ask(&server.url(), &["XLEN", &stream_of(&one).await]).await;
    one.end().await;
    left
}

#[tokio::test]
async fn what_is_older_than_seven_days_is_removed() {
    assert_eq!(left_in_the_stream_at(Arc::new(SystemClock)).await, 10);
    let in_eight_days = SystemClock.now() + Duration::from_secs(8 * 24 * 60 * 60);
    assert_eq!(left_in_the_stream_at(Arc::new(PausedClock::at(in_eight_days))).await, 0);
}

#[tokio::test]
async fn a_stream_from_before_the_database_was_put_back_is_deleted() {
    let server = Server::start().unwrap();
    let scratch = database().await;
    let one = Node::start(&scratch, config(&server.url())).await;
    one.until(State::Up).await;
    one.append([1, 2]).await;
    let stream = stream_of(&one).await;
    one.end().await;
    // Events that the log does not have, under the numbers that it gives next.
    ask::<()>(&server.url(), &["FLUSHALL"]).await;
    for seq in 3..=6 {
        let lost = event(ORG, 666);
        let lost = Event {
            id: EventId::new(),
            seq,
            org: ORG,
            name: lost.name,
            time: lost.time,
            actor: lost.actor,
            subject: None,
            correlation: None,
            causation: None,
            payload: lost.payload,
        };
        let text = serde_json::to_string(&lost).unwrap();
        ask::<String>(&server.url(), &["XADD", &stream, "*", "event", &text]).await;
    }
    let (two, three) =
        (Node::start(&scratch, config(&server.url())).await, Node::start(&scratch, config(&server.url())).await);
    two.until(State::Up).await;
    three.until(State::Up).await;
    let mut all = three.hub.subscribe_after(ORG, Filter::everything(), 0);
    for n in 3..=8 {
        two.append([n]).await;
    }
    for wanted in 1..=8 {
        match crate::node::next(&mut all).await {
            orchestrator_events::Delivery::Event(event) => {
                assert_eq!((event.seq, &event.payload["n"]), (wanted, &serde_json::json!(wanted)));
            }
            other => panic!("{other:?}"),
        }
    }
    two.end().await;
    three.end().await;
}

#[tokio::test]
async fn logs_with_one_prefix_do_not_meet() {
    let server = Server::start().unwrap();
    let (first, second) = (database().await, database().await);
    let one = Node::start(&first, config(&server.url())).await;
    let two = Node::start(&second, config(&server.url())).await;
    one.until(State::Up).await;
    two.until(State::Up).await;
    one.append([1, 2, 3]).await;
    let mut there = two.hub.subscribe_after(ORG, Filter::everything(), 0);
    two.append([9]).await;
    match crate::node::next(&mut there).await {
        orchestrator_events::Delivery::Event(event) => {
            assert_eq!((event.seq, &event.payload["n"]), (1, &serde_json::json!(9)))
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(two.relay.health().events_received, 0);
    one.end().await;
    two.end().await;
}

#[tokio::test]
async fn without_an_address_there_is_no_relay() {
    let made = orchestrator_events_redis::RedisRelay::new(Config::default(), Arc::new(SystemClock));
    assert!(made.unwrap().is_none());
}

#[tokio::test]
async fn what_was_replaced_in_the_log_is_not_left_in_the_stream() {
    let server = Server::start().unwrap();
    let scratch = database().await;
    let one = Node::start(&scratch, config(&server.url())).await;
    one.until(State::Up).await;
    one.append(0..10).await;
    while one.relay.health().events_sent < 10 {
        tokio::task::yield_now().await;
    }
    let stream = stream_of(&one).await;
    assert_eq!(ask::<usize>(&server.url(), &["XLEN", &stream]).await, 10);
    let log = one.hub.log();
    let said = Event::clone(&log.read(ORG, 3, 1).await.unwrap()[0]);
    log.replace(ORG, vec![Event { payload: serde_json::json!({ "n": "[erased]" }), ..said }]).await.unwrap();
    assert_eq!(ask::<usize>(&server.url(), &["EXISTS", &stream]).await, 0);
    let late = Node::start(&scratch, config(&server.url())).await;
    late.until(State::Up).await;
    let there = late.hub.log().read(ORG, 0, 100).await.unwrap();
    assert_eq!((there.len(), &there[3].payload["n"]), (10, &serde_json::json!("[erased]")));
    one.log.let_go(ORG);
    assert_eq!(one.hub.log().read(ORG, 0, 100).await.unwrap(), there);
    one.end().await;
    late.end().await;
}
