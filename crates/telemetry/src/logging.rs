use std::fmt;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracing::Dispatch;
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::line_writer::{self, Flush, LineWriter, Lost, Plain, Sink};
use crate::log_file::LogFile;
#[cfg(feature = "otlp")]
use crate::traces::{self, Exporter, OtlpConfig, Service};
use crate::{Description, Error, Metrics, Redaction, Rotation};

#[cfg(test)]
mod tests;

/// What is logged, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`) and directives for components, separated by
    /// commas: `info,orchestrator_tasks=debug`. Default `info,sea_orm_migration=warn`.
    pub level: String,
    /// Default: text.
    pub format: Format,
    /// A file that gets every line too, never coloured; its directory exists already. Default: none. The file is made
    /// with mode 0600; one that was moved away or removed is made anew with the next line.
    pub file: Option<PathBuf>,
    /// When `file` is closed and the next one begun.
    pub rotation: Rotation,
}

impl Config {
    /// Checks everything but the file, which is opened by [`init`].
    ///
    /// # Errors
    /// [`Error::Level`], [`Error::Rotation`].
    pub fn validate(&self) -> Result<(), Error> {
        self.rotation.validate()?;
        parse_level(&self.level).map(drop)
    }
}

impl Default for Config {
    fn default() -> Self {
        let level = "info,sea_orm_migration=warn".to_owned();
        Self { level, format: Format::Text, file: None, rotation: Rotation::default() }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// For people; coloured if standard error is a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Keeps the log going. Drop it last: that writes what is still queued (for at most one second).
#[must_use = "dropping the guard ends the log"]
pub struct Guard {
    level: Level,
    lost: [(&'static str, Lost); 2],
    #[cfg(feature = "otlp")]
    spans: Option<Exporter>,
    _flush: Vec<Flush>,
}

/// Changes the level and the directives of the running program. Cheap to clone.
#[derive(Clone)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Level")
    }
}

impl Level {
    /// From the next line on.
    ///
    /// # Errors
    /// [`Error::Level`] if the directives cannot be understood; the old ones stay.
    pub fn set(&self, directives: &str) -> Result<(), Error> {
        let filter = parse_level(directives)?;
        self.0.reload(filter).map_err(|_| Error::AlreadyInstalled("logs"))
    }
}

impl Guard {
    /// Changes the level and the directives of the running program.
    ///
    /// # Errors
    /// [`Error::Level`] if the directives cannot be understood; the old ones stay.
    pub fn set_level(&self, directives: &str) -> Result<(), Error> {
        self.level.set(directives)
    }

    /// What changes the level, for whoever is not to keep the log going.
    pub fn level(&self) -> Level {
        self.level.clone()
    }

    /// Counts the lines that a sink could not take (nobody reads it, the disk is full) in
    /// `log_lines_lost_total{sink="stderr"|"file"}`, and, where spans are sent, those that were not in
    /// `otlp_spans_dropped_total{reason="queue"|"collector"}` and those that were in `otlp_spans_sent_total`; also so far.
    ///
    /// # Errors
    /// None that can happen with this name; [`Metrics::describe`]'s.
    pub fn count_in(&self, metrics: &Metrics) -> Result<(), Error> {
        const NAME: &str = "log_lines_lost_total";
        metrics.describe(&[Description::counter(NAME, "Lines that a sink of the log could not take.")])?;
        for (sink, lost) in &self.lost {
            lost.count_in(metrics.counter(NAME, &[("sink", (*sink).into())]));
        }
        #[cfg(feature = "otlp")]
        if let Some(spans) = &self.spans {
            spans.count_in(metrics)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// Starts logging to standard error, and to a file if one is configured, for the whole process, also for libraries that
/// use the `log` crate.
///
/// # Errors
/// [`Error::Level`] for directives that cannot be understood, [`Error::Rotation`], [`Error::File`] if the log file
/// cannot be opened, [`Error::AlreadyInstalled`] the second time.
pub fn init(config: &Config, redaction: Redaction) -> Result<Guard, Error> {
    let stderr = io::stderr();
    let colours = stderr.is_terminal();
    let (dispatch, guard) = build(config, redaction, Plain(stderr), colours)?;
    dispatch.try_init().map_err(|_| Error::AlreadyInstalled("logs"))?;
    Ok(guard)
}

/// Like [`init`], and also sends spans to a collector, if `otlp` names one: those that have a field `trace` or
/// `traceparent`. The README says what the fields of such spans mean.
///
/// # Errors
/// As [`init`], and [`Error::Otlp`].
#[cfg(feature = "otlp")]
pub fn init_with_traces(
    config: &Config,
    redaction: Redaction,
    otlp: &OtlpConfig,
    service: &Service,
) -> Result<Guard, Error> {
    let stderr = io::stderr();
    let colours = stderr.is_terminal();
    let traces = traces::start(otlp, service, &redaction)?;
    let (lines, mut guard) = log(config, redaction, Plain(stderr), colours)?;
    let dispatch = match traces {
        Some((spans, exporter)) => {
            guard.spans = Some(exporter);
            Dispatch::new(Registry::default().with(lines).with(spans))
        }
        None => Dispatch::new(Registry::default().with(lines)),
    };
    dispatch.try_init().map_err(|_| Error::AlreadyInstalled("logs"))?;
    Ok(guard)
}

fn build(config: &Config, redaction: Redaction, sink: impl Sink, colours: bool) -> Result<(Dispatch, Guard), Error> {
    let (lines, guard) = log(config, redaction, sink, colours)?;
    Ok((Dispatch::new(Registry::default().with(lines)), guard))
}

type Lines = Filtered<Box<dyn Layer<Registry> + Send + Sync>, reload::Layer<EnvFilter, Registry>, Registry>;

fn log(config: &Config, redaction: Redaction, sink: impl Sink, colours: bool) -> Result<(Lines, Guard), Error> {
    config.validate()?;
    let (filter, level) = reload::Layer::new(parse_level(&config.level)?);
    let lost = [("stderr", Lost::default()), ("file", Lost::default())];
    let mut sinks = vec![line_writer::start(sink, &lost[0].1, config.format)?];
    if let Some(path) = &config.file {
        let file =
            LogFile::open(path, &config.rotation).map_err(|source| Error::File { path: path.clone(), source })?;
        sinks.push(line_writer::start(Uncoloured(file), &lost[1].1, config.format)?);
    }
    let (writer, flush) = line_writer::to_all(sinks, redaction);
    let guard = Guard {
        level: Level(level),
        lost,
        #[cfg(feature = "otlp")]
        spans: None,
        _flush: flush,
    };
    Ok((lines(config.format, writer, colours).with_filter(filter), guard))
}

/// Takes out the colours that the terminal gets.
struct Uncoloured<S>(S);

impl<S: Sink> Sink for Uncoloured<S> {
    fn put(&mut self, line: &str) -> io::Result<()> {
        if !line.contains(COLOUR) {
            return self.0.put(line);
        }
        let mut parts = line.split(COLOUR);
        let first = parts.next().unwrap_or_default().to_owned();
        // What comes from outside cannot contain the escape character: it is escaped when a line is made.
        let plain = parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest));
        self.0.put(&plain)
    }

    fn look(&mut self) {
        self.0.look();
    }
}

/// How a change of colour begins; it ends with `m`.
const COLOUR: &str = "\x1b[";

fn lines(format: Format, writer: LineWriter, colours: bool) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours && format == Format::Text);
    match format {
        Format::Text => Box::new(layer),
        Format::Json => Box::new(layer.json().with_current_span(true).with_span_list(true)),
    }
}

fn parse_level(directives: &str) -> Result<EnvFilter, Error> {
    let parsed = EnvFilter::builder().parse(directives);
    parsed.map_err(|error| Error::Level { directives: directives.to_owned(), source: Box::new(error) })
}
