//! Two daemons' worth of event log on one PostgreSQL, joined by Redis: what one commits the other delivers without asking
//! the database. Needs DATABASE_URL (a PostgreSQL) and REDIS_URL.

use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_events::{Delivery, Filter, Hub, Inbox, NewEvent, Numbering, SqlLog};
use orchestrator_events_redis::{Config, RedisRelay, State};
use orchestrator_settings::Environment;
use orchestrator_sql::{Database, Error, Options};
use orchestrator_vocab::{Actor, Clock as _, OrgId, SystemClock};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

type Running = (CancellationToken, TaskTracker);

/// What each daemon does at its start.
async fn join(postgres: &str, redis: &str, (stop, loops): &Running) -> anyhow::Result<(Database, Hub)> {
    let config = Config { url: Some(redis.to_owned().into()), prefix: "example".into(), ..Config::default() };
    let relay = RedisRelay::new(config, Arc::new(SystemClock))?.context("there is an address")?;
    let numbering = Numbering::default().with_relay(Arc::new(relay.clone()));
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect(postgres, options).await?;
    let log = SqlLog::open(database.clone(), &numbering).await?;
    let hub = Hub::new(Arc::new(log.clone())).with_relay(Arc::new(relay.clone()));
    let (inbox, mut states) = (Inbox::new(log.clone(), hub.clone()), relay.states());
    let (delivering, its, until, and) = (hub.clone(), stop.clone(), stop.clone(), stop.clone());
    loops.spawn(async move { delivering.run(its).await });
    loops.spawn(async move { log.run(until).await });
    loops.spawn(Box::pin(async move { relay.run(inbox, and).await }));
    println!("Redis is {}", states.wait_for(|state| *state != State::Connecting).await?.as_str());
    Ok((database, hub))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let environment = Environment::from_process();
    let (Some(postgres), Some(redis)) = (environment.get("DATABASE_URL"), environment.get("REDIS_URL")) else {
        println!("missing: set DATABASE_URL=postgres://… and REDIS_URL=redis://…");
        return Ok(());
    };
    let running = (CancellationToken::new(), TaskTracker::new());
    let (kitchen, _) = join(postgres, redis, &running).await?;
    let (_, dining_room) = join(postgres, redis, &running).await?;
    let mut served = dining_room.subscribe(OrgId::LOCAL, Filter::parse(["soup.*"])?).await?;
    let written: Result<(), Error> = kitchen
        .write(|tx| {
            let payload = serde_json::json!({"plates": 2});
            let actor = Actor::system("kitchen");
            SqlLog::append(tx, [NewEvent::new(OrgId::LOCAL, "soup.ready", SystemClock.now(), actor, payload)]);
            Box::pin(std::future::ready(Ok(())))
        })
        .await;
    written?;
    if let Delivery::Event(event) = served.next().await? {
        println!("the other one heard: {} {} {}", event.seq, event.name, event.payload);
    }
    running.0.cancel();
    Ok(())
}
