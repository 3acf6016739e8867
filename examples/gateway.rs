//! One operation behind a socket, called over HTTP, REST and WebSocket, and an event that arrives.
//!
//! `cargo run -p orchestrator-examples --example gateway`

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use futures::{SinkExt, StreamExt};
use orchestrator_events::{Hub, MemoryLog, NewEvent};
use orchestrator_gateway::{Gateway, Peers, operations};
use orchestrator_rpc::{Authenticator, Call, Caller, Credential, Dispatcher, Error, Operation, Scope, Table};
use orchestrator_vocab::{Clock, OrgId, SystemClock};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneSyncService;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GreetParams {
    person_id: String,
}

#[derive(Serialize, JsonSchema)]
struct Greeting {
    text: String,
}

/// One key opens; a real daemon looks into its credentials here.
struct OneKey;

#[async_trait]
impl Authenticator for OneKey {
    async fn authenticate(&self, credential: &Credential) -> Result<Caller, Error> {
        let (Credential::Bearer(secret) | Credential::ApiKey(secret)) = credential;
        if secret.expose_secret() == "open-sesame" {
            return Ok(Caller::new(OrgId::LOCAL, "alice", Scope::Write));
        }
        Err(Error::unauthorized("unknown credential"))
    }
}

/// `person.greet` is also `POST /api/v1/persons/{id}/greet`, and tells everybody who listens.
fn greetings(log: Arc<MemoryLog>) -> Table {
    let greet = move |call: Call, params: GreetParams| {
        let payload = json!({ "personId": params.person_id });
        log.append(vec![NewEvent::new(call.org(), "person.greeted", SystemClock.now(), call.actor(), payload)]);
        async move { Ok(Greeting { text: format!("Good morning, {}!", params.person_id) }) }
    };
    Table::new().with(Operation::new("person.greet", Scope::Write, "Greets a person", greet))
}

#[tokio::main]
async fn main() -> Result<()> {
    let log = Arc::new(MemoryLog::default());
    let hub = Hub::new(log.clone());
    let peers = Peers::default();
    let table = greetings(log).merge(operations(hub.clone(), peers.clone())).with_discovery(Arc::new(SystemClock));
    let dispatcher = Dispatcher::new(table)?;
    let table = dispatcher.table().clone();
    let gateway =
        Gateway::builder(table, BoxCloneSyncService::new(dispatcher), Arc::new(OneKey)).peers(peers).build()?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    let stop = CancellationToken::new();
    let clients = async {
        let outcome = visit(address).await;
        stop.cancel();
        outcome
    };
    let (summary, delivery, outcome) =
        tokio::join!(gateway.serve(listener, stop.clone()), hub.run(stop.clone()), clients);
    outcome?;
    delivery?;
    println!("stopped: {summary:?}, {:?}", gateway.counters().snapshot());
    Ok(())
}

async fn visit(address: SocketAddr) -> Result<()> {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "person.greet", "params": { "personId": "ada" } });
    println!("POST /rpc: {}", post(address, "/rpc", &call.to_string()).await?);
    println!("REST: {}", post(address, "/api/v1/persons/grace/greet", "{}").await?);

    let stream = TcpStream::connect(address).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream).await?;
    let connect = json!({ "auth": { "type": "api-key", "token": "open-sesame" } });
    for (id, method, params) in [
        (1, "auth.connect", connect),
        (2, "subscribe", json!({ "events": ["person.*"], "filter": { "personId": "edsger" } })),
        (3, "person.greet", json!({ "personId": "edsger" })),
    ] {
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        socket.send(Message::text(call.to_string())).await?;
        println!("WebSocket: {}", hear(&mut socket).await?);
    }
    println!("WebSocket: {}", hear(&mut socket).await?);
    socket.close(None).await?;
    Ok(())
}

async fn hear(socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>) -> Result<Value> {
    let message = socket.next().await.context("the server closed")??;
    Ok(serde_json::from_str(message.to_text()?)?)
}

async fn post(address: SocketAddr, path: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer open-sesame\r\nconnection: close");
    let length = body.len();
    let request = format!("{head}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    let (_, body) = response.split_once("\r\n\r\n").context("not an HTTP response")?;
    Ok(body.to_owned())
}
