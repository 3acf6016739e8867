use std::fmt;
use std::path::Path;

use orchestrator_vocab::AgentId;
use serde::Serialize;
use serde_saphyr::Location;

/// What is wrong with a file, and where. As text: `agents/coder.md:3:7: …`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// The file, or the directory.
    pub file: String,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// The agent that the file would define, if its name can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl Fault {
    pub(super) fn new(file: &Path, problem: impl Into<String>) -> Self {
        let file = file.display().to_string();
        Self { file, line: None, column: None, agent_id: None, problem: problem.into() }
    }
}

/// A complaint within the front matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Line and column within the file.
    pub(super) at: Option<(u64, u64)>,
    pub(super) problem: String,
}

/// Lines before the front matter: the first `---`.
const LINES_BEFORE: u64 = 1;

impl Wrong {
    pub(super) fn at(location: Location, problem: impl Into<String>) -> Self {
        let at = (location.line() > 0).then(|| (location.line() + LINES_BEFORE, location.column()));
        Self { at, problem: problem.into() }
    }

    pub(super) fn first_line(problem: impl Into<String>) -> Self {
        Self { at: Some((1, 1)), problem: problem.into() }
    }

    pub(super) fn in_file(self, file: &Path, agent: &AgentId) -> Fault {
        Fault {
            line: self.at.map(|(line, _)| line),
            column: self.at.map(|(_, column)| column),
            agent_id: Some(agent.clone()),
            ..Fault::new(file, self.problem)
        }
    }
}

impl From<serde_saphyr::Error> for Wrong {
    fn from(error: serde_saphyr::Error) -> Self {
        let text = error.without_snippet().to_string();
        let first = text.lines().next().unwrap_or("not YAML");
        // The position is told apart.
        let end = first.rfind(" at line ").unwrap_or(first.len());
        let start = if first.starts_with("error: line ") { first.rfind("error: ").unwrap_or(0) } else { 0 };
        let message = first[start.min(end)..end].trim_end_matches(':');
        Self::at(error.location().unwrap_or(Location::UNKNOWN), message)
    }
}
