//! Memories: how fast they are stored, and what a question costs among many.

mod made;

use std::sync::Arc;
use std::time::{Duration, Instant};

use orchestrator_memory::{Filter, Memories, Parts, Question, Scope};
use orchestrator_sql::Backend;
use orchestrator_testkit::{Daemon, Socket};
use orchestrator_vocab::{Actor, OrgId};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Scale;
use crate::figure::{Aim, Figure, millis, name_of, per_second, percentile};
use crate::process::resident_kib;
use made::{AnyDirection, Made, NARROW, draft, question};

/// How many memories there are to be found.
const MANY: usize = 100_000;
/// Beside the vector of the question, in milliseconds.
const AIM: f64 = 15.0;
/// Memories that are stored at once, one per call.
const IN_FLIGHT: usize = 64;

/// Storing: a thousand at a time, and one.
pub(crate) async fn insert(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let made = Made::on(backend, None).await?;
    let count = scale.of(MANY, 4_000);
    let started = Instant::now();
    made.fill(0..count).await?;
    let rate = per_second(count, started.elapsed());
    let conditions = format!("library, {count} of 20 words, 1,000 in each transaction, synced");
    let many = Figure::new(format!("memory.insert.batch.{}", name_of(backend)), rate, "memories/s", conditions);
    let single = single(&made.memories, count..count + scale.of(20_000, 1_000)).await?;
    let conditions = format!("library, one per call, {IN_FLIGHT} calls in flight, {count} stored before, synced");
    let single = Figure::new(format!("memory.insert.single.{}", name_of(backend)), single, "memories/s", conditions);
    Ok(vec![many.aiming(Aim::AtLeast(5_000.0)), single])
}

async fn single(memories: &Memories, numbers: std::ops::Range<usize>) -> anyhow::Result<f64> {
    let (count, started, mut running) = (numbers.len(), Instant::now(), JoinSet::new());
    for number in numbers {
        if running.len() == IN_FLIGHT
            && let Some(ended) = running.join_next().await
        {
            ended??;
        }
        let memories = memories.clone();
        running
            .spawn(async move { memories.store(OrgId::LOCAL, &Actor::system("bench"), draft(number)).await.map(drop) });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(per_second(count, started.elapsed()))
}

/// Questions among a hundred thousand, as a library.
pub(crate) async fn recall(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let made = Made::on(backend, Some(Arc::new(AnyDirection))).await?;
    let count = scale.of(MANY, 4_000);
    made.fill(0..count).await?;
    let started = Instant::now();
    made.embed().await?;
    let on = name_of(backend);
    let rate = per_second(count, started.elapsed());
    let conditions = format!("library, vectors of {count} memories stored, their making apart");
    let mut figures = vec![Figure::new(format!("memory.vectors.{on}"), rate, "vectors/s", conditions)];
    let conditions = format!("one look at what has no vector, where all {count} have one: every second while idle");
    let started = Instant::now();
    made.embed().await?;
    figures.push(Figure::new(format!("memory.vectors.idle.{on}"), millis(started.elapsed()), "ms", conditions));
    let before = resident_kib(std::process::id())?;
    let started = Instant::now();
    made.memories.recall(OrgId::LOCAL, &Question::new("first")).await?;
    let first = millis(started.elapsed());
    let grown = resident_kib(std::process::id())?.saturating_sub(before);
    let conditions = format!("the first question of an organisation with {count} vectors: they are read");
    figures.push(Figure::new(format!("memory.recall.first.{on}"), first, "ms", conditions));
    let conditions = format!("growth of resident memory by that, vectors of {}", made::DIMENSIONS);
    let each = grown as f64 * 1_024.0 / count as f64;
    figures.push(Figure::new(format!("memory.vector.{on}"), each, "bytes", conditions));
    for (what, kind) in [("words", Asked::Words), ("both", Asked::Both), ("narrow", Asked::Narrow)] {
        let samples = ask(&made.memories, kind, scale).await?;
        figures.extend(percentiles(&format!("memory.recall.{what}.{on}"), samples, &told(kind, count)));
    }
    let rounds = scale.of(20, 2);
    let (started, mut found) = (Instant::now(), 0);
    for number in 0..rounds {
        found += ask_once(&made.memories, Asked::Vectors, number).await?;
    }
    anyhow::ensure!(found > 0, "nothing was found by vectors");
    let conditions = format!("vectors alone, mean of {rounds}");
    figures.push(Figure::new(
        format!("memory.recall.vectors.{on}"),
        millis(started.elapsed()) / rounds as f64,
        "ms",
        conditions,
    ));
    Ok(figures)
}

/// How the cost of a question grows.
pub(crate) async fn growth(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let made = Made::on(backend, Some(Arc::new(AnyDirection))).await?;
    let (mut figures, mut filled) = (Vec::new(), 0);
    for count in [scale.of(10_000, 1_000), scale.of(300_000, 2_000)] {
        made.fill(filled..count).await?;
        filled = count;
        made.embed().await?;
        made.memories.recall(OrgId::LOCAL, &Question::new("first")).await?;
        for (what, kind) in [("words", Asked::Words), ("both", Asked::Both)] {
            let name = format!("memory.growth.{what}.{count}.{}", name_of(backend));
            let samples = ask(&made.memories, kind, scale).await?;
            figures
                .extend(percentiles(&name, samples, &told(kind, count)).map(|figure| Figure { aim: None, ..figure }));
        }
    }
    Ok(figures)
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Words,
    Vectors,
    Both,
    /// Of what one person remembers.
    Narrow,
}

fn told(kind: Asked, count: usize) -> String {
    match kind {
        Asked::Words => format!("library, {count} memories, questions of 6 words, no vectors"),
        Asked::Vectors => format!("library, {count} memories, vectors alone"),
        Asked::Both => {
            format!("library, {count} memories and vectors, questions of 6 words with their vectors at hand")
        }
        Asked::Narrow => format!("the same, of one person: {} of {count}", count.div_ceil(NARROW)),
    }
}

async fn ask(memories: &Memories, kind: Asked, scale: Scale) -> anyhow::Result<Vec<Duration>> {
    let mut samples = Vec::new();
    for number in 0..scale.of(300, 40) {
        let started = Instant::now();
        ask_once(memories, kind, number).await?;
        samples.push(started.elapsed());
    }
    Ok(samples)
}

async fn ask_once(memories: &Memories, kind: Asked, number: usize) -> anyhow::Result<usize> {
    let all = Parts { words: true, meaning: true, circumstances: true };
    let mut asked = Question::new(question(number));
    match kind {
        Asked::Words => asked.parts = Parts { meaning: false, ..all },
        Asked::Vectors => asked.parts = Parts { words: false, ..all },
        Asked::Both => {}
        Asked::Narrow => {
            asked.filter = Filter { scopes: Some(vec![Scope::User("ada".into())]), ..Filter::default() };
        }
    }
    Ok(memories.recall(OrgId::LOCAL, &asked).await?.len())
}

fn percentiles(name: &str, mut samples: Vec<Duration>, conditions: &str) -> [Figure; 2] {
    [50, 99].map(|percent| {
        let took = millis(percentile(&mut samples, percent));
        Figure::new(format!("{name}.p{percent}"), took, "ms", conditions).aiming(Aim::AtMost(AIM))
    })
}

/// Through the socket of the daemon, whose database was filled before it was started.
pub(crate) async fn socket(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let script = directory.path().join("script.json");
    std::fs::write(&script, json!({ "rules": [{ "say": [{ "text": "yes" }] }] }).to_string())?;
    let config = json!({
        "models": { "providers": { "stage": { "kind": "scripted", "script": script } }, "primary": "stage/m" },
        "memory": { "embedder": { "model": "stage/m", "dimensions": made::DIMENSIONS } },
    });
    let empty = Daemon::builder().backend(backend).config(config).without_rate_limits().start().await?;
    let (on, count) = (name_of(backend), scale.of(MANY, 4_000));
    let stored = store(&empty, scale.of(20_000, 640)).await?;
    let conditions = format!("memory.store over 4 WebSockets with {} calls in flight on each, synced", IN_FLIGHT / 4);
    let mut figures = vec![Figure::new(format!("memory.socket.store.{on}"), stored, "memories/s", conditions)];
    let url = empty
        .database_url()
        .map_or_else(|| format!("sqlite:{}", empty.data_directory().join("orchestrator.db").display()), str::to_owned);
    let again = empty.again();
    empty.terminate().await;
    let made = Made::at(&url, Some(Arc::new(AnyDirection))).await?;
    made.fill(0..count).await?;
    made.embed().await?;
    drop(made);
    let daemon = again.start().await?;
    let mut socket = daemon.admin().await;
    socket.call("memory.query", json!({ "query": "first" })).await?;
    let both = samples(&mut socket, scale, |text| ("memory.query", json!({ "query": text }))).await?;
    let conditions =
        format!("memory.query, {count} memories and vectors, the question's vector by a scripted model included");
    figures.extend(percentiles(&format!("memory.socket.both.{on}"), both, &conditions));
    let embed =
        |text: String| ("model.embed", json!({ "inputs": [text], "dimensions": made::DIMENSIONS, "model": "stage/m" }));
    let mut vector = samples(&mut socket, scale, embed).await?;
    let vector = millis(percentile(&mut vector, 50));
    let conditions = "model.embed of such a question, median: its budget is kept in the database";
    figures.push(Figure::new(format!("memory.socket.question.{on}"), vector, "ms", conditions));
    let again = daemon.again();
    daemon.terminate().await;
    let none = json!({ "memory": { "embedder": { "model": null, "dimensions": null } } });
    let daemon = again.config(none).start().await?;
    let mut socket = daemon.admin().await;
    let words = samples(&mut socket, scale, |text| ("memory.query", json!({ "query": text }))).await?;
    let conditions = format!("memory.query, {count} memories, nobody makes vectors");
    figures.extend(percentiles(&format!("memory.socket.words.{on}"), words, &conditions));
    Ok(figures)
}

async fn store(daemon: &Daemon, count: usize) -> anyhow::Result<f64> {
    let (mut running, started) = (JoinSet::new(), Instant::now());
    for place in 0..4 {
        let mut socket = daemon.admin().await;
        let numbers = (count / 4) * place..(count / 4) * (place + 1);
        running.spawn(async move {
            let facts =
                numbers.map(|number| json!({ "tier": "semantic", "type": "fact", "content": draft(number).text }));
            socket
                .call_all("memory.store", facts, IN_FLIGHT / 4)
                .await
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
                .map(drop)
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(per_second(count, started.elapsed()))
}

async fn samples(
    socket: &mut Socket,
    scale: Scale,
    call: impl Fn(String) -> (&'static str, Value),
) -> anyhow::Result<Vec<Duration>> {
    let mut samples = Vec::new();
    for number in 0..scale.of(300, 40) {
        let (method, params) = call(question(number));
        let started = Instant::now();
        socket.call(method, params).await?;
        samples.push(started.elapsed());
    }
    Ok(samples)
}
