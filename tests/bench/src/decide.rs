use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use orchestrator_tasks::{Audience, Candidate, Priority, Ready, Snapshot, Strategy, class_of, decide};
use orchestrator_vocab::{Capability, OrgId, TaskId};

use crate::Scale;
use crate::figure::{Aim, Figure, millis, percentile};

/// How many tasks over how many agents, and within how many milliseconds.
const SIZES: [(usize, usize, Option<f64>); 2] = [(10_000, 100, Some(20.0)), (100_000, 1_000, None)];
const WORDS: [&str; 8] = ["rust", "sql", "web", "docs", "ops", "tests", "data", "design"];

pub(crate) async fn measure(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (tasks, agents, aim) in SIZES {
        figures.extend(sized(scale, tasks, agents, aim)?);
    }
    Ok(figures)
}

fn sized(scale: Scale, tasks: usize, agents: usize, aim: Option<f64>) -> anyhow::Result<Vec<Figure>> {
    let (ready, candidates) = (ready(tasks)?, candidates(agents)?);
    let mut figures = Vec::new();
    for strategy in [Strategy::CapabilityMatch, Strategy::LeastLoaded, Strategy::RoundRobin] {
        let snapshot =
            Snapshot { ready: &ready, agents: &candidates, strategy, audience: Audience::Push, limit: usize::MAX };
        let mut samples: Vec<Duration> = Vec::new();
        for _ in 0..scale.of(500_000 / tasks, 3) {
            let started = Instant::now();
            let decision = decide(&snapshot);
            samples.push(started.elapsed());
            anyhow::ensure!(decision.assignments.len() == tasks, "{} were assigned", decision.assignments.len());
        }
        let name = serde_json::to_value(strategy)?;
        let name = format!("decide.{tasks}.{}", name.as_str().unwrap_or_default());
        let conditions = format!("{tasks} tasks of 64 classes over {agents} agents, median of {}", samples.len());
        let figure = Figure::new(name, millis(percentile(&mut samples, 50)), "ms", conditions);
        figures.push(match aim {
            Some(most) => figure.aiming(Aim::AtMost(most)),
            None => figure,
        });
    }
    Ok(figures)
}

fn capabilities(words: &[usize]) -> anyhow::Result<BTreeSet<Capability>> {
    let parsed = words.iter().map(|word| WORDS[word % WORDS.len()].parse());
    Ok(parsed.collect::<Result<_, _>>()?)
}

fn ready(tasks: usize) -> anyhow::Result<Vec<Ready>> {
    let task = |n: usize| {
        anyhow::Ok(Ready {
            org: OrgId::LOCAL,
            class: class_of(&capabilities(&[n, n / 8])?),
            key: i64::try_from(n)?,
            id: TaskId::new(),
            priority: Priority::ALL[n % Priority::ALL.len()],
            avoid: None,
        })
    };
    (0..tasks).map(task).collect()
}

/// All can do something, some can do everything, and together they have room for all tasks.
fn candidates(agents: usize) -> anyhow::Result<Vec<Candidate>> {
    let agent = |n: usize| {
        let all: Vec<usize> = (0..WORDS.len()).collect();
        let words = if n.is_multiple_of(4) { all } else { vec![n, n + 1, n + 3] };
        let agent = Candidate::new(format!("agent-{n}").parse()?, capabilities(&words)?);
        anyhow::Ok(Candidate { max_concurrent: 1_000, ..agent })
    };
    (0..agents).map(agent).collect()
}
