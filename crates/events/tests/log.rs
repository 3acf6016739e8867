//! The promises of a log and of the hub on it, for every implementation.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use orchestrator_events::{
    Delivery, Event, Filter, Gap, GapReason, Hub, Log, MemoryLog, NewEvent, Numbering, Order, Query, SqlLog, Transient,
    forget,
};
use orchestrator_redact::{ERASED, Forget};
use orchestrator_sql::{Backend, Database, Error, Options, Scratch};
use orchestrator_vocab::{Actor, OrgId, Timestamp};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const ORG: OrgId = OrgId::LOCAL;

type Append = Arc<dyn Fn(Vec<NewEvent>) -> BoxFuture<'static, ()> + Send + Sync>;

#[derive(Clone)]
struct Under {
    log: Arc<dyn Log>,
    append: Append,
}

fn numbered(org: OrgId, n: i64) -> NewEvent {
    NewEvent::new(org, "test.counted", Timestamp(n), Actor::system("test"), json!({ "n": n }))
}

fn seqs(events: &[Arc<Event>]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

async fn each_organisation_is_numbered_from_one_without_holes(under: Under) {
    let other = OrgId::new();
    join_all((0..40).map(|n| (under.append)(vec![numbered(ORG, n), numbered(other, n), numbered(ORG, n)]))).await;
    assert_eq!(seqs(&under.log.read(ORG, 0, 1_000).await.unwrap()), (1..=80).collect::<Vec<_>>());
    assert_eq!(seqs(&under.log.read(other, 0, 1_000).await.unwrap()), (1..=40).collect::<Vec<_>>());
    assert_eq!((under.log.head(ORG).await.unwrap(), under.log.head(other).await.unwrap()), (80, 40));
    assert_eq!(under.log.head(OrgId::new()).await.unwrap(), 0);
    let mut heads = under.log.heads().await.unwrap();
    heads.sort_unstable();
    assert_eq!(heads, [(ORG, 80), (other, 40)]);
}

async fn an_event_comes_back_as_it_was_written(under: Under) {
    let mut written = numbered(ORG, 1);
    written.subject = Some("task_1".into());
    written.correlation = Some("trace".into());
    written.causation = Some(orchestrator_vocab::EventId::new());
    written.payload = json!({ "text": "ä\u{1F680}\n\"", "deep": [{ "n": 1.5 }, null, true] });
    (under.append)(vec![written.clone()]).await;
    let query = Query { limit: 1, ..Query::default() };
    let read = under.log.query(ORG, query).await.unwrap().remove(0);
    assert_eq!(
        (read.org, &read.name, read.time, &read.actor, &read.subject),
        (written.org, &written.name, written.time, &written.actor, &written.subject)
    );
    assert_eq!(
        (&read.correlation, read.causation, &read.payload),
        (&written.correlation, written.causation, &written.payload)
    );
}

async fn a_query_selects_by_subject_and_range_in_both_orders(under: Under) {
    let events = (0..10).map(|n| NewEvent { subject: Some(format!("s{}", n % 2)), ..numbered(ORG, n) }).collect();
    (under.append)(events).await;
    let about = |order| Query { subject: Some("s1".into()), after: Some(2), before: Some(9), order, limit: 2 };
    assert_eq!(seqs(&under.log.query(ORG, about(Order::OldestFirst)).await.unwrap()), [4, 6]);
    assert_eq!(seqs(&under.log.query(ORG, about(Order::NewestFirst)).await.unwrap()), [8, 6]);
    assert_eq!(seqs(&under.log.query(OrgId::new(), about(Order::OldestFirst)).await.unwrap()), [] as [u64; 0]);
}

async fn trimming_takes_the_oldest_and_never_reuses_a_number(under: Under) {
    (under.append)((1..=10).map(|n| numbered(ORG, n)).collect()).await;
    assert_eq!(under.log.trim(ORG, Timestamp(6), 3).await.unwrap(), 3);
    assert_eq!(under.log.trim(ORG, Timestamp(6), 100).await.unwrap(), 2);
    assert_eq!(under.log.trim(ORG, Timestamp(6), 100).await.unwrap(), 0);
    let left = under.log.query(ORG, Query { limit: 100, ..Query::default() }).await.unwrap();
    assert_eq!(seqs(&left), [6, 7, 8, 9, 10]);
    (under.append)(vec![numbered(ORG, 11)]).await;
    assert_eq!(under.log.head(ORG).await.unwrap(), 11);
}

async fn what_was_said_is_replaced_under_its_number_and_nothing_else(under: Under) {
    let told = |n, text: &str| NewEvent {
        subject: Some(format!("task_{n}")),
        payload: json!({ "title": text, "status": "ada", "list": ["Ada", { "deep": "to ada.lovelace" }] }),
        actor: Actor::User("ada.lovelace".into()),
        ..numbered(ORG, n)
    };
    (under.append)(vec![numbered(ORG, 1), told(2, "Ada Lovelace's tea"), told(3, "coffee")]).await;
    (under.append)(vec![NewEvent { org: OrgId::new(), ..told(4, "Ada Lovelace") }]).await;
    let before = under.log.read(ORG, 0, 10).await.unwrap();
    let ada = Forget::naming("Ada Lovelace").unwrap();
    let counted = forget(&*under.log, ORG, None, &ada.clone().counting()).await.unwrap();
    assert_eq!(under.log.read(ORG, 0, 10).await.unwrap(), before);
    assert_eq!((counted, counted.erased), (forget(&*under.log, ORG, None, &ada).await.unwrap(), 5));
    let after = under.log.read(ORG, 0, 10).await.unwrap();
    let stored = under.log.query(ORG, Query { limit: 10, ..Query::default() }).await.unwrap();
    assert_eq!(after, stored, "memory says what the log says");
    assert_eq!(after[0], before[0]);
    assert_eq!(after[1].payload["title"], ERASED);
    assert_eq!(after[2].payload, json!({ "title": "coffee", "status": "ada", "list": ["Ada", { "deep": ERASED }] }));
    for (old, new) in before.iter().zip(&after) {
        assert_eq!(
            (old.id, old.seq, &old.name, old.time, &old.subject),
            (new.id, new.seq, &new.name, new.time, &new.subject)
        );
    }
    let only = ["task_3".to_owned()];
    forget(&*under.log, ORG, Some(&only), &Forget::everything()).await.unwrap();
    let last = under.log.read(ORG, 1, 10).await.unwrap();
    assert_eq!(last[0].payload["list"][0], "Ada");
    assert_eq!((&last[1].payload["list"][0], &last[1].payload["status"]), (&json!(ERASED), &json!("ada")));
    assert_eq!(forget(&*under.log, ORG, None, &ada).await.unwrap(), Default::default());
}

struct Running {
    hub: Hub,
    stop: CancellationToken,
    tasks: TaskTracker,
}

async fn running(under: &Under) -> Running {
    let (hub, stop, tasks) = (Hub::new(under.log.clone()), CancellationToken::new(), TaskTracker::new());
    hub.start().await.unwrap();
    let (its, until) = (hub.clone(), stop.clone());
    tasks.spawn(async move { its.run(until).await.unwrap() });
    Running { hub, stop, tasks }
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn next_seq(subscription: &mut orchestrator_events::Subscription) -> u64 {
    match subscription.next().await.unwrap() {
        Delivery::Event(event) => event.seq,
        other => panic!("{other:?}"),
    }
}

async fn a_subscriber_gets_every_event_once_and_in_order(under: Under) {
    let running = running(&under).await;
    let mut live = running.hub.subscribe(ORG, Filter::everything()).await.unwrap();
    let append = under.append.clone();
    running.tasks.spawn(async move {
        for n in 0..50 {
            append((0..20).map(|m| numbered(ORG, n * 20 + m)).collect()).await;
        }
    });
    for wanted in 1..=1_000 {
        assert_eq!(next_seq(&mut live).await, wanted);
    }
    running.end().await;
}

async fn a_subscriber_that_never_read_gets_everything_from_the_log(under: Under) {
    let running = running(&under).await;
    let mut slow = running.hub.subscribe(ORG, Filter::parse(["test.*"]).unwrap()).await.unwrap();
    for n in 0..20 {
        (under.append)((0..100).map(|m| numbered(ORG, n * 100 + m)).collect()).await;
    }
    for wanted in 1..=2_000 {
        assert_eq!(next_seq(&mut slow).await, wanted);
    }
    (under.append)(vec![numbered(ORG, 0)]).await;
    assert_eq!(next_seq(&mut slow).await, 2_001);
    running.end().await;
}

async fn resuming_after_a_number_says_what_was_trimmed(under: Under) {
    (under.append)((1..=10).map(|n| numbered(ORG, n)).collect()).await;
    under.log.trim(ORG, Timestamp(6), 100).await.unwrap();
    let running = running(&under).await;
    let mut late = running.hub.subscribe_after(ORG, Filter::everything(), 2);
    let gap = Gap { from: Some(3), to: Some(5), count: 3, reason: GapReason::Trimmed };
    // The newest may still be in memory; what is gone is announced before what follows.
    match late.next().await.unwrap() {
        Delivery::Gap(told) => {
            assert_eq!(told, gap);
            assert_eq!(next_seq(&mut late).await, 6);
        }
        other => assert!(matches!(other, Delivery::Event(event) if event.seq == 3), "kept in memory"),
    }
    running.end().await;
}

async fn other_organisations_and_other_names_are_not_delivered(under: Under) {
    let running = running(&under).await;
    let mut picky = running.hub.subscribe(ORG, Filter::parse(["wanted.*"]).unwrap()).await.unwrap();
    let wanted = NewEvent { name: "wanted.one".into(), ..numbered(ORG, 2) };
    (under.append)(vec![numbered(ORG, 1), numbered(OrgId::new(), 1), wanted]).await;
    assert_eq!(next_seq(&mut picky).await, 2);
    running.end().await;
}

async fn live_pieces_overflow_into_a_gap(under: Under) {
    let running = running(&under).await;
    let mut reader = running.hub.subscribe(ORG, Filter::everything()).await.unwrap();
    (under.append)(vec![numbered(ORG, 1)]).await;
    assert_eq!(next_seq(&mut reader).await, 1);
    for n in 0..300 {
        running.hub.publish_transient(Transient { org: ORG, name: "stream.chunk".into(), payload: json!({ "n": n }) });
    }
    for n in 0..256 {
        assert!(matches!(reader.next().await.unwrap(), Delivery::Transient(piece) if piece.payload["n"] == n));
    }
    let gap = Gap { from: None, to: None, count: 44, reason: GapReason::SlowReader };
    assert_eq!(reader.next().await.unwrap(), Delivery::Gap(gap));
    running.end().await;
}

async fn listeners_hear_all_organisations_from_their_first_event(under: Under) {
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let running = running(&under).await;
    running.hub.listen(move |event| heard.send((event.org, event.seq)).unwrap());
    let new = OrgId::new();
    (under.append)(vec![numbered(new, 1), numbered(new, 2)]).await;
    assert_eq!((hears.recv().await.unwrap(), hears.recv().await.unwrap()), ((new, 1), (new, 2)));
    running.end().await;
}

async fn with_memory<F: Future<Output = ()>>(promise: impl FnOnce(Under) -> F) {
    let log = Arc::new(MemoryLog::default());
    let appended = log.clone();
    let append: Append = Arc::new(move |events| {
        appended.append(events);
        Box::pin(std::future::ready(()))
    });
    promise(Under { log, append }).await;
}

async fn with_sql<F: Future<Output = ()>>(backend: Backend, promise: impl FnOnce(Under) -> F) {
    let scratch = Scratch::create(backend).await.unwrap();
    let (database, log) = open(&scratch).await;
    let append = appending(&database);
    promise(Under { log: Arc::new(log), append }).await;
}

async fn open(scratch: &Scratch) -> (Database, SqlLog) {
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect(scratch.url(), options).await.unwrap();
    let log = SqlLog::open(database.clone(), &numbering).await.unwrap();
    (database, log)
}

fn appending(database: &Database) -> Append {
    let database = database.clone();
    Arc::new(move |events: Vec<NewEvent>| {
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
    })
}

#[tokio::test]
async fn two_daemons_on_one_postgres_see_each_others_events_in_order() {
    let scratch = Scratch::create(Backend::Postgres).await.unwrap();
    let ((one, log), (two, log_of_two)) = (open(&scratch).await, open(&scratch).await);
    let under = Under { log: Arc::new(log.clone()), append: appending(&one) };
    let running = running(&under).await;
    for log in [log, log_of_two] {
        let stop = running.stop.clone();
        running.tasks.spawn(async move { log.run(stop).await.unwrap() });
    }
    let mut all = running.hub.subscribe(ORG, Filter::everything()).await.unwrap();
    for append in [appending(&one), appending(&two)] {
        running.tasks.spawn(async move {
            for n in 0..100 {
                append(vec![numbered(ORG, n), numbered(ORG, n)]).await;
            }
        });
    }
    for wanted in 1..=400 {
        assert_eq!(next_seq(&mut all).await, wanted);
    }
    running.end().await;
}

macro_rules! for_every_log {
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

for_every_log!(
    each_organisation_is_numbered_from_one_without_holes,
    an_event_comes_back_as_it_was_written,
    a_query_selects_by_subject_and_range_in_both_orders,
    trimming_takes_the_oldest_and_never_reuses_a_number,
    a_subscriber_gets_every_event_once_and_in_order,
    a_subscriber_that_never_read_gets_everything_from_the_log,
    resuming_after_a_number_says_what_was_trimmed,
    what_was_said_is_replaced_under_its_number_and_nothing_else,
    other_organisations_and_other_names_are_not_delivered,
    live_pieces_overflow_into_a_gap,
    listeners_hear_all_organisations_from_their_first_event,
);
