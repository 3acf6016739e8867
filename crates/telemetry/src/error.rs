use std::path::PathBuf;

/// Why telemetry cannot start. None is worth a retry: fix the configuration or the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fix the directives: `info`, or per component `info,orchestrator_tasks=debug`.
    #[error("{directives:?} is not a log level with per-component directives, such as info,orchestrator_tasks=debug")]
    Level {
        /// As configured.
        directives: String,
        /// The parser's complaint.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The program starts telemetry twice.
    #[error("{0} already belong to somebody else in this process")]
    AlreadyInstalled(&'static str),
    /// Choose a number within the limits.
    #[error("rotation.{key}: expected {least} to {most}, found {value}")]
    Rotation {
        /// As the configuration spells it.
        key: &'static str,
        /// The least that is allowed.
        least: u64,
        /// The most that is allowed.
        most: u64,
        /// As configured.
        value: u64,
    },
    /// Fix the value.
    #[error("otlp.{key}: {rule}")]
    Otlp {
        /// As the configuration spells it.
        key: &'static str,
        /// What is expected.
        rule: String,
    },
    /// Make the directory, or let this user write to it; nothing but a regular file will do.
    #[error("cannot open the log file {}", path.display())]
    File {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The system has no thread left.
    #[error("cannot start the thread that writes the log, or the one that sends spans")]
    Thread(#[source] std::io::Error),
    /// Rename the metric.
    #[error("metric {name}: {rule}")]
    MetricName {
        /// The name that was refused.
        name: &'static str,
        /// What names look like.
        rule: &'static str,
    },
}
