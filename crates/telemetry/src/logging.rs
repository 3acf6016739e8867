use std::fmt;
use std::io::{self, IsTerminal, Write};

use serde::Deserialize;
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::line_writer::{self, Flush, LineWriter};
use crate::{Error, Redaction};

#[cfg(test)]
mod tests;

/// What is logged, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`) and directives for components, separated by
    /// commas: `info,orchestrator_tasks=debug`. Default `info,sea_orm_migration=warn`.
    pub level: String,
    /// Default: text.
    pub format: Format,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info,sea_orm_migration=warn".to_owned(), format: Format::Text }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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
    level: reload::Handle<EnvFilter, Registry>,
    _flush: Flush,
}

impl Guard {
    /// Changes the level and the directives of the running program.
    ///
    /// # Errors
    /// [`Error::Level`] if the directives cannot be understood; the old ones stay.
    pub fn set_level(&self, directives: &str) -> Result<(), Error> {
        let filter = parse_level(directives)?;
        self.level.reload(filter).map_err(|_| Error::AlreadyInstalled("logs"))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// Starts logging to standard error for the whole process, also for libraries that use the `log` crate.
///
/// # Errors
/// [`Error::Level`] for directives that cannot be understood, [`Error::AlreadyInstalled`] the second time.
pub fn init(config: &Config, redaction: Redaction) -> Result<Guard, Error> {
    let stderr = io::stderr();
    let colours = stderr.is_terminal();
    let (dispatch, guard) = build(config, redaction, stderr, colours)?;
    dispatch.try_init().map_err(|_| Error::AlreadyInstalled("logs"))?;
    Ok(guard)
}

fn build(
    config: &Config,
    redaction: Redaction,
    sink: impl Write + Send + 'static,
    colours: bool,
) -> Result<(Dispatch, Guard), Error> {
    let (filter, level) = reload::Layer::new(parse_level(&config.level)?);
    let (writer, flush) = line_writer::start(sink, redaction)?;
    let subscriber = Registry::default().with(lines(config.format, writer, colours).with_filter(filter));
    Ok((Dispatch::new(subscriber), Guard { level, _flush: flush }))
}

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
