use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use orchestrator_sql::Backend;
use serde::Serialize;

/// One number and what it means.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What it should be, if something was aimed at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aim: Option<Aim>,
    pub(crate) conditions: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

impl Aim {
    /// One aim per database.
    pub(crate) fn at_least(backend: Backend, sqlite: f64, postgres: f64) -> Self {
        Self::AtLeast(if backend == Backend::Sqlite { sqlite } else { postgres })
    }

    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn text(self, value: f64) -> String {
        let (sign, number) = match self {
            Self::AtLeast(least) => ("≥", least),
            Self::AtMost(most) => ("≤", most),
        };
        let mark = if self.is_met_by(value) { "" } else { " missed" };
        format!("{sign} {}{mark}", plain(number))
    }
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str, conditions: impl Into<String>) -> Self {
        Self { name: name.into(), value, unit, aim: None, conditions: conditions.into() }
    }

    pub(crate) fn aiming(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }
}

/// Prints figures as they come, and keeps them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    machine: String,
    quick: bool,
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new(quick: bool) -> Self {
        Self { machine: machine(), quick, figures: Vec::new() }
    }

    pub(crate) fn print_head(&self) {
        println!("{}", self.machine);
        if self.quick {
            println!("quick: smaller numbers, to see that it works, not to quote");
        }
        println!("\n{:<34} {:>14} {:<10} {:<18} conditions", "figure", "value", "unit", "aim");
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        let aim = figure.aim.map(|aim| aim.text(figure.value)).unwrap_or_default();
        let (name, value) = (&figure.name, plain(figure.value));
        println!("{name:<34} {value:>14} {:<10} {aim:<18} {}", figure.unit, figure.conditions);
        self.figures.push(figure);
    }

    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let written = std::fs::write(file, serde_json::to_vec_pretty(self)?);
        written.with_context(|| format!("cannot write {}", file.display()))
    }
}

/// Half of the samples are at most this long; the list is sorted by it.
pub(crate) fn percentile(samples: &mut [Duration], percent: usize) -> Duration {
    samples.sort_unstable();
    let index = (samples.len() * percent).div_ceil(100).saturating_sub(1);
    samples.get(index).copied().unwrap_or_default()
}

pub(crate) fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

pub(crate) fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000_000.0
}

pub(crate) fn per_second(count: usize, span: Duration) -> f64 {
    count as f64 / span.as_secs_f64()
}

pub(crate) fn name_of(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "sqlite",
        Backend::Postgres => "postgres",
    }
}

/// Three digits that count, thousands apart.
fn plain(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split(' ').take(3).collect();
    let model = model.unwrap_or("unknown processor");
    format!("{model}, {cores} cores, {}, load before {}", std::env::consts::OS, load.join(" "))
}
