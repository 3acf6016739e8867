use orchestrator_transcript::ToolPattern;
use serde::Serialize;

use crate::CharterId;

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What is written.
    pub text: String,
    /// In which list, such as `alwaysReject`.
    pub list: &'static str,
    /// In which charter.
    pub charter: CharterId,
    /// In which file.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { text, list, file, line, column, .. } = self;
        write!(f, "{list} `{text}` ({file}:{line}:{column})")
    }
}

/// An action in a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The name of a tool or operation, a beginning (`fs.*`), `*`, or the name of a business action.
    pub action: ToolPattern,
    /// Where it is written.
    pub at: Line,
}

/// Who is asked about an action, and for how long. Without an answer it is denied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Escalation {
    /// How long an answer is waited for, in milliseconds; then the action is denied.
    pub timeout_ms: u64,
    /// `user:NAME` or `channel:NAME`; whoever may confirm if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What is asked about.
    pub action: ToolPattern,
    /// Where it is written.
    pub at: Line,
}
