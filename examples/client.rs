//! A daemon of one operation, and a client that calls it and listens. The daemon is stopped and started again in between:
//! the client comes back by itself, and its subscription misses nothing.
//!
//! `cargo run -p orchestrator-examples --example client`

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use orchestrator_client::{Client, Config, Delivery, Topics};
use orchestrator_events::{Hub, MemoryLog, NewEvent};
use orchestrator_gateway::{Gateway, Peers, operations};
use orchestrator_rpc::{Authenticator, Call, Caller, Credential, Dispatcher, Error, Operation, Scope, Table};
use orchestrator_vocab::{Clock, OrgId, SystemClock};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneSyncService;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Letter {
    letter_id: String,
    text: String,
}

/// Everybody is let in; a real daemon looks into its credentials here.
struct OpenDoor;

#[async_trait]
impl Authenticator for OpenDoor {
    async fn authenticate(&self, _: &Credential) -> Result<Caller, Error> {
        Ok(Caller::new(OrgId::LOCAL, "alice", Scope::Write))
    }
}

fn post_office(log: Arc<MemoryLog>) -> Table {
    let post = move |call: Call, letter: Letter| {
        let payload = json!({ "letterId": letter.letter_id });
        log.append(vec![NewEvent::new(call.org(), "letter.posted", SystemClock.now(), call.actor(), payload)]);
        async move { Ok(letter) }
    };
    Table::new().with(Operation::new("letter.post", Scope::Write, "Posts a letter", post))
}

/// A daemon whose log outlives it.
struct Daemon {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Daemon {
    async fn start(log: &Arc<MemoryLog>, address: SocketAddr) -> Result<(Self, SocketAddr)> {
        let hub = Hub::new(log.clone());
        let table = post_office(log.clone())
            .merge(operations(hub.clone(), Peers::default()))
            .with_discovery(Arc::new(SystemClock));
        let dispatcher = Dispatcher::new(table)?;
        let table = dispatcher.table().clone();
        let gateway = Gateway::builder(table, BoxCloneSyncService::new(dispatcher), Arc::new(OpenDoor)).build()?;
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let (serving, running) = (stop.clone(), stop.clone());
        tasks.spawn(async move { println!("served: {:?}", gateway.serve(listener, serving).await) });
        tasks.spawn(async move { hub.run(running).await.expect("a log in memory does not fail") });
        Ok((Self { stop, tasks }, address))
    }

    async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let log = Arc::new(MemoryLog::default());
    let (daemon, address) = Daemon::start(&log, "127.0.0.1:0".parse()?).await?;
    println!("listening on http://{address}");

    let client = Client::connect(Config::new(format!("http://{address}")).token("any")).await?;
    let mut letters = client.subscribe(Topics::new(["letter.*"])).await?;
    let posted: Letter = client.call("letter.post", &json!({ "letterId": "first", "text": "Dear Ada" })).await?;
    println!("posted: {posted:?}");

    let Err(refusal) = client.call::<_, Letter>("letter.post", &json!({ "letterId": "second" })).await else {
        anyhow::bail!("an unknown letter was posted");
    };
    println!("refused: {refusal} (code {:?})", refusal.code());

    println!("the daemon stops");
    daemon.stop().await;
    let payload = json!({ "letterId": "while nobody served" });
    let actor = orchestrator_vocab::Actor::system("example");
    log.append(vec![NewEvent::new(OrgId::LOCAL, "letter.posted", SystemClock.now(), actor, payload)]);
    let (daemon, _) = Daemon::start(&log, address).await?;
    println!("the daemon is back");
    client.call::<_, Letter>("letter.post", &json!({ "letterId": "third", "text": "Dear Grace" })).await?;

    let mut heard = 0;
    while heard < 3 {
        match letters.next().await.context("the subscription ended")?? {
            Delivery::Event(event) => {
                heard += 1;
                println!("heard: {} {} (number {})", event.name, event.payload, event.seq.unwrap_or_default());
            }
            Delivery::Resumed(by) => println!("heard: the connection was lost and is back, by {by:?}"),
            Delivery::Gap(gap) => println!("heard: {} events are missing", gap.count),
        }
    }
    client.close().await;
    daemon.stop().await;
    Ok(())
}
