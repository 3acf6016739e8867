//! One of several daemons on one database: a log, a hub, a relay, and the loops that move them.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::{Delivery, Filter, Hub, Inbox, NewEvent, Numbering, SqlLog, Subscription};
use orchestrator_events_redis::{Config, RedisRelay, State};
use orchestrator_sql::{Backend, Database, Error, Options, Scratch};
use orchestrator_vocab::{Actor, Clock, OrgId, SystemClock, Timestamp};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const ORG: OrgId = OrgId::LOCAL;
/// Nothing here takes so long, unless it never happens.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) database: Database,
    pub(crate) log: SqlLog,
    pub(crate) hub: Hub,
    pub(crate) relay: RedisRelay,
    pub(crate) inbox: Inbox,
    stop: CancellationToken,
    tasks: TaskTracker,
}

pub(crate) async fn database() -> Scratch {
    Scratch::create(Backend::Postgres).await.unwrap()
}

pub(crate) fn config(url: &str) -> Config {
    Config { url: Some(url.to_owned().into()), prefix: "orchestrator-test".into(), ..Config::default() }
}

impl Node {
    pub(crate) async fn start(scratch: &Scratch, config: Config) -> Self {
        Self::start_at(scratch, config, Arc::new(SystemClock)).await
    }

    pub(crate) async fn start_at(scratch: &Scratch, config: Config, clock: Arc<dyn Clock>) -> Self {
        let relay = RedisRelay::new(config, clock).unwrap().unwrap();
        let numbering = Numbering::default().with_relay(Arc::new(relay.clone()));
        let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
        let database = Database::connect(scratch.url(), options).await.unwrap();
        let log = SqlLog::open(database.clone(), &numbering).await.unwrap();
        let hub = Hub::new(Arc::new(log.clone())).with_relay(Arc::new(relay.clone()));
        hub.start().await.unwrap();
        let inbox = Inbox::new(log.clone(), hub.clone());
        let node = Self { database, log, hub, relay, inbox, stop: CancellationToken::new(), tasks: TaskTracker::new() };
        node.spawn_loops();
        node
    }

    fn spawn_loops(&self) {
        let (hub, log, relay, inbox) = (self.hub.clone(), self.log.clone(), self.relay.clone(), self.inbox.clone());
        let stop = || self.stop.clone();
        let (delivering, listening, carrying) = (stop(), stop(), stop());
        self.tasks.spawn(async move { hub.run(delivering).await.unwrap() });
        self.tasks.spawn(async move { log.run(listening).await.unwrap() });
        self.tasks.spawn(async move { relay.run(inbox, carrying).await.unwrap() });
    }

    pub(crate) async fn until(&self, state: State) {
        let mut states = self.relay.states();
        let waiting = tokio::time::timeout(PATIENCE, states.wait_for(|now| *now == state));
        drop(waiting.await.expect("the relay never came to that state").unwrap());
    }

    pub(crate) async fn append(&self, numbers: impl IntoIterator<Item = i64>) {
        append(&self.database, ORG, numbers).await;
    }

    pub(crate) async fn subscribe(&self) -> Subscription {
        self.hub.subscribe(ORG, Filter::everything()).await.unwrap()
    }

    /// Only what is stored: no gap in what is live only concerns it.
    pub(crate) async fn follow(&self) -> Subscription {
        self.hub.subscribe(ORG, Filter::parse(["test.*"]).unwrap()).await.unwrap()
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

pub(crate) async fn append(database: &Database, org: OrgId, numbers: impl IntoIterator<Item = i64>) {
    let events: Vec<_> = numbers.into_iter().map(|n| event(org, n)).collect();
    let written: Result<(), Error> = database
        .write(move |tx| {
            SqlLog::append(tx, events.clone());
            Box::pin(std::future::ready(Ok(())))
        })
        .await;
    written.unwrap();
}

pub(crate) fn event(org: OrgId, n: i64) -> NewEvent {
    NewEvent::new(org, "test.counted", Timestamp(n), Actor::system("test"), json!({ "n": n }))
}

pub(crate) async fn next(subscription: &mut Subscription) -> Delivery {
    tokio::time::timeout(PATIENCE, subscription.next()).await.expect("nothing was delivered").unwrap()
}

/// The next stored event's number; a live-only piece or a gap is a fault.
pub(crate) async fn next_seq(subscription: &mut Subscription) -> u64 {
    match next(subscription).await {
        Delivery::Event(event) => event.seq,
        other => panic!("{other:?}"),
    }
}

/// For looking at Redis from outside.
pub(crate) async fn ask<T: redis::FromRedisValue>(url: &str, command: &[&str]) -> T {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut asked = redis::cmd(command[0]);
    asked.arg(&command[1..]);
    asked.query_async(&mut connection).await.unwrap()
}
