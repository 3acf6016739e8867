use crate::ToolName;

/// Why a call came to nothing. Each may be told to the model that wanted it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Call one that is listed.
    #[error("there is no tool {0}")]
    Unknown(ToolName),
    /// Correct the arguments.
    #[error("the arguments of {tool} are wrong: {problem}")]
    Invalid {
        /// The tool.
        tool: ToolName,
        /// Where, as a JSON pointer, and what was expected.
        problem: String,
    },
    /// It may not be done here, whoever asks: a path that leads out of the workspace, an address that is not listed.
    #[error("{0}")]
    Refused(String),
    /// It did not work; another try or another way may.
    #[error("{0}")]
    Failed(String),
    /// It took longer than it may. It was ended; what it did until then stays.
    #[error("{tool} took longer than {timeout_ms} ms and was ended")]
    TimedOut {
        /// The tool.
        tool: ToolName,
        /// How long it may take.
        timeout_ms: u64,
    },
    /// Nobody wanted the result any more. It was ended; what it did until then stays.
    #[error("{0} was cancelled")]
    Cancelled(ToolName),
    /// What it depends on cannot be reached now; try again later.
    #[error("{tool} cannot be reached: {problem}")]
    Unavailable {
        /// The tool.
        tool: ToolName,
        /// What is wrong.
        problem: String,
    },
    /// Report it: the tool is broken.
    #[error("{tool} is broken: {problem}")]
    Broken {
        /// The tool.
        tool: ToolName,
        /// How.
        problem: String,
    },
}

/// A tool that cannot be registered. Nothing of its set is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tool}: {problem}")]
pub struct InvalidTool {
    /// Which.
    pub tool: ToolName,
    /// What is wrong with it.
    pub problem: String,
}

impl Error {
    /// One word for it, as metrics and clients know it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown",
            Self::Invalid { .. } => "invalid",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::TimedOut { .. } => "timed_out",
            Self::Cancelled(_) => "cancelled",
            Self::Unavailable { .. } => "unavailable",
            Self::Broken { .. } => "broken",
        }
    }
}
