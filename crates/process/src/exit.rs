use std::time::Duration;

/// How a process ended, and what it used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exit {
    /// Why it ended. The first reason counts: a process that is ended at a limit and then exits by itself is `TimedOut`.
    pub status: Status,
    /// The program's exit code, if it exited; also when it did so in answer to a stop or a limit.
    pub code: Option<i32>,
    /// The number of the signal that ended the program, if one did.
    pub signal: Option<i32>,
    /// From the start until the whole tree had ended.
    pub duration: Duration,
    /// What was printed to standard output, delivered or not.
    pub stdout_bytes: u64,
    /// What was printed to standard error, delivered or not.
    pub stderr_bytes: u64,
    /// Whether output beyond `output_bytes_max` was discarded.
    pub truncated: bool,
    /// Members of the tree that did not even end on SIGKILL within a second or so (they wait for a device, or run as
    /// another user). Report them; normally empty.
    pub survivors: Vec<u32>,
}

/// Why a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that was not sent from here.
    Signalled(i32),
    /// It ran for `wall_time`.
    TimedOut,
    /// It printed nothing for `idle_time`.
    Idle,
    /// It printed more than `output_bytes_max`, with `OverOutput::End`.
    OutputLimit,
    /// It had more processes than `processes_max`.
    ProcessLimit,
    /// It was told to stop through its [`Handle`](crate::Handle).
    Stopped,
    /// It was ended, but how is not known: something else in this program collected its status or ignores SIGCHLD, or
    /// the runtime it was started in was shut down.
    Unknown,
}

impl Exit {
    /// Whether it exited by itself with code 0.
    pub fn is_success(&self) -> bool {
        self.status == Status::Exited(0)
    }

    pub(crate) fn unknown() -> Self {
        Self {
            status: Status::Unknown,
            code: None,
            signal: None,
            duration: Duration::ZERO,
            stdout_bytes: 0,
            stderr_bytes: 0,
            truncated: false,
            survivors: Vec::new(),
        }
    }
}
