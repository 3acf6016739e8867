//! Round trips and memory per idle connection, with the client in the same process.
//!
//! `cargo bench -p orchestrator-gateway`. The operation answers at once, so this is the price of the wire alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_trait::async_trait;
use futures::{SinkExt, StreamExt};
use orchestrator_gateway::{Config, Gateway};
use orchestrator_rpc::{Authenticator, Caller, Credential, Dispatcher, Error, Scope, Table};
use orchestrator_vocab::{OrgId, SystemClock};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneSyncService;

const SPAN: Duration = Duration::from_secs(3);
const IDLE: usize = 1_000;
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"health.ping","params":{}}"#;

struct Everybody;

#[async_trait]
impl Authenticator for Everybody {
    async fn authenticate(&self, _: &Credential) -> Result<Caller, Error> {
        Ok(Caller::new(OrgId::LOCAL, "bench", Scope::Admin))
    }
}

type Client = tokio_tungstenite::WebSocketStream<TcpStream>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let dispatcher = Dispatcher::new(Table::new().with_discovery(Arc::new(SystemClock)))?;
    let table = dispatcher.table().clone();
    let gateway = Gateway::builder(table, BoxCloneSyncService::new(dispatcher), Arc::new(Everybody))
        .config(Config {
            connections_per_loopback_max: 10_000,
            connections_per_credential_max: 10_000,
            ..Config::default()
        })
        .build()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let (serving, stopped) = (gateway.clone(), stop.clone());
    let mut server = JoinSet::new();
    server.spawn(async move { serving.serve(listener, stopped).await });

    for (connections, in_flight) in [(1, 1), (1, 64), (100, 1), (100, 16)] {
        let rate = round_trips(address, connections, in_flight).await?;
        println!("{connections:>4} connections, {in_flight:>2} in flight each: {rate:>9.0} round trips/s");
    }
    idle(address).await?;
    stop.cancel();
    server.join_next().await.context("the server was never started")??;
    Ok(())
}

async fn connect(address: SocketAddr) -> Result<Client> {
    let mut request = format!("ws://{address}/ws").into_client_request()?;
    request.headers_mut().insert("authorization", "Bearer bench".parse()?);
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(4 << 10);
    Ok(tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?.0)
}

async fn round_trips(address: SocketAddr, connections: usize, in_flight: usize) -> Result<f64> {
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        clients.spawn(async move { ask_for(connect(address).await?, in_flight).await });
    }
    let mut total = 0;
    while let Some(count) = clients.join_next().await {
        total += count??;
    }
    Ok(f64::from(total) / SPAN.as_secs_f64())
}

async fn ask_for(mut client: Client, in_flight: usize) -> Result<u32> {
    let end = Instant::now() + SPAN;
    let mut count = 0;
    for _ in 0..in_flight {
        client.feed(Message::text(PING)).await?;
    }
    client.flush().await?;
    while Instant::now() < end {
        client.next().await.context("closed")??;
        client.send(Message::text(PING)).await?;
        count += 1;
    }
    Ok(count)
}

/// Both ends are in this process: clients that are only bytes on a socket keep their own share small.
async fn idle(address: SocketAddr) -> Result<()> {
    let before = resident_bytes()?;
    let mut open = Vec::new();
    for _ in 0..IDLE {
        let mut client = connect(address).await?;
        client.send(Message::text(PING)).await?;
        client.next().await.context("closed")??;
        open.push(client.into_inner());
    }
    let each = resident_bytes()?.saturating_sub(before) / IDLE;
    println!("{IDLE} idle connections: {each} bytes each, with the client's socket");
    drop(open);
    Ok(())
}

fn resident_bytes() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status").context("only Linux tells the resident size here")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<usize>()? * 1024)
}
