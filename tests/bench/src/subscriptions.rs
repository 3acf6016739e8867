use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{SinkExt as _, StreamExt as _, TryStreamExt as _, stream};
use orchestrator_testkit::{Daemon, Socket};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::Scale;
use crate::figure::{Figure, millis, per_second, percentile};
use crate::process::{resident_kib, roomy};
use crate::socket::{Stream, connect};

/// How many connections are made at a time.
const AT_ONCE: usize = 32;
/// How long everything that was sent may take to arrive.
const PATIENCE: Duration = Duration::from_secs(120);

/// One event that every connection wants, among few and among many subscriptions.
pub(crate) async fn measure(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let connections = scale.of(1_000, 20);
    let few = Listening::start(connections, 1).await?.measured(scale).await?;
    let many = Listening::start(connections, 100).await?.measured(scale).await?;
    let subscriptions = connections * 100;
    let said = |what: &str| format!("{what}; {connections} WebSockets with 100 subscriptions each");
    let one = |what: &str| format!("{what}; {connections} WebSockets with 1 subscription each");
    let each =
        (many.resident_kib.saturating_sub(few.resident_kib)) as f64 * 1.024 / (subscriptions - connections) as f64;
    let each = Figure::new("subscriptions.memory", each, "kB", said("growth of resident memory per subscription"));
    let mut figures = vec![each];
    for (measured, suffix, conditions) in [(few, "1", &one as &dyn Fn(&str) -> String), (many, "100", &said)] {
        let Measured { rate, mut paced, .. } = measured;
        let (rate_of, span_of) = ("events delivered, tasks created 16 at a time", "from the call to each of them");
        figures.extend([
            Figure::new(format!("subscriptions.rate.{suffix}"), rate, "events/s", conditions(rate_of)),
            Figure::new(
                format!("subscriptions.p50.{suffix}"),
                millis(percentile(&mut paced, 50)),
                "ms",
                conditions(span_of),
            ),
            Figure::new(
                format!("subscriptions.p99.{suffix}"),
                millis(percentile(&mut paced, 99)),
                "ms",
                conditions(span_of),
            ),
        ]);
    }
    Ok(figures)
}

struct Measured {
    /// What the daemon grew by.
    resident_kib: u64,
    rate: f64,
    paced: Vec<Duration>,
}

/// A daemon with everybody connected and subscribed.
struct Listening {
    connections: usize,
    resident_kib: u64,
    creator: Socket,
    arrived: mpsc::UnboundedReceiver<Instant>,
    /// Dropped last: its end ends the readers.
    readers: JoinSet<()>,
    _daemon: Daemon,
}

impl Listening {
    async fn start(connections: usize, each: usize) -> anyhow::Result<Self> {
        let daemon = Daemon::builder().config(roomy(connections)).without_rate_limits().start().await?;
        let creator = daemon.admin().await;
        let before = resident_kib(daemon.pid())?;
        let subscribing = (0..connections).map(|number| subscribed(&daemon, number, each));
        let open: Vec<Stream> = stream::iter(subscribing).buffer_unordered(AT_ONCE).try_collect().await?;
        let resident_kib = resident_kib(daemon.pid())?.saturating_sub(before);
        let (arrives, arrived) = mpsc::unbounded_channel();
        let mut readers = JoinSet::new();
        for socket in open {
            readers.spawn(read(socket, arrives.clone()));
        }
        Ok(Self { connections, resident_kib, creator, arrived, readers, _daemon: daemon })
    }

    async fn measured(mut self, scale: Scale) -> anyhow::Result<Measured> {
        let (rounds, burst) = (scale.of(50, 3), scale.of(200, 5));
        let mut paced = Vec::new();
        for round in 0..rounds {
            let started = Instant::now();
            self.creator.call("task.create", json!({"title": format!("round {round}")})).await?;
            for _ in 0..self.connections {
                paced.push(self.arrival().await?.duration_since(started));
            }
        }
        let started = Instant::now();
        let drafts = (0..burst).map(|n| json!({"title": format!("burst {n}")}));
        self.creator.call_all("task.create", drafts, 16).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let events = self.connections * burst;
        for _ in 0..events {
            self.arrival().await?;
        }
        let rate = per_second(events, started.elapsed());
        self.readers.shutdown().await;
        Ok(Measured { resident_kib: self.resident_kib, rate, paced })
    }

    async fn arrival(&mut self) -> anyhow::Result<Instant> {
        let arrived = tokio::time::timeout(PATIENCE, self.arrived.recv()).await;
        arrived.context("an event did not arrive")?.context("all connections ended")
    }
}

/// The first subscription wants every new task, each other one what happens to a task of its own.
async fn subscribed(daemon: &Daemon, number: usize, each: usize) -> anyhow::Result<Stream> {
    let mut socket = connect(daemon).await?;
    for n in 0..each {
        let params = match n {
            0 => json!({"events": ["task.created"]}),
            n => json!({"events": ["task.*"], "filter": {"taskId": format!("task_{number:016x}{n:016x}")}}),
        };
        let call = json!({"jsonrpc": "2.0", "id": n, "method": "subscribe", "params": params});
        socket.send(Message::text(call.to_string())).await?;
        let Some(Ok(Message::Text(reply))) = socket.next().await else { anyhow::bail!("no reply") };
        anyhow::ensure!(reply.contains("subscriptionId"), "{reply}");
    }
    Ok(socket)
}

async fn read(mut socket: Stream, arrives: mpsc::UnboundedSender<Instant>) {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message
            && text.contains("task.created")
            && arrives.send(Instant::now()).is_err()
        {
            return;
        }
    }
}
