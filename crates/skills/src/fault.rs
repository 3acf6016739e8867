use std::fmt;

use serde::Serialize;
use serde_saphyr::Location;

use crate::SkillName;

/// What is wrong with a skill, or worth telling, and where. As text: `skills/pdf/SKILL.md:3:7: …`.
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
    /// The skill that it is about, if its name can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skill: Option<SkillName>,
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
    pub(crate) fn new(file: impl Into<String>, skill: Option<&SkillName>, problem: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, column: None, skill: skill.cloned(), problem: problem.into() }
    }
}

/// A complaint within the front matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Line and column within the file.
    pub(crate) at: Option<(u64, u64)>,
    pub(crate) problem: String,
}

/// Lines before the front matter: the first `---`.
const LINES_BEFORE: u64 = 1;

impl Wrong {
    pub(crate) fn at(location: Location, problem: impl Into<String>) -> Self {
        let at = (location.line() > 0).then(|| (location.line() + LINES_BEFORE, location.column()));
        Self { at, problem: problem.into() }
    }

    pub(crate) fn first_line(problem: impl Into<String>) -> Self {
        Self { at: Some((1, 1)), problem: problem.into() }
    }

    pub(crate) fn in_file(self, file: &str, skill: &SkillName) -> Fault {
        let (line, column) = (self.at.map(|(line, _)| line), self.at.map(|(_, column)| column));
        Fault { line, column, ..Fault::new(file, Some(skill), self.problem) }
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
