use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use orchestrator_testkit::{Daemon, Socket};
use serde_json::json;
use tokio::task::JoinSet;

use crate::Scale;
use crate::figure::{Aim, Figure, millis, percentile};
use crate::process::roomy;

/// How many clients arrive at a time before the daemon is killed.
const AT_ONCE: usize = 32;
/// Until one client has everything.
const PATIENCE: Duration = Duration::from_secs(120);

/// A subscriber with what it has to come back with.
struct Client {
    socket: Socket,
    resume: String,
    heard: HashSet<u64>,
}

/// The daemon is killed while events are on their way; all clients come back at the same moment.
pub(crate) async fn measure(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let (count, missed) = (scale.of(1_000, 50), scale.of(100, 10));
    let daemon = Daemon::builder().config(roomy(count)).without_rate_limits().start().await?;
    let arriving = (0..count).map(|_| arrive(&daemon));
    let clients: Vec<Client> = stream::iter(arriving).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut created = create(&daemon, missed).await?;
    let daemon = daemon.kill().await.start().await?;
    let mut gone = JoinSet::new();
    for client in clients {
        gone.spawn(cut_off(client));
    }
    let mut clients = Vec::new();
    while let Some(client) = gone.join_next().await {
        clients.push(client?);
    }
    created.extend(create(&daemon, missed).await?);
    let (url, token) = (daemon.url().to_owned(), daemon.admin_token().to_owned());
    let (started, mut returning) = (Instant::now(), JoinSet::new());
    for client in clients {
        returning.spawn(come_back(client, url.clone(), token.clone(), created.clone()));
    }
    let mut samples = Vec::new();
    while let Some(back) = returning.join_next().await {
        samples.push(back??.duration_since(started));
    }
    let said = |who: &str| {
        format!(
            "{count} clients resume at once after kill -9, {missed} events missed by each and checked; {who} has all"
        )
    };
    let half = Figure::new("storm.half", millis(percentile(&mut samples, 50)), "ms", said("half of them"));
    let last = Figure::new("storm.last", millis(percentile(&mut samples, 100)), "ms", said("the last"));
    Ok(vec![half, last.aiming(Aim::AtMost(5_000.0))])
}

async fn arrive(daemon: &Daemon) -> anyhow::Result<Client> {
    let (mut socket, hello) = daemon.arrive(None).await;
    let resume = hello["resumeToken"].as_str().context("a resume token")?.to_owned();
    socket.subscribe(&["task.created"]).await;
    Ok(Client { socket, resume, heard: HashSet::new() })
}

/// Creates tasks; the numbers of the events that say so.
async fn create(daemon: &Daemon, count: usize) -> anyhow::Result<HashSet<u64>> {
    let mut creator = daemon.admin().await;
    creator.subscribe(&["task.created"]).await;
    let drafts = (0..count).map(|n| json!({"title": format!("task {n}")}));
    creator.call_all("task.create", drafts, 16).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut numbers = HashSet::new();
    while numbers.len() < count {
        numbers.extend(creator.next_event().await.seq);
    }
    Ok(numbers)
}

/// Reads what had arrived before the end.
async fn cut_off(mut client: Client) -> Client {
    while let Ok(event) = client.socket.try_next_event().await {
        client.heard.extend(event.seq);
    }
    client
}

/// Resumes, and reads until nothing is missing. When that was.
async fn come_back(mut client: Client, url: String, token: String, created: HashSet<u64>) -> anyhow::Result<Instant> {
    let reading = async {
        let (socket, hello) = Socket::arrive(&url, &token, Some(&client.resume)).await;
        ensure!(hello["resumed"] == true, "not resumed: {hello}");
        client.socket = socket;
        while !created.is_subset(&client.heard) {
            client.heard.extend(client.socket.next_event().await.seq);
        }
        Ok(Instant::now())
    };
    tokio::time::timeout(PATIENCE, reading).await.context("a client did not get everything it missed")?
}
