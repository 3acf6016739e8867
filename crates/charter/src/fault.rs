use std::fmt;

use serde::Serialize;
use serde_saphyr::Location;

use crate::CharterId;

/// What is wrong with a file, or worth telling of it, and where. As text: `charters/lead.yaml:3:7: …`.
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
    /// The charter that the file would be, if its name can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charter: Option<CharterId>,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl std::error::Error for Fault {}

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
    pub(crate) fn new(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, column: None, charter: None, problem: problem.into() }
    }
}

/// Line and column, from 1.
pub(crate) type Place = (u64, u64);

/// A complaint within a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) at: Option<Place>,
    pub(crate) problem: String,
}

impl Wrong {
    pub(crate) fn at(location: Location, problem: impl Into<String>) -> Self {
        Self { at: place(location), problem: problem.into() }
    }

    pub(crate) fn in_file(self, file: &str, charter: &CharterId) -> Fault {
        Fault {
            line: self.at.map(|(line, _)| line),
            column: self.at.map(|(_, column)| column),
            charter: Some(charter.clone()),
            ..Fault::new(file, self.problem)
        }
    }
}

/// `None` for what was not written anywhere.
pub(crate) fn place(location: Location) -> Option<Place> {
    (location.line() > 0).then(|| (location.line(), location.column()))
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
