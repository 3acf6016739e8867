use serde::{Deserialize, Serialize};

/// The Model Context Protocol.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Mcp {
    /// Whether operations are offered as tools at `/mcp`.
    pub(crate) serve: bool,
}

impl Default for Mcp {
    fn default() -> Self {
        Self { serve: true }
    }
}
