//! The promises of windows, over every log and store.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use orchestrator_events::{
    Delivery, Event, Filter, Gap, GapReason, Hub, Log, MemoryLog, MemoryWindows, NewEvent, Numbering, SqlLog,
    SqlWindows, Subscription, Wanted, Window, WindowStore, Windows, WindowsConfig,
};
use orchestrator_sql::{Backend, Database, Error, Options, Scratch};
use orchestrator_vocab::{Actor, Clock, OrgId, PausedClock, SystemClock, Timestamp};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const ORG: OrgId = OrgId::LOCAL;
const SECRET: &[u8] = b"thirty-two bytes that nobody knows";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

type Append = Arc<dyn Fn(Vec<NewEvent>) -> BoxFuture<'static, ()> + Send + Sync>;

/// One daemon's side.
#[derive(Clone)]
struct Under {
    log: Arc<dyn Log>,
    store: Arc<dyn WindowStore>,
    append: Append,
}

struct Running {
    windows: Windows,
    append: Append,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Under {
    async fn run(&self, config: WindowsConfig, clock: Arc<dyn Clock>) -> Running {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let hub = Hub::new(self.log.clone());
        hub.start().await.unwrap();
        let windows = Windows::new(hub.clone(), self.store.clone(), SECRET, clock, config).unwrap();
        let (until, its) = (stop.clone(), windows.clone());
        tasks.spawn(async move { hub.run(until).await.unwrap() });
        let until = stop.clone();
        tasks.spawn(async move { its.run(until).await.unwrap() });
        Running { windows, append: self.append.clone(), stop, tasks }
    }

    async fn start(&self) -> Running {
        self.run(WindowsConfig::default(), Arc::new(SystemClock)).await
    }
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn happen(&self, name: &'static str, count: usize) {
        self.happen_at(name, count, SystemClock.now()).await;
    }

    async fn happen_at(&self, name: &'static str, count: usize, time: Timestamp) {
        let event = || NewEvent::new(ORG, name, time, Actor::system("test"), json!({}));
        (self.append)((0..count).map(|_| event()).collect()).await;
    }

    async fn back(&self, token: &str) -> (Window, Vec<Subscription>) {
        let (window, restored) = self.windows.resume(ORG, "alice", token).await.unwrap().expect("the window is there");
        (window, restored.into_iter().map(|restored| restored.subscription).collect())
    }
}

fn wanted(id: &str, pattern: &str) -> Wanted {
    Wanted { id: id.into(), parts: Filter::parse([pattern]).unwrap().parts(0), after: None, requires_ack: false }
}

fn acknowledged(id: &str, pattern: &str) -> Wanted {
    Wanted { requires_ack: true, ..wanted(id, pattern) }
}

async fn next(subscription: &mut Subscription) -> Delivery {
    tokio::time::timeout(Duration::from_secs(20), subscription.next()).await.expect("something comes").unwrap()
}

/// The next event, written to the subscriber at once.
async fn event(subscription: &mut Subscription) -> Arc<Event> {
    match next(subscription).await {
        Delivery::Event(event) => {
            subscription.progress().written(event.seq);
            event
        }
        other => panic!("{other:?}"),
    }
}

async fn seq(subscription: &mut Subscription) -> u64 {
    event(subscription).await.seq
}

async fn away_and_back_gets_what_was_missed_in_order(under: Under) {
    let running = under.start().await;
    let window = running.windows.open(ORG, "alice");
    let token = window.token();
    let mut first = window.subscribe(wanted("first", "a.*")).await.unwrap();
    let mut second = window.subscribe(wanted("second", "b.*")).await.unwrap();
    running.happen("a.one", 3).await;
    running.happen("b.one", 2).await;
    for expected in 1..=3 {
        assert_eq!(seq(&mut first).await, expected);
    }
    assert_eq!(seq(&mut second).await, 4);
    drop((first, second));
    window.close().await.unwrap();
    running.happen("a.two", 1).await;
    running.happen("c.one", 5).await;
    running.happen("b.two", 1).await;
    let (window, mut back) = running.back(&token).await;
    assert_eq!(window.token(), token, "a token stays good");
    assert_eq!(seq(&mut back[0]).await, 6);
    assert_eq!((seq(&mut back[1]).await, seq(&mut back[1]).await), (5, 12));
    running.happen("a.three", 1).await;
    assert_eq!(seq(&mut back[0]).await, 13);
    running.end().await;
}

async fn the_newest_thousand_are_kept_and_a_gap_comes_first(under: Under) {
    let running = under.start().await;
    let window = running.windows.open(ORG, "alice");
    let token = window.token();
    let mut subscription = window.subscribe(wanted("all", "a.*")).await.unwrap();
    running.happen("a.one", 1).await;
    assert_eq!(seq(&mut subscription).await, 1);
    drop(subscription);
    window.close().await.unwrap();
    for _ in 0..12 {
        running.happen("a.two", 100).await;
        running.happen("b.one", 10).await;
    }
    let (_window, mut back) = running.back(&token).await;
    let gap = Gap { from: Some(2), to: Some(211), count: 200, reason: GapReason::Window };
    assert_eq!(next(&mut back[0]).await, Delivery::Gap(gap));
    let mut got = Vec::new();
    while got.len() < 1_000 {
        got.push(event(&mut back[0]).await);
    }
    assert!(got.iter().all(|event| event.name == "a.two"));
    assert!(got.windows(2).all(|pair| pair[0].seq < pair[1].seq), "in order");
    assert_eq!(got.last().map(|event| event.seq), Some(1 + 1_310));
    running.end().await;
}

async fn what_is_older_than_the_window_is_not_kept(under: Under) {
    let clock = Arc::new(PausedClock::at(Timestamp(0)));
    let config = WindowsConfig { days: 2, ..WindowsConfig::default() };
    let running = under.run(config, clock.clone()).await;
    let window = running.windows.open(ORG, "alice");
    let token = window.token();
    let subscription = window.subscribe(acknowledged("all", "**")).await.unwrap();
    running.happen_at("a.old", 3, Timestamp(0)).await;
    clock.advance(DAY);
    running.happen_at("a.new", 2, clock.now()).await;
    drop(subscription);
    window.close().await.unwrap();
    clock.advance(DAY + Duration::from_secs(1));
    let (_window, mut back) = running.back(&token).await;
    let gap = Gap { from: Some(1), to: Some(3), count: 3, reason: GapReason::Window };
    assert_eq!(next(&mut back[0]).await, Delivery::Gap(gap));
    assert_eq!(seq(&mut back[0]).await, 4);
    running.end().await;
}

async fn a_window_ends_when_nobody_comes_back_for_too_long(under: Under) {
    let clock = Arc::new(PausedClock::at(Timestamp(0)));
    let running = under.run(WindowsConfig::default(), clock.clone()).await;
    let window = running.windows.open(ORG, "alice");
    let token = window.token();
    window.subscribe(wanted("all", "**")).await.unwrap();
    window.close().await.unwrap();
    // The clock goes on while the database works.
    clock.advance(7 * DAY - Duration::from_secs(60));
    running.back(&token).await.0.close().await.unwrap();
    clock.advance(7 * DAY + Duration::from_millis(1));
    assert!(running.windows.resume(ORG, "alice", &token).await.unwrap().is_none());
    running.end().await;
}

async fn what_is_not_acknowledged_comes_again(under: Under) {
    let config = WindowsConfig { redeliver_after_ms: 50, ..WindowsConfig::default() };
    let running = under.run(config, Arc::new(SystemClock)).await;
    let window = running.windows.open(ORG, "alice");
    let token = window.token();
    let mut subscription = window.subscribe(acknowledged("all", "a.*")).await.unwrap();
    running.happen("a.one", 3).await;
    for round in 0..3 {
        let seqs = [seq(&mut subscription).await, seq(&mut subscription).await, seq(&mut subscription).await];
        assert_eq!(seqs, [1, 2, 3], "round {round}");
    }
    window.acknowledge(2, None);
    assert_eq!([seq(&mut subscription).await, seq(&mut subscription).await], [3, 3]);
    let third = event(&mut subscription).await;
    window.acknowledge_ids(&[third.id], None);
    running.happen("a.two", 1).await;
    assert_eq!(seq(&mut subscription).await, 4);
    drop(subscription);
    window.close().await.unwrap();
    let (_window, mut back) = running.back(&token).await;
    assert_eq!(seq(&mut back[0]).await, 4, "it was not acknowledged before the subscriber left");
    running.end().await;
}

async fn unacknowledged_events_are_bounded(under: Under) {
    let config = WindowsConfig { events_max: 5, ..WindowsConfig::default() };
    let running = under.run(config, Arc::new(SystemClock)).await;
    let window = running.windows.open(ORG, "alice");
    let mut subscription = window.subscribe(acknowledged("all", "**")).await.unwrap();
    running.happen("a.one", 20).await;
    for expected in 1..=5 {
        assert_eq!(seq(&mut subscription).await, expected);
    }
    let more = tokio::time::timeout(Duration::from_millis(50), subscription.next()).await;
    assert!(more.is_err(), "{more:?}");
    window.acknowledge(3, None);
    assert_eq!((seq(&mut subscription).await, seq(&mut subscription).await, seq(&mut subscription).await), (6, 7, 8));
    running.end().await;
}

async fn only_its_owner_gets_a_window_back(under: Under) {
    let running = under.start().await;
    let window = running.windows.open(ORG, "alice");
    let token = window.token();
    window.subscribe(wanted("all", "**")).await.unwrap();
    window.close().await.unwrap();
    let never_stored = running.windows.open(ORG, "alice").token();
    let mut forged = token.clone().into_bytes();
    forged[30] = if forged[30] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    let attempts = [
        (ORG, "alice", forged.as_str()),
        (ORG, "alice", ""),
        (ORG, "alice", never_stored.as_str()),
        (ORG, "bob", token.as_str()),
        (OrgId::new(), "alice", token.as_str()),
    ];
    for (org, subject, token) in attempts {
        assert!(running.windows.resume(org, subject, token).await.unwrap().is_none(), "{org} {subject} {token}");
    }
    assert_eq!(running.back(&token).await.1.len(), 1);
    running.end().await;
}

async fn whoever_comes_back_takes_the_window_over(under: Under) {
    let running = under.start().await;
    let window = running.windows.open(ORG, "alice");
    let token = window.token();
    let mut old = window.subscribe(wanted("all", "**")).await.unwrap();
    running.happen("a.one", 2).await;
    assert_eq!((seq(&mut old).await, seq(&mut old).await), (1, 2));
    let (_new, mut back) = running.back(&token).await;
    tokio::time::timeout(Duration::from_secs(5), window.lost()).await.expect("the older one is told");
    drop(old);
    window.close().await.unwrap();
    running.happen("a.two", 1).await;
    assert_eq!(seq(&mut back[0]).await, 3, "what the older one got does not come again");
    running.end().await;
}

async fn what_is_unsubscribed_is_forgotten_and_numbers_are_not_used_again(under: Under) {
    let running = under.start().await;
    let window = running.windows.open(ORG, "alice");
    let token = window.token();
    for id in ["one", "two", "three"] {
        window.subscribe(wanted(id, "**")).await.unwrap();
    }
    window.unsubscribe("two").await.unwrap();
    window.close().await.unwrap();
    let (window, _) = running.back(&token).await;
    window.subscribe(wanted("four", "a.*")).await.unwrap();
    window.close().await.unwrap();
    let (_window, restored) = running.windows.resume(ORG, "alice", &token).await.unwrap().unwrap();
    let ids: Vec<_> =
        restored.iter().map(|restored| (restored.id.as_str(), restored.parts[0].pattern.as_str())).collect();
    assert_eq!(ids, [("one", "**"), ("three", "**"), ("four", "a.*")]);
    running.end().await;
}

async fn positions_are_written_while_the_subscriber_is_there(under: Under) {
    let running = under.start().await;
    let window = running.windows.open(ORG, "alice");
    let token = window.token();
    let mut subscription = window.subscribe(wanted("all", "a.*")).await.unwrap();
    running.happen("a.one", 2).await;
    assert_eq!((seq(&mut subscription).await, seq(&mut subscription).await), (1, 2));
    // What it does not want moves it, too: the quiet subscriber of a busy log stands near its end.
    running.happen("b.one", 5).await;
    running.happen("a.two", 1).await;
    assert_eq!(seq(&mut subscription).await, 8);
    // The daemon stops, and nobody has closed the window.
    running.end().await;
    let running = under.start().await;
    let (_window, mut back) = running.back(&token).await;
    running.happen("a.three", 1).await;
    assert_eq!(seq(&mut back[0]).await, 9);
    running.end().await;
}

async fn with_memory<F: Future<Output = ()>>(promise: impl FnOnce(Under) -> F) {
    let log = Arc::new(MemoryLog::default());
    let appended = log.clone();
    let append: Append = Arc::new(move |events| {
        appended.append(events);
        Box::pin(std::future::ready(()))
    });
    promise(Under { log, store: Arc::new(MemoryWindows::default()), append }).await;
}

async fn with_sql<F: Future<Output = ()>>(backend: Backend, promise: impl FnOnce(Under) -> F) {
    let scratch = Scratch::create(backend).await.unwrap();
    promise(daemon(&scratch).await.0).await;
}

async fn daemon(scratch: &Scratch) -> (Under, SqlLog) {
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect(scratch.url(), options).await.unwrap();
    let log = SqlLog::open(database.clone(), &numbering).await.unwrap();
    let append: Append = Arc::new(move |events: Vec<NewEvent>| {
        let database = database.clone();
        Box::pin(async move {
            let written: Result<(), Error> = database
                .write(move |tx| {
                    SqlLog::append(tx, events.clone());
                    Box::pin(std::future::ready(Ok(())))
                })
                .await;
            written.unwrap();
        })
    });
    (Under { log: Arc::new(log.clone()), store: Arc::new(SqlWindows::beside(&log)), append }, log)
}

#[tokio::test]
async fn a_subscriber_comes_back_to_another_daemon() {
    let scratch = Scratch::create(Backend::Postgres).await.unwrap();
    let ((one, _), (two, _)) = (daemon(&scratch).await, daemon(&scratch).await);
    let config = WindowsConfig { save_every_ms: 20, ..WindowsConfig::default() };
    let one = one.run(config.clone(), Arc::new(SystemClock)).await;
    let two = two.run(config, Arc::new(SystemClock)).await;
    let window = one.windows.open(ORG, "alice");
    let token = window.token();
    let mut old = window.subscribe(acknowledged("all", "**")).await.unwrap();
    one.happen("a.one", 3).await;
    for expected in 1..=3 {
        assert_eq!(seq(&mut old).await, expected);
    }
    window.acknowledge(2, None);
    let (_new, mut back) = two.back(&token).await;
    tokio::time::timeout(Duration::from_secs(5), window.lost()).await.expect("the other daemon notices");
    // Which of the acknowledgements the other one wrote in time is its luck: nothing is lost, at most some comes twice.
    let first = seq(&mut back[0]).await;
    assert!((1..=3).contains(&first), "{first}");
    for expected in first + 1..=3 {
        assert_eq!(seq(&mut back[0]).await, expected);
    }
    two.happen("a.two", 1).await;
    assert_eq!(seq(&mut back[0]).await, 4);
    drop(old);
    window.close().await.unwrap();
    assert!(two.windows.resume(ORG, "alice", &token).await.unwrap().is_some(), "the loser changed nothing");
    one.end().await;
    two.end().await;
}

macro_rules! for_every_store {
    ($($promise:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $promise() {
                super::with_memory(super::$promise).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $promise() {
                super::with_sql(super::Backend::Sqlite, super::$promise).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $promise() {
                super::with_sql(super::Backend::Postgres, super::$promise).await;
            })*
        }
    };
}

for_every_store!(
    away_and_back_gets_what_was_missed_in_order,
    the_newest_thousand_are_kept_and_a_gap_comes_first,
    what_is_older_than_the_window_is_not_kept,
    a_window_ends_when_nobody_comes_back_for_too_long,
    what_is_not_acknowledged_comes_again,
    unacknowledged_events_are_bounded,
    only_its_owner_gets_a_window_back,
    whoever_comes_back_takes_the_window_over,
    what_is_unsubscribed_is_forgotten_and_numbers_are_not_used_again,
    positions_are_written_while_the_subscriber_is_there,
);

mod stores {
    use super::*;

    mod memory {
        use super::*;

        async fn with_store(promise: impl AsyncFnOnce(&dyn WindowStore)) {
            promise(&MemoryWindows::default()).await;
        }

        orchestrator_events::window_store_conformance!(with_store);
    }

    mod sqlite {
        use super::*;

        async fn with_store(promise: impl AsyncFnOnce(&dyn WindowStore)) {
            let scratch = Scratch::create(Backend::Sqlite).await.unwrap();
            promise(&SqlWindows::beside(&daemon(&scratch).await.1)).await;
        }

        orchestrator_events::window_store_conformance!(with_store);
    }

    mod postgres {
        use super::*;

        async fn with_store(promise: impl AsyncFnOnce(&dyn WindowStore)) {
            let scratch = Scratch::create(Backend::Postgres).await.unwrap();
            promise(&SqlWindows::beside(&daemon(&scratch).await.1)).await;
        }

        orchestrator_events::window_store_conformance!(with_store);
    }
}
