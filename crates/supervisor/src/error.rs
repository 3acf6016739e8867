/// Why the supervisor refused, or could not finish.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Choose another name, or wait until that one has ended.
    #[error("something named {0:?} is already running")]
    NameTaken(String),
    /// Too late: nothing is started once [`stop`](crate::Supervisor::stop) was called.
    #[error("the supervisor is stopping")]
    Stopping,
    /// These were still running at the deadline and were aborted. Report it; their work may be half done.
    #[error("not stopped within the deadline: {}", .names.join(", "))]
    Unfinished {
        /// In the order in which they were started.
        names: Vec<String>,
    },
}
