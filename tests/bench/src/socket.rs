use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use orchestrator_sql::Backend;
use orchestrator_testkit::{Daemon, Socket};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::Scale;
use crate::figure::{Aim, Figure, millis, name_of, per_second, percentile};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"health.ping"}"#;

pub(crate) async fn round_trips(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let mut figures = Vec::new();
    for (connections, aim) in [(1, None), (100, Some(Aim::AtLeast(40_000.0)))] {
        let each = scale.of(200_000, 2_000) / connections;
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(connect(&daemon).await?);
        }
        let started = Instant::now();
        let mut running = JoinSet::new();
        for socket in open {
            running.spawn(ping(socket, each));
        }
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        let rate = per_second(each * connections, started.elapsed());
        let conditions = format!("health.ping over {connections} WebSockets, one call in flight on each");
        let figure = Figure::new(format!("socket.roundtrip.{connections}"), rate, "calls/s", conditions);
        figures.push(match aim {
            Some(aim) => figure.aiming(aim),
            None => figure,
        });
    }
    Ok(figures)
}

pub(crate) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A client that costs as little as possible: it shares the cores with what is measured.
pub(crate) async fn connect(daemon: &Daemon) -> anyhow::Result<Stream> {
    let mut request = format!("{}/ws", daemon.url().replacen("http", "ws", 1)).into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {}", daemon.admin_token()).parse()?);
    Ok(Box::pin(tokio_tungstenite::connect_async_with_config(request, None, true)).await?.0)
}

async fn ping(mut socket: Stream, times: usize) -> anyhow::Result<()> {
    for _ in 0..times {
        socket.send(Message::text(PING)).await?;
        let Some(Ok(Message::Text(reply))) = socket.next().await else { anyhow::bail!("no reply") };
        anyhow::ensure!(reply.contains("serverTimestamp"), "{reply}");
    }
    Ok(())
}

pub(crate) async fn create(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let daemon = Daemon::builder().backend(backend).without_rate_limits().start().await?;
    let count = scale.of(20_000, 640);
    let mut running = JoinSet::new();
    let started = Instant::now();
    for _ in 0..4 {
        let mut socket = daemon.admin().await;
        running.spawn(async move {
            let drafts = (0..count / 4).map(|n| json!({"title": format!("task {n}")}));
            socket.call_all("task.create", drafts, 16).await.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    let rate = per_second(count, started.elapsed());
    let conditions = format!("task.create, {count} tasks over 4 WebSockets with 16 calls in flight on each, synced");
    let figure = Figure::new(format!("socket.create.{}", name_of(backend)), rate, "tasks/s", conditions);
    Ok(vec![figure.aiming(Aim::at_least(backend, 8_000.0, 2_500.0))])
}

pub(crate) async fn fan_out(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let (count, rounds) = (scale.of(1_000, 50), scale.of(20, 3));
    let mut listeners = Vec::new();
    for _ in 0..count {
        let mut socket = daemon.admin().await;
        socket.subscribe(&["task.created"]).await;
        listeners.push(socket);
    }
    let mut creator = daemon.admin().await;
    let mut samples = Vec::new();
    for _ in 0..rounds {
        let mut waiting = JoinSet::new();
        for mut socket in listeners.drain(..) {
            waiting.spawn(async move {
                socket.next_event().await;
                (socket, Instant::now())
            });
        }
        let started = Instant::now();
        creator.call("task.create", json!({"title": "heard by all"})).await?;
        let mut last = Duration::ZERO;
        while let Some(heard) = waiting.join_next().await {
            let (socket, at): (Socket, Instant) = heard?;
            last = last.max(at.duration_since(started));
            listeners.push(socket);
        }
        samples.push(last);
    }
    let conditions =
        format!("from the call of task.create until {count} subscribers have the event, median of {rounds}");
    Ok(vec![Figure::new("socket.fanout", millis(percentile(&mut samples, 50)), "ms", conditions)])
}
