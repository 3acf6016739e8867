//! A log on SQLite, a subscriber that is fast, one that comes late, one that goes away and comes back, and what the log says
//! afterwards.

use std::sync::Arc;

use orchestrator_events::{
    Delivery, Filter, Hub, Log as _, NewEvent, Numbering, Query, SqlLog, SqlWindows, Wanted, Windows, WindowsConfig,
};
use orchestrator_sql::{Database, Error, Options};
use orchestrator_vocab::{Actor, Clock as _, OrgId, SystemClock};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const ORG: OrgId = OrgId::LOCAL;

async fn append(database: &Database, name: &'static str, cups: u32) -> Result<(), Error> {
    database
        .write(move |tx| {
            let actor = Actor::system("kitchen");
            // Beside this, the closure would write the rows that the event reports.
            SqlLog::append(tx, [NewEvent::new(ORG, name, SystemClock.now(), actor, json!({ "cups": cups }))]);
            Box::pin(std::future::ready(Ok(())))
        })
        .await
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect("sqlite::memory:", options).await?;
    let log = SqlLog::open(database.clone(), &numbering).await?;
    let hub = Hub::new(Arc::new(log.clone()));
    let stop = CancellationToken::new();
    let running = tokio_util::task::TaskTracker::new();
    let (its, until) = (hub.clone(), stop.clone());
    running.spawn(async move { its.run(until).await });

    let mut live = hub.subscribe(ORG, Filter::parse(["coffee.*"])?).await?;
    append(&database, "coffee.brewed", 4).await?;
    append(&database, "tea.brewed", 1).await?;
    append(&database, "coffee.drunk", 1).await?;
    for _ in 0..2 {
        if let Delivery::Event(event) = live.next().await? {
            println!("live: {} {} {}", event.seq, event.name, event.payload);
        }
    }

    let mut late = hub.subscribe_after(ORG, Filter::everything(), 1);
    if let Delivery::Event(event) = late.next().await? {
        println!("resumed after 1: {} {}", event.seq, event.name);
    }
    let store = Arc::new(SqlWindows::beside(&log));
    let secret = b"from a file, at least 32 random bytes";
    let windows = Windows::new(hub.clone(), store, secret, Arc::new(SystemClock), WindowsConfig::default())?;
    let window = windows.open(ORG, "a guest");
    let token = window.token();
    let parts = Filter::parse(["tea.*"])?.parts(0);
    window.subscribe(Wanted { id: "tea".into(), parts, after: None, requires_ack: false }).await?;
    window.close().await?;
    append(&database, "tea.brewed", 2).await?;
    if let Some((_window, mut restored)) = windows.resume(ORG, "a guest", &token).await?
        && let Delivery::Event(event) = restored[0].subscription.next().await?
    {
        println!("missed: {} {} {}", event.seq, event.name, event.payload);
    }
    println!("a stranger resumes: {}", windows.resume(ORG, "a stranger", &token).await?.is_some());
    println!("in the log: {}", log.query(ORG, Query { limit: 100, ..Query::default() }).await?.len());

    stop.cancel();
    running.close();
    running.wait().await;
    Ok(())
}
