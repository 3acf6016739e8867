use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orchestrator_events_redis::{Server, State};

use crate::node::{Node, config, database, next_seq};

/// Two daemons write and read while `disturb` does something to Redis in the middle; nothing is lost, doubled or held up.
async fn under_load(server: &mut Server, disturb: impl AsyncFnOnce(&mut Server, &Node, &Node)) {
    let scratch = database().await;
    let one = Node::start(&scratch, config(&server.url())).await;
    let two = Node::start(&scratch, config(&server.url())).await;
    one.until(State::Up).await;
    two.until(State::Up).await;
    let (mut here, mut there) = (one.follow().await, two.follow().await);
    let over = Arc::new(AtomicBool::new(false));
    let write = async |node: &Node| {
        let mut written = 0;
        while !over.load(Ordering::Relaxed) || written < 50 {
            node.append([written]).await;
            written += 1;
        }
        written
    };
    let disturbed = async {
        disturb(server, &one, &two).await;
        over.store(true, Ordering::Relaxed);
    };
    let (first, second, ()) = tokio::join!(write(&one), write(&two), disturbed);
    let total = u64::try_from(first + second).unwrap();
    for subscription in [&mut here, &mut there] {
        for wanted in 1..=total {
            assert_eq!(next_seq(subscription).await, wanted);
        }
    }
    one.end().await;
    two.end().await;
}

#[tokio::test]
async fn a_redis_that_is_killed_and_comes_back_empty_loses_nothing() {
    let mut server = Server::start().unwrap();
    under_load(&mut server, async |server, one, two| {
        for round in 1..=3 {
            server.kill();
            one.until(State::Down).await;
            two.until(State::Down).await;
            server.start_again().unwrap();
            one.until(State::Up).await;
            two.until(State::Up).await;
            assert_eq!(one.relay.health().outages, round, "one outage, however many events");
        }
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_flushed_loses_nothing() {
    let mut server = Server::start().unwrap();
    under_load(&mut server, async |server, one, two| {
        for _ in 0..20 {
            server.flush().unwrap();
        }
        assert_eq!((one.relay.health().outages, two.relay.health().outages), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_accepts_and_never_answers_holds_nobody_up() {
    let mut server = Server::start().unwrap();
    under_load(&mut server, async |server, one, two| {
        server.stall();
        one.until(State::Down).await;
        two.until(State::Down).await;
        let error = one.relay.health().last_error.unwrap();
        assert!(error.contains("did not answer"), "{error}");
        // While it is stalled a daemon writes, and the other one hears of it.
        let mut there = two.follow().await;
        one.append([7]).await;
        next_seq(&mut there).await;
        server.resume();
        one.until(State::Up).await;
        two.until(State::Up).await;
    })
    .await;
}

#[tokio::test]
async fn daemons_that_start_without_redis_join_it_later() {
    let mut server = Server::absent().unwrap();
    let scratch = database().await;
    let one = Node::start(&scratch, config(&server.url())).await;
    let two = Node::start(&scratch, config(&server.url())).await;
    one.until(State::Down).await;
    two.until(State::Down).await;
    let mut there = two.follow().await;
    one.append([1, 2, 3]).await;
    for wanted in 1..=3 {
        assert_eq!(next_seq(&mut there).await, wanted);
    }
    assert_eq!(one.relay.health().events_not_sent, 3);
    server.start_again().unwrap();
    one.until(State::Up).await;
    two.until(State::Up).await;
    for n in 4..=20 {
        one.append([n]).await;
        assert_eq!(next_seq(&mut there).await, n as u64);
    }
    assert!(one.relay.health().events_sent >= 17);
    assert_eq!(one.relay.health().outages, 1);
    one.end().await;
    two.end().await;
}

#[tokio::test]
async fn one_daemon_without_redis_hears_of_what_the_others_write() {
    let server = Server::start().unwrap();
    let absent = Server::absent().unwrap();
    let scratch = database().await;
    let with = Node::start(&scratch, config(&server.url())).await;
    let without = Node::start(&scratch, config(&absent.url())).await;
    with.until(State::Up).await;
    without.until(State::Down).await;
    let (mut here, mut there) = (with.follow().await, without.follow().await);
    for n in 0..20 {
        with.append([n]).await;
        without.append([n]).await;
    }
    for subscription in [&mut here, &mut there] {
        for wanted in 1..=40 {
            assert_eq!(next_seq(subscription).await, wanted);
        }
    }
    with.end().await;
    without.end().await;
}

#[tokio::test]
async fn a_redis_that_is_stalled_at_the_start_is_joined_when_it_answers() {
    let server = Server::start().unwrap();
    server.stall();
    let scratch = database().await;
    let one = Node::start(&scratch, config(&server.url())).await;
    one.until(State::Down).await;
    one.append([1]).await;
    server.resume();
    one.until(State::Up).await;
    one.end().await;
}
