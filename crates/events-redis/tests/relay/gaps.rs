use orchestrator_events::{Delivery, Filter, Gap, GapReason, Inbox, Transient};
use orchestrator_events_redis::{Server, State};
use orchestrator_vocab::OrgId;
use serde_json::json;

use crate::node::{Node, ORG, config, database, next, next_seq};

const PIECES: u64 = 10_000;

fn say(node: &Node, n: u64) {
    node.hub.publish_transient(Transient { org: ORG, name: "stream.chunk".into(), payload: json!({ "n": n }) });
}

fn gap(count: u64) -> Delivery {
    Delivery::Gap(Gap { from: None, to: None, count, reason: GapReason::Relay })
}

#[tokio::test]
async fn output_of_an_outage_leaves_a_gap_for_those_who_may_want_it() {
    let mut server = Server::start().unwrap();
    let scratch = database().await;
    let one = Node::start(&scratch, config(&server.url())).await;
    let two = Node::start(&scratch, config(&server.url())).await;
    one.until(State::Up).await;
    two.until(State::Up).await;
    let (mut there, mut stored) = (two.subscribe().await, two.follow().await);
    say(&one, 0);
    assert!(matches!(next(&mut there).await, Delivery::Transient(_)), "without an outage there is no gap");
    server.kill();
    one.until(State::Down).await;
    two.until(State::Down).await;
    (1..4).for_each(|n| say(&one, n));
    assert_eq!(one.relay.health().pieces_dropped, 3);
    server.start_again().unwrap();
    one.until(State::Up).await;
    two.until(State::Up).await;
    say(&one, 4);
    // One for its own outage; one with their number, if it was back when the other told of it.
    let mut gaps = Vec::new();
    let piece = loop {
        match next(&mut there).await {
            Delivery::Gap(gap) => gaps.push(gap),
            other => break other,
        }
    };
    assert!(matches!(&piece, Delivery::Transient(piece) if piece.payload["n"] == 4), "{piece:?}");
    let lost: u64 = gaps.iter().map(|gap| gap.count).sum();
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| gap.reason == GapReason::Relay), "{gaps:?}");
    assert!(lost == 0 || lost == 3, "{gaps:?}");
    one.append([1]).await;
    assert_eq!(next_seq(&mut stored).await, 1, "who wants no output is told nothing");
    one.end().await;
    two.end().await;
}

#[tokio::test]
async fn what_is_not_sent_is_counted_and_told() {
    let server = Server::start().unwrap();
    let scratch = database().await;
    let one = Node::start(&scratch, config(&server.url())).await;
    let two = Node::start(&scratch, config(&server.url())).await;
    one.until(State::Up).await;
    two.until(State::Up).await;
    let mut there = two.subscribe().await;
    // Nobody else runs in between, so that most of it does not fit.
    (0..PIECES).for_each(|n| say(&one, n));
    let dropped = one.relay.health().pieces_dropped;
    assert!(dropped > 0);
    let (mut heard, mut not_sent) = (0, 0);
    while heard < PIECES {
        match next(&mut there).await {
            Delivery::Gap(gap) => {
                heard += gap.count;
                not_sent += if gap.reason == GapReason::Relay { gap.count } else { 0 };
            }
            _ => heard += 1,
        }
    }
    assert_eq!((heard, not_sent), (PIECES, dropped));
    one.end().await;
    two.end().await;
}

#[tokio::test]
async fn a_gap_is_told_to_its_organisation_once() {
    let server = Server::absent().unwrap();
    let scratch = database().await;
    let node = Node::start(&scratch, config(&server.url())).await;
    let (mut here, mut stored) = (node.subscribe().await, node.follow().await);
    let elsewhere = OrgId::new();
    let mut theirs = node.hub.subscribe(elsewhere, Filter::parse(["stream.*"]).unwrap()).await.unwrap();
    let inbox = Inbox::new(node.log.clone(), node.hub.clone());
    inbox.output_is_missing(ORG, 2);
    inbox.output_is_missing(ORG, 3);
    inbox.output_is_missing(elsewhere, 1);
    assert_eq!((next(&mut here).await, next(&mut theirs).await), (gap(5), gap(1)));
    inbox.output_may_be_missing();
    assert_eq!((next(&mut here).await, next(&mut theirs).await), (gap(0), gap(0)));
    node.append([1]).await;
    assert_eq!((next_seq(&mut here).await, next_seq(&mut stored).await), (1, 1));
    node.end().await;
}
