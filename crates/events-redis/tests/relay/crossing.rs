use orchestrator_events::{Delivery, Filter, Transient};
use orchestrator_events_redis::{Server, State};
use orchestrator_vocab::OrgId;
use serde_json::json;

use crate::node::{Node, ORG, append, config, database, next, next_seq};

async fn two(server: &Server) -> (orchestrator_sql::Scratch, Node, Node) {
    let scratch = database().await;
    let one = Node::start(&scratch, config(&server.url())).await;
    let two = Node::start(&scratch, config(&server.url())).await;
    one.until(State::Up).await;
    two.until(State::Up).await;
    (scratch, one, two)
}

#[tokio::test]
async fn events_reach_the_other_daemon_without_its_asking_the_database() {
    let server = Server::start().unwrap();
    let (_scratch, one, two) = two(&server).await;
    let mut there = two.subscribe().await;
    // The first look of a subscriber goes to the log; from then on it follows.
    one.append([0]).await;
    assert_eq!(next_seq(&mut there).await, 1);
    let before = two.log.reads();
    for n in 1..200 {
        one.append([n, n]).await;
        assert_eq!((next_seq(&mut there).await, next_seq(&mut there).await), (2 * n as u64, 2 * n as u64 + 1));
    }
    let after = two.log.reads();
    // A busy machine may need longer for one of them than the log is patient.
    assert!(after.log - before.log <= 20, "{} of 398 events were read from the log", after.log - before.log);
    assert!(after.memory > before.memory);
    assert_eq!(two.relay.health().events_received, 399);
    one.end().await;
    two.end().await;
}

#[tokio::test]
async fn both_write_and_both_get_one_dense_sequence() {
    let server = Server::start().unwrap();
    let (_scratch, one, two) = two(&server).await;
    let (mut here, mut there) = (one.subscribe().await, two.subscribe().await);
    let write = async |node: &Node| {
        for n in 0..150 {
            node.append([n, n]).await;
        }
    };
    let read = async |subscription: &mut orchestrator_events::Subscription| {
        for wanted in 1..=600 {
            assert_eq!(next_seq(subscription).await, wanted);
        }
    };
    tokio::join!(write(&one), write(&two), read(&mut here), read(&mut there));
    one.end().await;
    two.end().await;
}

#[tokio::test]
async fn live_pieces_cross_in_order_and_come_back_to_nobody() {
    let server = Server::start().unwrap();
    let (_scratch, one, two) = two(&server).await;
    let (mut here, mut there) = (one.subscribe().await, two.subscribe().await);
    let mut elsewhere = two.hub.subscribe(OrgId::new(), Filter::everything()).await.unwrap();
    // Each has begun to follow once it has a first event.
    one.append([0]).await;
    assert_eq!((next_seq(&mut here).await, next_seq(&mut there).await), (1, 1));
    for n in 0..200 {
        one.hub.publish_transient(Transient { org: ORG, name: "stream.chunk".into(), payload: json!({ "n": n }) });
    }
    for subscription in [&mut here, &mut there] {
        for n in 0..200 {
            match next(subscription).await {
                Delivery::Transient(piece) => assert_eq!(piece.payload["n"], n),
                other => panic!("{other:?}"),
            }
        }
    }
    one.append([1]).await;
    assert_eq!((next_seq(&mut here).await, next_seq(&mut there).await), (2, 2), "each piece came once");
    let foreign = tokio::time::timeout(std::time::Duration::from_millis(50), elsewhere.next()).await;
    assert!(foreign.is_err(), "another organisation heard of it: {foreign:?}");
    one.end().await;
    two.end().await;
}

#[tokio::test]
async fn who_comes_back_is_answered_from_the_stream() {
    let server = Server::start().unwrap();
    let (scratch, one, two) = two(&server).await;
    let mut there = two.subscribe().await;
    for n in 0..30 {
        one.append((0..10).map(|m| n * 10 + m)).await;
    }
    // What the other has received is in the stream.
    for wanted in 1..=300 {
        assert_eq!(next_seq(&mut there).await, wanted);
    }
    let late = Node::start(&scratch, config(&server.url())).await;
    late.until(State::Up).await;
    let mut resumed = late.hub.subscribe_after(ORG, Filter::everything(), 40);
    for wanted in 41..=300 {
        assert_eq!(next_seq(&mut resumed).await, wanted);
    }
    let reads = late.log.reads();
    assert_eq!((reads.relay, reads.log), (1, 0), "{reads:?}");
    for node in [one, two, late] {
        node.end().await;
    }
}

#[tokio::test]
async fn what_the_stream_does_not_hold_any_more_comes_from_the_log() {
    let server = Server::start().unwrap();
    let (scratch, one, two) = two(&server).await;
    let mut there = two.subscribe().await;
    for n in 0..15 {
        one.append((0..100).map(|m| n * 100 + m)).await;
    }
    for wanted in 1..=1_500 {
        assert_eq!(next_seq(&mut there).await, wanted);
    }
    let late = Node::start(&scratch, config(&server.url())).await;
    late.until(State::Up).await;
    let mut resumed = late.hub.subscribe_after(ORG, Filter::everything(), 0);
    for wanted in 1..=1_500 {
        assert_eq!(next_seq(&mut resumed).await, wanted);
    }
    assert!(late.log.reads().log > 0);
    for node in [one, two, late] {
        node.end().await;
    }
}

#[tokio::test]
async fn organisations_have_streams_of_their_own() {
    let server = Server::start().unwrap();
    let (_scratch, one, two) = two(&server).await;
    let other = OrgId::new();
    let mut theirs = two.hub.subscribe(other, Filter::everything()).await.unwrap();
    append(&one.database, ORG, [1, 2, 3]).await;
    append(&one.database, other, [7]).await;
    match next(&mut theirs).await {
        Delivery::Event(event) => assert_eq!((event.org, event.seq, &event.payload["n"]), (other, 1, &json!(7))),
        unexpected => panic!("{unexpected:?}"),
    }
    one.end().await;
    two.end().await;
}
