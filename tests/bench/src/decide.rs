use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use orchestrator_tasks::{Audience, Candidate, Priority, Ready, Snapshot, Strategy, class_of, decide};
use orchestrator_vocab::{Capability, OrgId, TaskId};

use crate::Scale;
use crate::figure::{Aim, Figure, millis, percentile};

const TASKS: usize = 10_000;
const AGENTS: usize = 100;
const WORDS: [&str; 8] = ["rust", "sql", "web", "docs", "ops", "tests", "data", "design"];

pub(crate) async fn measure(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let (ready, agents) = (ready()?, agents()?);
    let mut figures = Vec::new();
    for strategy in [Strategy::CapabilityMatch, Strategy::LeastLoaded, Strategy::RoundRobin] {
        let snapshot =
            Snapshot { ready: &ready, agents: &agents, strategy, audience: Audience::Push, limit: usize::MAX };
        let mut samples: Vec<Duration> = Vec::new();
        for _ in 0..scale.of(50, 5) {
            let started = Instant::now();
            let decision = decide(&snapshot);
            samples.push(started.elapsed());
            anyhow::ensure!(decision.assignments.len() == TASKS, "{} were assigned", decision.assignments.len());
        }
        let name = serde_json::to_value(strategy)?;
        let name = format!("decide.{}", name.as_str().unwrap_or_default());
        let conditions = format!("{TASKS} tasks of 64 classes over {AGENTS} agents, median of {}", samples.len());
        let figure = Figure::new(name, millis(percentile(&mut samples, 50)), "ms", conditions);
        figures.push(figure.aiming(Aim::AtMost(20.0)));
    }
    Ok(figures)
}

fn capabilities(words: &[usize]) -> anyhow::Result<BTreeSet<Capability>> {
    let parsed = words.iter().map(|word| WORDS[word % WORDS.len()].parse());
    Ok(parsed.collect::<Result<_, _>>()?)
}

fn ready() -> anyhow::Result<Vec<Ready>> {
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
    (0..TASKS).map(task).collect()
}

/// All can do something, some can do everything, and together they have room for all tasks.
fn agents() -> anyhow::Result<Vec<Candidate>> {
    let agent = |n: usize| {
        let all: Vec<usize> = (0..WORDS.len()).collect();
        let words = if n.is_multiple_of(4) { all } else { vec![n, n + 1, n + 3] };
        let agent = Candidate::new(format!("agent-{n}").parse()?, capabilities(&words)?);
        anyhow::Ok(Candidate { max_concurrent: 1_000, ..agent })
    };
    (0..AGENTS).map(agent).collect()
}
