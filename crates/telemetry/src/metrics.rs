use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::{Error, Redaction};

#[cfg(test)]
mod tests;

/// Upper bounds of the buckets of every histogram in seconds: from half a millisecond to an hour.
const SECONDS: [f64; 18] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0, 3600.0];

/// Upper bounds of the buckets of every histogram in bytes: powers of four up to 16 MiB.
const BYTES: [f64; 9] = [256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// Different sets of label values per metric at most; what comes later is counted under `other`.
const LABEL_SETS_MAX: usize = 500;

/// Counters, gauges and histograms, rendered as a page for Prometheus.
///
/// A cheap clone; each `new` is a world of its own, so tests do not see each other. Names are in base units
/// (`_seconds`, `_bytes`), counters end in `_total`. Labels must have few values: never an id, an address or free text.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    redaction: Redaction,
    label_sets: Mutex<HashMap<&'static str, HashSet<Vec<Label>>>>,
}

/// The name of a metric and a sentence on what it counts.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    kind: Kind,
    name: &'static str,
    help: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Description {
    /// Something that only grows; the name ends in `_total`.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { kind: Kind::Counter, name, help }
    }

    /// Something that goes up and down.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { kind: Kind::Gauge, name, help }
    }

    /// A distribution; the name ends in `_seconds` or `_bytes`.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { kind: Kind::Histogram, name, help }
    }

    fn broken_rule(&self) -> Option<&'static str> {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        let starts_well = self.name.starts_with(|first: char| first.is_ascii_lowercase());
        if !starts_well || !self.name.chars().all(plain) {
            return Some("names are lowercase letters, digits and `_`");
        }
        let total = self.name.ends_with("_total");
        match self.kind {
            Kind::Counter if !total => Some("names of counters end in _total"),
            Kind::Gauge | Kind::Histogram if total => Some("only names of counters end in _total"),
            Kind::Histogram if !self.name.ends_with("_seconds") && !self.name.ends_with("_bytes") => {
                Some("names of histograms end in _seconds or _bytes")
            }
            _ => None,
        }
    }
}

impl Metrics {
    /// An empty registry; everything rendered goes through `redaction`.
    #[must_use]
    pub fn new(redaction: Redaction) -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES))
            .expect("the lists of buckets above are not empty")
            .build_recorder();
        let (handle, recorder) = (recorder.handle(), Arc::new(recorder));
        Self(Arc::new(Inner { recorder, handle, redaction, label_sets: Mutex::default() }))
    }

    /// Also collects what libraries report through the `metrics` crate. Once per process.
    ///
    /// # Errors
    /// [`Error::AlreadyInstalled`] if somebody did that before.
    pub fn install(&self) -> Result<(), Error> {
        metrics::set_global_recorder(Arc::clone(&self.0.recorder)).map_err(|_| Error::AlreadyInstalled("metrics"))
    }

    /// Gives metrics their `HELP` lines and checks their names.
    ///
    /// # Errors
    /// [`Error::MetricName`] for the first name that breaks a rule; the ones before it are described.
    pub fn describe(&self, descriptions: &[Description]) -> Result<(), Error> {
        for description in descriptions {
            if let Some(rule) = description.broken_rule() {
                return Err(Error::MetricName { name: description.name, rule });
            }
            let (name, help) = (KeyName::from(description.name), description.help.into());
            match description.kind {
                Kind::Counter => self.0.recorder.describe_counter(name, None, help),
                Kind::Gauge => self.0.recorder.describe_gauge(name, None, help),
                Kind::Histogram => self.0.recorder.describe_histogram(name, None, help),
            }
        }
        Ok(())
    }

    /// The counter with this name and these labels.
    #[must_use]
    pub fn counter(&self, name: &'static str, labels: &[(&'static str, Cow<'static, str>)]) -> Counter {
        Counter(self.0.recorder.register_counter(&self.key(name, labels), &METADATA))
    }

    /// The gauge with this name and these labels.
    #[must_use]
    pub fn gauge(&self, name: &'static str, labels: &[(&'static str, Cow<'static, str>)]) -> Gauge {
        Gauge(self.0.recorder.register_gauge(&self.key(name, labels), &METADATA))
    }

    /// The histogram with this name and these labels.
    #[must_use]
    pub fn histogram(&self, name: &'static str, labels: &[(&'static str, Cow<'static, str>)]) -> Histogram {
        Histogram(self.0.recorder.register_histogram(&self.key(name, labels), &METADATA))
    }

    /// The page for Prometheus (text format 0.0.4).
    #[must_use]
    pub fn render(&self) -> String {
        self.0.redaction.apply(&self.0.handle.render()).into_owned()
    }

    /// Folds recorded samples into their buckets. Call it every few seconds, or memory grows with each sample
    /// until the next [`Metrics::render`].
    pub fn run_upkeep(&self) {
        self.0.handle.run_upkeep();
    }

    /// The labels as given, or `other` for each value once the metric has too many of them.
    fn key(&self, name: &'static str, labels: &[(&'static str, Cow<'static, str>)]) -> Key {
        let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::new(*name, value.clone())).collect();
        if labels.is_empty() {
            return Key::from_name(name);
        }
        // Only ever inserted into, so a panic elsewhere leaves it whole.
        let mut label_sets = self.0.label_sets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = label_sets.entry(name).or_default();
        if known.contains(&labels) {
            return Key::from_parts(name, labels);
        }
        if known.len() < LABEL_SETS_MAX {
            known.insert(labels.clone());
            return Key::from_parts(name, labels);
        }
        let others: Vec<Label> = labels.into_iter().map(|label| Label::new(label.into_parts().0, "other")).collect();
        Key::from_parts(name, others)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// A number that only grows. A cheap clone: keep it where it is used often.
#[derive(Clone, Debug)]
pub struct Counter(metrics::Counter);

impl Counter {
    /// Adds to it.
    pub fn add(&self, amount: u64) {
        self.0.increment(amount);
    }

    /// Raises it to a total that is counted elsewhere; a lower one changes nothing.
    pub fn raise_to(&self, total: u64) {
        self.0.absolute(total);
    }
}

/// A number that goes up and down. A cheap clone.
#[derive(Clone, Debug)]
pub struct Gauge(metrics::Gauge);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// Adds to it; a negative amount takes away.
    pub fn add(&self, amount: f64) {
        self.0.increment(amount);
    }
}

/// A distribution. A cheap clone.
#[derive(Clone, Debug)]
pub struct Histogram(metrics::Histogram);

impl Histogram {
    /// Records one sample in the unit of the metric's name.
    pub fn record(&self, value: f64) {
        self.0.record(value);
    }

    /// Records one sample of a metric in seconds.
    pub fn record_duration(&self, duration: Duration) {
        self.0.record(duration.as_secs_f64());
    }
}
