use std::time::Duration;

/// What a process may use before it is ended. Times count from the start and include pauses, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run. Default: no limit.
    pub wall_time: Option<Duration>,
    /// How long it may print nothing. Time in which it is paused, or in which its output waits to be read, does not
    /// count. Default: no limit.
    pub idle_time: Option<Duration>,
    /// How many processes the tree may have; looked at every 100 ms. Default: no limit.
    pub processes_max: Option<u64>,
    /// How many bytes of each of the two streams are delivered. Default 10 MiB.
    pub output_bytes_max: u64,
    /// What happens to a process that prints more. Default: it runs on and the rest is discarded.
    pub over_output: OverOutput,
    /// Longer lines are delivered in pieces. At least 16; default 64 KiB.
    pub line_bytes_max: usize,
    /// How many outputs wait for a slow reader before the process is made to wait too. At least 1; default 32.
    pub outputs_waiting_max: usize,
    /// How long the tree has between SIGTERM and SIGKILL when a limit ends it. Default 5 s.
    pub grace: Duration,
    /// How long a background process may hold the output open after the program itself has ended. Default 500 ms.
    pub drain: Duration,
}

/// What happens to a process that prints more than `output_bytes_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OverOutput {
    /// The rest of this stream is read and thrown away, so that the process is not blocked.
    #[default]
    Discard,
    /// The tree is ended with `Status::OutputLimit`.
    End,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_time: None,
            idle_time: None,
            processes_max: None,
            output_bytes_max: 10 * 1024 * 1024,
            over_output: OverOutput::default(),
            line_bytes_max: 64 * 1024,
            outputs_waiting_max: 32,
            grace: Duration::from_secs(5),
            drain: Duration::from_millis(500),
        }
    }
}
